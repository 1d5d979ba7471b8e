"""What the SMTP server says: every text once, with an id, in qmail-smtpd's exact words.

Purpose:
    `REPLIES` is the catalogue: id -> reply. Texts that qmail does not have (it never checks a
    recipient, counts errors or runs out of sessions) are this project's own and marked so.
    `render` writes a reply as bytes for the wire.

Always:
    - A line is at most 512 bytes with its CR LF (RFC 5321, 4.5.3.1.5); text is cut, never the
      code in front or the trace code behind.
    - No byte of a text can end a line or escape a terminal: control and 8-bit bytes become `?`.
"""

from glassmail.core.model.limits import REPLY_LINE_BYTES_MAX
from glassmail.core.model.reply import Reply

REPLIES: dict[str, Reply] = {}
_IDS: dict[Reply, str] = {}
# Replies that every session sends, as qmail's bytes: rendering them anew would be a tenth of
# the dialogue's work.
_READY: dict[Reply, bytes] = {}
_READY_MAX = 1_024  # greetings change with settings and rules


def _declare(
    name: str, code: int, text: bytes, *, close: bool = False, status: bytes = b""
) -> Reply:
    reply = Reply(code, text, close, status)
    REPLIES[name] = reply
    _IDS.setdefault(reply, name)
    return reply


def name_of(reply: Reply) -> str:
    """Return the catalogue's id of a reply; empty when its text was made elsewhere."""
    return _IDS.get(reply, "")


