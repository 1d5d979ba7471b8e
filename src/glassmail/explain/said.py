"""What words mean: texts of qmail, of other servers and of scanners, read for their cause.

Purpose:
    `cause_of` reads the report of a delivery, or a text that a person pasted, by its words alone.
    It serves where there are no steps (imported logs, pasted bounces), and names what steps do
    not hold: why another server said no. `advice_of_text` is the same for a pasted text.

Always:
    - The first pattern that fits decides; special ones stand before general ones.
    - Logs write blanks as `_` and newlines as `/`: both forms are read alike.
    - What is not recognised has no cause, never a guess.
"""

import re
from functools import cache
from typing import NamedTuple

from glassmail.explain.remedies import NONE, REMEDIES, Advice, command_of, in_general

WORDS_MAX = 200  # of the other side's words in a sentence
_TEXT_MAX = 20_000


class Ending(NamedTuple):
    """Words and the cause they stand for.

    Attributes:
        id: of the remedy.
        words: a regular expression on the folded text with single blanks.
    """

    id: str
    words: bytes

    def is_in(self, folded: bytes) -> bool:
        """Tell whether the words are there."""
        return _compiled(self.words).search(folded) is not None


@cache
def _compiled(words: bytes) -> "re.Pattern[bytes]":
    # When they are needed: all of them cost each `glass why CODE` 5 ms of its start.
    return re.compile(words)


def _ending(name: str, *patterns: bytes) -> Ending:
    return Ending(name, b"|".join(patterns))


# What another server said, behind `Remote host said:`.
THEIRS: tuple[Ending, ...] = (
    _ending("their_greylist", rb"gr[ea]y-?list",
            rb"451 4\.7\.1 (?!.*(?:resource|system|load)).*(?:try|come) (?:again|back)",
            rb"4[0-9]{2}.*(?:temporarily deferred|first (?:contact|attempt)|please (?:try|retry) "
            rb"(?:again )?(?:in|after) [0-9]+)"),
    _ending("their_mailbox_full", rb"[245]\.2\.2\b",
            rb"(?:mailbox|inbox|quota|storage)[^.]{0,40}(?:is |was )?(?:full|exceed|exhaust)",
            rb"over (?:its |their |disk )?quota", rb"insufficient (?:disk )?space",
            rb"out of storage space", rb"user_is_over_quota"),
    _ending("their_too_large", rb"[45]\.3\.4\b",
            rb"(?:message|mail|size)[^.]{0,40}(?:too (?:large|big)|exceeds?)",
            rb"exceeds (?:the |my |our )?(?:databytes|maximum|fixed|size)"),
    _ending("their_blocklist", rb"spamhaus|spamcop|barracudacentral|sorbs|uceprotect|\bdnsbl\b",
            rb"\brbls?\b", rb"block ?list", rb"black ?list", rb"blocked (?:using|by|for)",
            rb"poor reputation", rb"bad reputation"),
    _ending("their_slots", rb"too many (?:concurrent |simultaneous )?(?:smtp )?"
            rb"(?:connections|sessions)", rb"connection (?:limit|slots?)", rb"out of connection",
            rb"4\.3\.2\b.*(?:too many|busy|overload)", rb"(?:server|system) (?:is )?(?:too )?busy"),
    _ending("their_rate", rb"rate[ -]?limit", rb"4\.7\.28\b", rb"too many (?:messages|recipients|"
            rb"errors)", rb"sending (?:too|limit)", rb"throttl", rb"unusual rate"),
    _ending("their_relay", rb"relay", rb"rcpthosts", rb"5\.7\.1\b[^/]{0,40}not permitted",
            rb"(?:we|i) do(?:n't| not) (?:take|handle|accept) (?:mail )?for",
            rb"isn't in my list of allowed", rb"not (?:a )?local domain"),
    _ending("their_policy", rb"\bspf\b|\bdkim\b|\bdmarc\b", rb"5\.7\.(?:2[0-9]|5[0-9]{2})\b",
            rb"\bspam\b|\bvirus\b|\bmalware\b|\bphish", rb"content (?:rejected|denied|policy)",
            rb"policy (?:violation|reasons?|rejection)",
            rb"message (?:rejected|refused) (?:as|due)",
            rb"unauthenticated"),
    _ending("their_sender", rb"sender address rejected", rb"[45]\.1\.[78]\b",
            rb"sender verif", rb"(?:invalid|unknown|bad) sender"),
    _ending("their_no_mailbox", rb"[45]\.1\.[1-6]\b",
            rb"(?:no such|unknown|invalid|nonexistent) (?:user|recipient|mailbox|address|local)",
            rb"(?:user|recipient|mailbox|address|account)[^.]{0,60}(?:unknown|not found|"
            rb"does(?:n't| not) exist|unavailable|disabled|rejected|invalid|is not valid)",
            rb"no mailbox (?:here )?by that name", rb"mailbox not found", rb"not our customer"),
    _ending("certificate", rb"certificate", rb"tls[^.]{0,60}(?:fail|error|verif)"),
)

