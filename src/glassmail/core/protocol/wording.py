"""The same refusal in another server's words: profiles of replies, and texts of variables.

Purpose:
    Checks answer by the catalogue's replies. `wording` says which of them a site tells its
    clients in other words: s/qmail's (control/replyprofile), the relay refusal that many patched
    servers have (control/relayreply), or with a text of a variable REPLY_*.

Always:
    - A reply means the same in every profile; only code and text differ, as they do there.
    - s/qmail puts the text of its variable before ` (#`, with a blank on each side: an unset one
      leaves two blanks.
"""

from collections.abc import Mapping

from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies

SQMAIL = b"sqmail"
RELAYED = b"relayed"
_TEXT_MAX = 200  # of a variable

_SQMAIL_PLAIN = {
    replies.UNIMPLEMENTED: replies.SQ_UNIMPLEMENTED,
    replies.LINE_ENDS: replies.SQ_LINE_ENDS,
    replies.HELP: replies.SQ_HELP,
    replies.AUTH_FAILED: replies.SQ_AUTH_FAILED,
    replies.AUTH_FIRST: replies.SQ_AUTH_FIRST,
    replies.AUTH_CANCELLED: replies.SQ_AUTH_CANCELLED,
    replies.AUTH_TYPE: replies.SQ_AUTH_TYPE,
    replies.TLS_READY: replies.SQ_TLS_READY,
    replies.TLS_FIRST: replies.SQ_TLS_FIRST,
    replies.TLS_UNAVAILABLE: replies.SQ_TLS_UNAVAILABLE,
}
# qmail's reply -> s/qmail's, and the variable whose text goes into it.
_SQMAIL = {
    replies.BADHELO: (replies.SQ_HELO, b"REPLY_HELO"),
    replies.BADMAILFROM: (replies.SQ_BADMAILFROM, b"REPLY_BADMAILFROM"),
    replies.BADRCPTTO: (replies.SQ_BADRCPTTO, b"REPLY_BADRCPTTO"),
    replies.RCPTHOSTS: (replies.SQ_RCPTHOSTS, b"REPLY_NOGATEWAY"),
    replies.SENDER_DOMAIN: (replies.SQ_SENDER_DOMAIN, b"REPLY_SENDEREXIST"),
    replies.SENDER_INVALID: (replies.SQ_SENDER_INVALID, b"REPLY_SENDERINVALID"),
    replies.RECIPIENTS: (replies.SQ_RECIPIENTS, b"REPLY_MAILBOX"),
    replies.DATABYTES: (replies.DATABYTES, b"REPLY_MAXSIZE"),
}
VARIABLES = tuple(variable for _reply, variable in _SQMAIL.values())


def wording(
    profile: bytes, relay_reply: bytes, environment: Mapping[bytes, bytes], version: bytes = b""
) -> dict[Reply, Reply]:
    """Map replies of the catalogue to what this client is told; empty for qmail's words.

    Args:
        profile: control/replyprofile.
        relay_reply: control/relayreply.
        environment: the client's variables.
        version: our version when HELP shall tell it, else empty.
    """
    made: dict[Reply, Reply] = {}
    is_sqmail = profile == SQMAIL
    if is_sqmail:
        made.update(_SQMAIL_PLAIN)
    for said, (theirs, variable) in _SQMAIL.items():
        text = environment.get(variable)
        if is_sqmail or text:
            made[said] = _with_text(theirs if is_sqmail else said, text or b"", is_sqmail=is_sqmail)
    if relay_reply == RELAYED:
        made[replies.RCPTHOSTS] = replies.RELAYED
    if version:
        said = made.get(replies.HELP, replies.HELP)
        made[replies.HELP] = said._replace(text=said.text + b"\n" + version)
    return made


def _with_text(reply: Reply, text: bytes, *, is_sqmail: bool) -> Reply:
    head, mark, tail = reply.text.rpartition(b" (#")
    if is_sqmail and reply is replies.DATABYTES and not text:
        return reply  # the one text that has no second blank when its variable is not set
    text = text[:_TEXT_MAX].replace(b"\n", b" ")
    return reply._replace(text=head.rstrip() + b" " + text + mark + tail)