# --- qmail-smtpd.c ----------------------------------------------------------------------------
MAIL_OK: Reply = _declare("mail_ok", 250, b"ok", status=b"2.1.0")
RCPT_OK: Reply = _declare("rcpt_ok", 250, b"ok", status=b"2.1.5")
NOOP_OK: Reply = _declare("noop_ok", 250, b"ok", status=b"2.0.0")
FLUSHED: Reply = _declare("flushed", 250, b"flushed", status=b"2.0.0")
VRFY: Reply = _declare("vrfy", 252, b"send some mail, i'll try my best", status=b"2.5.2")
HELP: Reply = _declare("help", 214, b"notqmail home page: https://notqmail.org", status=b"2.0.0")
GO_AHEAD: Reply = _declare("go_ahead", 354, b"go ahead")
MAIL_FIRST: Reply = _declare("mail_first", 503, b"MAIL first (#5.5.1)")
RCPT_FIRST: Reply = _declare("rcpt_first", 503, b"RCPT first (#5.5.1)")
UNIMPLEMENTED: Reply = _declare("unimplemented", 502, b"unimplemented (#5.5.1)")
SYNTAX: Reply = _declare("syntax", 555, b"syntax error (#5.5.4)")
BADMAILFROM: Reply = _declare(
    "badmailfrom", 553, b"sorry, your envelope sender is in my badmailfrom list (#5.7.1)"
)
RCPTHOSTS: Reply = _declare(
    "rcpthosts", 553, b"sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"
)
DATABYTES: Reply = _declare(
    "databytes", 552, b"sorry, that message size exceeds my databytes limit (#5.3.4)"
)
HOPS: Reply = _declare("hops", 554, b"too many hops, this message is looping (#5.4.6)")
LINE_ENDS: Reply = _declare(
    "line_ends", 451, b"See https://cr.yp.to/docs/smtplf.html.", close=True, status=b"4.6.0"
)
TIMEOUT: Reply = _declare("timeout", 451, b"timeout (#4.4.2)", close=True)
NO_CONTROLS: Reply = _declare("no_controls", 421, b"unable to read controls (#4.3.0)", close=True)
QUEUE_DOWN: Reply = _declare("queue_down", 451, b"qqt failure (#4.3.0)")
QUEUE_FULL: Reply = _declare("queue_full", 452, b"qq write error or disk full (#4.3.1)")
# --- s/qmail, vpopmail ------------------------------------------------------------------------
AUTHORIZATION: Reply = _declare("authorization", 530, b"Authorization required (#5.7.1)")
TOO_MANY_RECIPIENTS: Reply = _declare(
    "too_many_recipients", 452, b"sorry, too many recipients (#4.5.3)"
)
NO_MAILBOX: Reply = _declare(
    "no_mailbox", 550, b"sorry, no mailbox here by that name. (#5.1.1)"
)
RELAYED: Reply = _declare(
    "relayed", 553, b"sorry, that domain isn't allowed to be relayed thru this MTA (#5.7.1)"
)
# --- the combined patch (rules-interface, 5) ---------------------------------------------------
BADHELO: Reply = _declare(
    "badhelo", 553, b"sorry, your HELO host name has been denied (#5.7.1)"
)
BADRCPTTO: Reply = _declare(
    "badrcptto", 553, b"sorry, your envelope recipient has been denied (#5.7.1)"
)
SENDER_DOMAIN: Reply = _declare(
    "sender_domain", 553, b"sorry, your envelope sender domain must exist (#5.7.1)"
)
DNS_SOFT: Reply = _declare("dns_soft", 451, b"DNS temporary failure (#4.3.0)")
NO_RELAY_FORMS: Reply = _declare("no_relay_forms", 553, b"we don't relay (#5.7.1)")
VALIDRCPTTO: Reply = _declare(
    "validrcptto", 553, b"sorry, this recipient is not in my validrcptto list (#5.7.1)"
)
TOO_MANY_INVALID: Reply = _declare(
    "too_many_invalid", 421, b"too many invalid addresses, goodbye (#4.3.0)", close=True
)
PRE_GREET: Reply = _declare(
    "pre_greet", 554, b"SMTP protocol violation", close=True, status=b"5.5.1"
)
CHECK_REFUSED: Reply = _declare(
    "check_refused", 553, b"sorry, no mailbox here by that name. (#5.1.1)"
)
CHECK_DEFERRED: Reply = _declare("check_deferred", 421, b"unable to verify recipient (#4.3.0)")
CHECK_FAILED: Reply = _declare(
    "check_failed", 421, b"unable to execute recipient check (#4.3.0)", close=True
)
SPAM_IGNORED: Reply = _declare("spam_ignored", 250, b"ok Your SPAM has been ignored.")
NO_SPAM: Reply = _declare("no_spam", 554, b"we do not accept SPAM (#5.3.0)")
# --- s/qmail (its REPLY_ texts go before ` (#`) ------------------------------------------------
SENDER_INVALID: Reply = _declare(
    "sender_invalid", 553, b"sorry, invalid sender address specified (#5.7.1)"
)
RECIPIENTS: Reply = _declare("recipients", 550, b"sorry, no mailbox by that name (#5.7.1)")
RECIPIENTS_450: Reply = _declare(
    "recipients_450", 450, b"sorry, mailbox currently unavailable (#4.2.1)"
)
RECIPIENTS_FAILED: Reply = _declare(
    "recipients_failed", 421, b"unable to check recipients (#4.3.0)", close=True
)
NOTORIOUS: Reply = _declare(
    "notorious", 503, b"DATA command not accepted at this time (#5.5.1)", close=True
)
SQ_HELO: Reply = _declare("sq_helo", 550, b"sorry, invalid HELO/EHLO greeting  (#5.7.1)")
SQ_BADMAILFROM: Reply = _declare(
    "sq_badmailfrom", 553, b"sorry, your envelope sender is in my badmailfrom list  (#5.7.1)"
)
SQ_BADRCPTTO: Reply = _declare(
    "sq_badrcptto", 553, b"sorry, your envelope recipient is in my badrcptto list  (#5.7.1)"
)
SQ_RCPTHOSTS: Reply = _declare(
    "sq_rcpthosts", 553, b"sorry, that domain isn't in my list of allowed rcpthosts  (#5.7.1)"
)
SQ_SENDER_DOMAIN: Reply = _declare(
    "sq_sender_domain", 553, b"sorry, your envelope sender must exist  (#5.7.1)"
)
SQ_SENDER_INVALID: Reply = _declare(
    "sq_sender_invalid", 553, b"sorry, invalid sender address specified  (#5.7.1)"
)
SQ_RECIPIENTS: Reply = _declare("sq_recipients", 550, b"sorry, no mailbox by that name  (#5.7.1)")
SQ_UNIMPLEMENTED: Reply = _declare("sq_unimplemented", 500, b"unimplemented (#5.5.1)")
SQ_LINE_ENDS: Reply = _declare(
    "sq_line_ends", 451, b"Bare Line Feeds (LF) are not accepted in SMTP; CRLF is required "
    b"according to RFC 2822.", close=True, status=b"4.6.0",
)
SQ_HELP: Reply = _declare(
    "sq_help", 214, b"sqmail home page: http://fehcom.de/sqmail.html", status=b"2.0.0"
)
# --- AUTH and STARTTLS: the combined patch (rules-interface, 5) and s/qmail ---------------------
AUTH_OK: Reply = _declare("auth_ok", 235, b"ok, go ahead (#2.0.0)")
AUTH_FAILED: Reply = _declare("auth_failed", 535, b"authorization failed (#5.7.0)")
AUTH_AGAIN: Reply = _declare("auth_again", 503, b"you're already authenticated (#5.5.0)")
AUTH_IN_MAIL: Reply = _declare("auth_in_mail", 503, b"no auth during mail transaction (#5.5.0)")
AUTH_UNAVAILABLE: Reply = _declare("auth_unavailable", 503, b"auth not available (#5.3.3)")
AUTH_TYPE: Reply = _declare("auth_type", 504, b"auth type not available (#5.5.1)")
AUTH_CANCELLED: Reply = _declare("auth_cancelled", 501, b"auth exchange cancelled (#5.0.0)")
AUTH_MALFORMED: Reply = _declare("auth_malformed", 501, b"malformed auth input (#5.5.4)")
AUTH_TROUBLE: Reply = _declare(
    "auth_trouble", 454, b"oops, passwords cannot be checked now (#4.3.0)"
)
AUTH_FIRST: Reply = _declare("auth_first", 503, b"AUTH first (#5.5.1)")
TLS_FIRST: Reply = _declare("tls_first", 503, b"STARTTLS first (#5.5.1)")
TLS_READY: Reply = _declare("tls_ready", 220, b"ready for tls")
TLS_SYNTAX: Reply = _declare("tls_syntax", 501, b"Syntax error (no parameters allowed) (#5.5.4)")
TLS_ACTIVE: Reply = _declare("tls_active", 454, b"TLS not available: TLS already active (#4.3.0)")
TLS_UNAVAILABLE: Reply = _declare("tls_unavailable", 454, b"TLS not available (#4.3.0)")
TLS_BOTH: Reply = _declare(
    "tls_both", 421, b"FORCE_TLS and DENY_TLS both found (#4.3.0)", close=True
)
AUTH_WITHOUT_PROGRAM: Reply = _declare(
    "auth_without_program", 421, b"REQUIRE_AUTH set without valid AUTH program. (#4.3.0)",
    close=True,
)
CRAM_WITH_CDB: Reply = _declare(
    "cram_with_cdb", 421, b"ALLOW_CRAM not available (with AUTH_CDB) (#4.3.0)", close=True
)
SQ_AUTH_FAILED: Reply = _declare("sq_auth_failed", 535, b"authentication failed (#5.7.1)")
SQ_AUTH_FIRST: Reply = _declare("sq_auth_first", 535, b"authentication required (#5.7.1)")
SQ_AUTH_CANCELLED: Reply = _declare("sq_auth_cancelled", 501, b"auth exchange canceled (#5.0.0)")
SQ_AUTH_TYPE: Reply = _declare("sq_auth_type", 504, b"auth type unimplemented (#5.5.1)")
SQ_TLS_READY: Reply = _declare("sq_tls_ready", 220, b"Ready to start TLS (#5.7.0)")
SQ_TLS_FIRST: Reply = _declare("sq_tls_first", 535, b"STARTTLS required (#5.7.1)")
SQ_TLS_UNAVAILABLE: Reply = _declare(
    "sq_tls_unavailable", 454, b"TLS not available due to temporary reason (#5.7.3)",
    status=b"4.7.3",
)
# --- this project's own -----------------------------------------------------------------------
AUTH_ENCRYPTION: Reply = _declare(
    "auth_encryption", 538, b"encryption required for requested authentication mechanism "
    b"(#5.7.11)",
)
TLS_GLUED: Reply = _declare(
    "tls_glued", 501, b"nothing may follow STARTTLS before the handshake (#5.5.1)", close=True
)
# tcpserver hangs up on a denied client without a word: a reply without text is never sent.
DENIED: Reply = _declare("denied", 554, b"", close=True)
LINE_TOO_LONG: Reply = _declare("line_too_long", 500, b"command line too long (#5.5.2)", close=True)
BARE_LF_COMMAND: Reply = _declare(
    "bare_lf_command", 500, b"a command of a group must end with CR LF (#5.5.2)", close=True
)
TOO_MANY_ERRORS: Reply = _declare("too_many_errors", 421, b"too many errors (#4.7.0)", close=True)
TOO_MANY_SESSIONS: Reply = _declare(
    "too_many_sessions", 421, b"too many connections, try again later (#4.3.2)", close=True
)
NO_QUEUE: Reply = _declare("no_queue", 421, b"my queue does not answer (#4.3.0)", close=True)
SHUTTING_DOWN: Reply = _declare(
    "shutting_down", 421, b"this server is stopping (#4.3.2)", close=True
)
BLOCKED: Reply = _declare(
    "blocked", 421, b"too much trouble from your network, try again later (#4.7.0)", close=True
)
ACCOUNT_HELD: Reply = _declare(
    "account_held", 451, b"your account has sent too much, ask the postmaster (#4.7.0)"
)
TOO_MANY_LOGINS: Reply = _declare(
    "too_many_logins", 454, b"too many wrong passwords from your network, try again later (#4.7.0)"
)
TROUBLE: Reply = _declare("trouble", 451, b"internal trouble (#4.3.0)")