# What a report of ours begins with: where in the dialogue it happened.
OURS: tuple[Ending, ...] = (
    _ending("too_old", rb"this message has been in the queue too long"),
    _ending("maybe_duplicate", rb"possible duplicate!"),
    _ending("their_hung_up", rb"but connection died\."),
    _ending("no_such_host", rb"couldn't find any host named"),
    _ending("no_mx", rb"couldn't find a mail exchanger or ip address"),
    _ending("mx_is_us", rb"although i'm listed as a best-preference mx"),
    _ending("mx_unknown", rb"cname lookup failed temporarily",
            rb"couldn't find any host by that name"),
    _ending("certificate", rb"certificate|tls (?:connect|handshake|required|verif)"),
    _ending("connection_refused", rb"connection refused"),
    _ending("port_25_closed", rb"no route to host|host is unreachable"),
    _ending("connection_timed_out", rb"(?:connection|operation|connect) timed out"),
    _ending("no_connection", rb"wasn't able to establish an smtp connection"),
    _ending("partial_line", rb"cannot transfer messages with partial final lines"),
    _ending("loop_here", rb"this message is looping: it already has my delivered-to",
            rb"mail is looping"),
    _ending("mailbox_full", rb"user is over quota", rb"over ?quota", rb"mailbox is full"),
    _ending("dot_qmail_x_bit", rb"has prog delivery but has x bit set",
            rb"has file delivery but has x bit set"),
    _ending("dot_qmail_writable", rb"\.qmail file is writable|uh-oh: \.qmail file"),
    _ending("dot_qmail_blank", rb"first line of \.qmail file is blank"),
    _ending("dot_qmail_closed", rb"unable to open \.qmail.{0,300}?: access denied"),
    _ending("home_writable", rb"home directory is writable"),
    _ending("home_sticky", rb"home directory is sticky"),
    _ending("home_missing", rb"unable to switch to .{1,500}: file does not exist"),
    _ending("home_closed", rb"unable to switch to .{1,500}: access denied"),
    _ending("mailbox_closed", rb"unable to chdir to maildir"),
    _ending("mailbox_broken", rb"temporary error on maildir delivery"),
    _ending("mbox_closed", rb"unable to (?:open|write) .{1,500}\(#4\.(?:2\.1|3\.0)\)",
            rb"file has been locked for 30 seconds"),
    _ending("program_crashed", rb"aack, child crashed"),
    _ending("program_slow", rb"the program ran longer than [0-9]+ seconds"),
    _ending("one_user", rb"runs as uid [0-9]+ and cannot deliver as uid"),
    _ending("as_root", rb"not allowed to perform deliveries as root"),
    _ending("no_alias_user", rb"unable to find alias user"),
    _ending("assign_broken", rb"trouble reading users cdb in qmail-lspawn"),
    _ending("no_mailbox", rb"no mailbox here by that name", rb"user does not exist"),
)

# What a session here answered, or a program beside it said.
SESSION: tuple[Ending, ...] = (
    _ending("scanner_orphaned", rb"parent process died"),
    _ending("scanner_refused", rb"x-qmail-scanner.*(?:quarantine|policy|perl|disallowed)",
            rb"simscan:.*(?:reject|virus)", rb"we do not accept spam",
            rb"permanently rejected message"),
    _ending("relay_denied", rb"isn't in my list of allowed rcpthosts|relay(?:ing)? (?:is )?denied|"
            rb"allowed to be relayed"),
    _ending("greylisted", rb"gr[ea]y-?listed"),
    _ending("too_large", rb"exceeds my databytes limit"),
    _ending("too_many_hops", rb"too many hops, this message is looping"),
    _ending("line_ends", rb"smtplf\.html|bare line feeds"),
    _ending("our_slots", rb"too many connections, try again later"),
    _ending("not_queued", rb"qq (?:write error|trouble|temporary)|qqt failure"),
    _ending("client_silent", rb"^4?5?1? ?timeout \(#4\.4\.2\)"),
    _ending("pre_greet", rb"smtp protocol violation"),
    _ending("too_many_errors", rb"too many errors"),
    _ending("login_failed", rb"authorization failed|authentication (?:failed|credentials invalid)"),
)