def greeting(text: bytes) -> Reply:
    """The first line: `220 G ESMTP`."""
    return _make_ready(Reply(220, text + b" ESMTP"))


def helo(text: bytes) -> Reply:
    """Answer HELO: `250 G`."""
    return _make_ready(Reply(250, text))


def ehlo(text: bytes, size_max: int, *, is_enhanced: bool) -> Reply:
    """Answer EHLO. qmail's two extensions stand first, in its order.

    Args:
        text: smtpgreeting.
        size_max: databytes; 0 means no limit (RFC 1870, 4).
        is_enhanced: whether ENHANCEDSTATUSCODES is announced (RFC 2034).
    """
    lines = b"%b\nPIPELINING\n8BITMIME\nSIZE %d\nSMTPUTF8" % (text, size_max)
    return _make_ready(Reply(250, lines + b"\nENHANCEDSTATUSCODES" if is_enhanced else lines))


# `AUTH=` is for Outlook Express 4 and Netscape 4, which do not know `AUTH`.
EHLO_WORDS = (
    b"PIPELINING", b"8BITMIME", b"SIZE", b"SMTPUTF8", b"STARTTLS", b"AUTH", b"AUTH=",
    b"ENHANCEDSTATUSCODES",
)  # fmt: skip
EHLO_ORDER = tuple(word for word in EHLO_WORDS if word != b"AUTH=")


def ehlo_in_order(
    text: bytes,
    size_max: int,
    order: tuple[bytes, ...],
    *,
    is_enhanced: bool,
    is_tls: bool,
    mechanisms: tuple[bytes, ...],
) -> Reply:
    """Answer EHLO with AUTH and STARTTLS, in the order of control/ehlo.

    Args:
        text: smtpgreeting.
        size_max: databytes.
        order: the words; those that are not there are not announced.
        is_enhanced: whether ENHANCEDSTATUSCODES counts.
        is_tls: whether STARTTLS is offered.
        mechanisms: of AUTH; none: it is not offered.
    """
    known = b" ".join(mechanisms)
    shown = {b"SIZE": b"SIZE %d" % size_max, b"AUTH": b"AUTH " + known, b"AUTH=": b"AUTH=" + known}
    left_out = set()
    if not is_tls:
        left_out.add(b"STARTTLS")
    if not mechanisms:
        left_out |= {b"AUTH", b"AUTH="}
    if not is_enhanced:
        left_out.add(b"ENHANCEDSTATUSCODES")
    lines = [text, *(shown.get(word, word) for word in order if word not in left_out)]
    return _make_ready(Reply(250, b"\n".join(lines)))


def goodbye(text: bytes) -> Reply:
    """Answer QUIT: `221 G`."""
    return _make_ready(Reply(221, text, True, b"2.0.0"))