_SAID = re.compile(rb"remote host said:|(?:said|diagnostic-code|responded|rejected):? ?(?=[45][0-9]"
                   rb"{2}\b)|smtp; ?(?=[45])")  # fmt: skip
_PLACE = (
    ("their_greeting", b"but greeting failed"),
    ("their_name", b"but my name was rejected"),
    ("their_sender", b"but sender was rejected"),
)
_BLANKS = re.compile(rb"[_\s/]+")
_SERVER = re.compile(
    rb"(?:connected to |giving up on |^| )([0-9a-f:.]{3,45}|[a-z0-9.-]+\.[a-z0-9-]+)"
    rb"(?: but | does not like| failed |\.$|\. )"
)


def cause_of(text: bytes, **facts: object) -> Advice:
    """Read the report of a delivery; NONE when its words are not recognised.

    Args:
        text: raw, or as a log shows it.
        facts: what the case knows for the sentences: address, domain, server, ...
    """
    folded = _folded(text)
    ours, theirs = _parted(folded)
    facts.setdefault("server", _server(folded))
    facts["words"] = shown_words(text)
    for ending in OURS:
        if ending.id in _FINAL and ending.is_in(folded):
            return _filled(ending.id, facts)
    if theirs:
        is_sender = b"but sender was rejected" in ours  # then no recipient has been named yet
        for ending in THEIRS:
            if ending.is_in(theirs) and not (is_sender and ending.id in _OF_RECIPIENTS):
                return _filled(ending.id, facts)
        for name, place in _PLACE:
            if place in ours:
                return _filled(name, facts)
        return _filled("their_words", facts)
    for ending in OURS:
        if ending.is_in(folded):
            return _filled(ending.id, facts)
    return NONE


_OF_RECIPIENTS = frozenset({"their_no_mailbox", "their_mailbox_full", "their_relay"})
# These stand in a report together with the other server's words, and count for more.
_FINAL = frozenset({"too_old"})


def cause_of_reply(reply: bytes, **facts: object) -> Advice:
    """Read what a session here answered; NONE when its words are not recognised."""
    folded = _folded(reply)
    for ending in SESSION:
        if ending.is_in(folded):
            return _filled(ending.id, {**facts, "words": shown_words(reply)})
    return NONE


def advice_of_text(text: bytes) -> Advice:
    """Read a pasted text, whoever said it; NONE when nothing in it is known."""
    text = text[:_TEXT_MAX]
    folded = _folded(text)
    facts = _named(text)
    found = cause_of_reply(text, **facts) if _names_scanner(folded) else NONE
    found = found if found.id else cause_of(text, **facts)
    found = found if found.id else cause_of_reply(text, **facts)
    if found.id or not _REPLY.search(folded):
        return found
    for ending in THEIRS:
        if ending.is_in(folded):
            return _filled(ending.id, {**facts, "words": shown_words(text)})
    return NONE


_ADDRESS = re.compile(rb"<([^<>@\s]{1,500}@([^<>@\s]{1,253}))>")


def _named(text: bytes) -> dict[str, object]:
    """Take the address that an error text names in angle brackets."""
    found = _ADDRESS.search(text)
    if found is None:
        return {}
    return {"address": found[1].decode("utf-8", "replace"),
            "domain": found[2].decode("utf-8", "replace")}  # fmt: skip


_REPLY = re.compile(rb"(?:^|[^0-9.])[45][0-9]{2}[ -]|[45]\.[0-9]{1,3}\.[0-9]{1,3}")


def _names_scanner(folded: bytes) -> bool:
    return b"x-qmail-scanner" in folded or b"simscan" in folded or b"parent process" in folded


def _folded(text: bytes) -> bytes:
    return _BLANKS.sub(b" ", text).strip().lower()


def _parted(folded: bytes) -> tuple[bytes, bytes]:
    """Part a report into our words and the other server's."""
    match = _SAID.search(folded)
    return (folded[: match.start()], folded[match.end() :]) if match else (folded, b"")


def _server(folded: bytes) -> str:
    match = _SERVER.search(folded)
    return match[1].decode("ascii", "replace") if match else ""


def shown_words(text: bytes) -> str:
    """Return a text on one line, cut to what a sentence can hold."""
    shown = " ".join(text.decode("utf-8", "backslashreplace").split())
    return shown if len(shown) <= WORDS_MAX else shown[: WORDS_MAX - 3] + "..."


def _filled(name: str, facts: dict[str, object]) -> Advice:
    """Fill a remedy in; what the words do not tell is called by its kind."""
    remedy = REMEDIES[name]
    known = {key: value for key, value in facts.items() if value}
    fault, text = in_general(remedy.fault, known), in_general(remedy.text, known)
    return Advice(name, fault, text, command_of(remedy, known))