def queued(at: int, message: int, code: bytes) -> Reply:
    """The end of DATA: `250 ok <unix time> qp <number>`, and the message's trace code."""
    text = b"ok %d qp %d" % (at, message)
    return Reply(250, b"%b [%b]" % (text, code) if code else text, status=b"2.6.0")


def declined(is_permanent: bool, exit_code: int, text: bytes) -> Reply:
    """The queue did not take the message (qmail.c): D is 554, Z is 451, a full disk 452."""
    if exit_code == 53:
        return QUEUE_FULL
    return Reply(554 if is_permanent else 451, text)


def _make_ready(reply: Reply) -> Reply:
    if reply not in _READY:
        if len(_READY) >= _READY_MAX:
            _READY.clear()
        _READY[reply] = _render(reply, b"", is_enhanced=False)
    return reply


_SAFE = bytes(byte if byte == 0x0A or 32 <= byte < 127 else 0x3F for byte in range(256))


def render(reply: Reply, suffix: bytes, *, is_enhanced: bool) -> bytes:
    """Write a reply for the wire, CR LF included.

    Args:
        reply: what to say.
        suffix: ` [CODE]`, put behind the last line of 4xx and 5xx.
        is_enhanced: put the enhanced status code in front (RFC 2034, 4). Greeting and answers
            to HELO and EHLO have none; the caller passes False for them.
    """
    if not is_enhanced and reply.code < 400:
        ready = _READY.get(reply)
        if ready is not None:
            return ready
    return _render(reply, suffix, is_enhanced=is_enhanced)


def _render(reply: Reply, suffix: bytes, *, is_enhanced: bool) -> bytes:
    code, text = reply.code, reply.text.translate(_SAFE)
    if code < 400:
        suffix = b""
    status = b""
    if is_enhanced and code // 100 != 3:
        text, status = _split_status(reply, text)
    front = b"%d " % code
    if b"\n" not in text and len(text) + len(status) + len(suffix) < _ROOM:
        return b"%b%b%b%b\r\n" % (front, status, text, suffix)
    lines = text.split(b"\n")
    last = lines.pop()
    more = b"".join(
        b"%d-%b%b\r\n" % (code, status, line[: _ROOM - len(status)]) for line in lines
    )
    room = _ROOM - len(status) - len(suffix)
    return b"%b%b%b%b%b\r\n" % (more, front, status, last[:room], suffix)


_ROOM = REPLY_LINE_BYTES_MAX - 6  # without code, blank, CR and LF


def _split_status(reply: Reply, text: bytes) -> tuple[bytes, bytes]:
    """Take the enhanced code from its place at the end of qmail's text: (text, `5.7.1 `)."""
    digit = b"%d" % (reply.code // 100)
    status = reply.status
    head, mark, tail = text.rpartition(b" (#")
    if mark and tail.endswith(b")") and tail[:-1].translate(None, b"0123456789") == b"..":
        text = head
        status = status or tail[:-1]
    if not status:
        status = b"0.0.0"
    # RFC 3463, 2: the class always agrees with the reply's first digit.
    return text, digit + status[1:] + b" "


for _reply in (MAIL_OK, RCPT_OK, NOOP_OK, FLUSHED, VRFY, HELP, GO_AHEAD):
    _make_ready(_reply)
