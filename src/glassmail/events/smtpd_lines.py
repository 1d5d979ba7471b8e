"""Read the log lines of the SMTP side: this server's, tcpserver's and those of qmail's branches.

Purpose:
    `read` names what one line says about a client. `log import` makes sessions of them, `why`
    finds the session that a pasted line speaks of.

Lines known here:

    refused CODE/1 192.0.2.7:4711 mx.src.test helo h rcpt from <a@b> to <c@d> by rcpthosts: 553_...
    session CODE 192.0.2.7:4711 helo h quit accepted 1 refused 0 bytes 4312 ms 13
    tcpserver: pid P from IP; ok P lname:lip:lport rname:rip:info:rport; deny P ...; end P status W
    rblsmtpd: IP pid P: 451 text
    qmail-smtpd: pid P Reject::RCPT::Rcpthosts_Rcptto P:SMTP S:ip:host H:helo F:from T:to 'info'
    qmail-smtpd[P]: MAIL FROM:<a@b>, validrcptto [ip] reject: c@d, ...
    CHKUSER rejected rcpt: from <a@b::> remote <helo:host:ip> rcpt <c@d> : not existing recipient
    rcptcheck.pl[P1][P]: a@b c@d ip OK A

Always:
    What a client sent stands in these lines; whatever does not parse is None or left empty.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.model import code


class SmtpdLine(NamedTuple):
    """One line of the SMTP side.

    Attributes:
        kind: from, ok, deny, end, status (tcpserver); refused, session, handed (this server);
            said (a remark or verdict of qmail-smtpd or its helpers).
        pid: of the session's process, 0 when the line names none.
        client: numeric address, empty when the line names none.
        port: the client's, 0 when not named.
        name: the client's reverse name.
        helo: what it called itself.
        sender, recipient: of the envelope.
        is_refusal: the line says that something was refused.
        check: what refused: a word of the line.
        text: reply or remark.
        code, part: trace code number of ours.
        status: exit status of the process (end).
    """

    kind: str
    pid: int = 0
    client: str = ""
    port: int = 0
    name: str = ""
    helo: bytes = b""
    sender: bytes = b""
    recipient: bytes = b""
    is_refusal: bool = False
    check: str = ""
    text: bytes = b""
    code: int = 0
    part: int = 0
    status: int = 0


_P = rb"([0-9]{1,10})"
_IP = rb"([0-9a-fA-F:.]{2,45})"

_OURS = re.compile(
    rb"(refused|handed) (\S+) " + _IP + rb":([0-9]{1,5}) (\S+) helo (\S+) (?:(\S+) )??"
    rb"from <(\S*)> to (?:<(\S*)>|[0-9]+) by (\S+?)(?: exit [0-9]+ pid [0-9]+)?: (.*)"
)
_OUR_SESSION = re.compile(
    rb"session (\S+) " + _IP + rb":([0-9]{1,5}) helo (\S+) (\S+) accepted [0-9]+ refused .*"
)
_SERVER = rb"(?:tcpserver|sslserver): "
_FROM = re.compile(_SERVER + rb"pid " + _P + rb" from " + _IP)
_OK = re.compile(
    _SERVER + rb"(ok|deny) " + _P + rb" ([^ ]*) ([^ :]*):" + _IP + rb":([^ ]*):([0-9]{1,5})"
    rb"(?: (.*))?"
)
_END = re.compile(_SERVER + rb"end " + _P + rb" status ([0-9]{1,9})")
_STATUS = re.compile(_SERVER + rb"(?:status: [0-9]+/[0-9]+|.*)")
_RBL = re.compile(rb"rblsmtpd: " + _IP + rb" pid " + _P + rb": ([0-9]{3} .*)")
_SQMAIL = re.compile(
    rb"qmail-smtpd: pid " + _P + rb" (Accept|Reject)::([A-Z0-9]+)::(\S+) P:(\S*) "
    rb"S:([0-9.]+|[0-9a-fA-F:]+?):([A-Za-z0-9._-]*) H:(\S*) F:(\S*) T:(\S*)(.*)"
)
_COMBINED = re.compile(rb"qmail-smtpd\[" + _P + rb"\]: (.*)")
_CHKUSER = re.compile(
    rb"(?:qmail-smtpd: )?CHKUSER (accepted|rejected|relaying|mbx)\b([^:]*): from <([^:>]*)[^>]*> "
    rb"remote <([^:>]*):([^:>]*):" + _IP + rb"> rcpt <([^>]*)> : (.*)"
)
_RCPTCHECK = re.compile(
    rb"rcptcheck\.pl\[[0-9]+\]\[" + _P + rb"\]: (\S+) (\S+) " + _IP + rb" ([A-Z]+ \S+)"
)
_BRACKETED = re.compile(rb"\[" + _IP + rb"\]")
_AT_IP = re.compile(rb" at " + _IP)
_ADDRESS = re.compile(rb"[^\s<>\[\]():;,]+@[^\s<>\[\]():;,]+")
_SAYS_NO = re.compile(
    rb"reject|fail|invalid|exceeded|denied|excessive|bad(?:helo|mailfrom|rcptto):"
)


def read(line: bytes) -> SmtpdLine | None:
    """Read a line without stamp and newline; None when nobody here writes such a line."""
    line = line.rstrip(b"\r\n")
    for reader in _READERS:
        found = reader(line)
        if found is not None:
            return found
    return None


def _ours(line: bytes) -> SmtpdLine | None:
    match = _OURS.fullmatch(line)
    if match is not None:
        number, part = _code(match[2])
        return SmtpdLine(
            match[1].decode("ascii"), client=_text(match[3]), port=int(match[4]),
            name=_known(match[5]).decode("ascii", "replace"), helo=_known(match[6]),
            sender=match[8], recipient=match[9] or b"", is_refusal=match[1] == b"refused",
            check=_text(match[10]), text=match[11], code=number, part=part,
        )  # fmt: skip
    match = _OUR_SESSION.fullmatch(line)
    if match is None:
        return None
    number, part = _code(match[1])
    return SmtpdLine("session", client=_text(match[2]), port=int(match[3]),
                     helo=_known(match[4]), code=number, part=part, text=match[5])  # fmt: skip


def _tcpserver(line: bytes) -> SmtpdLine | None:
    match = _FROM.fullmatch(line)
    if match is not None:
        return SmtpdLine("from", int(match[1]), _text(match[2]))
    match = _OK.fullmatch(line)
    if match is not None:
        is_denied = match[1] == b"deny"
        return SmtpdLine(
            _text(match[1]), int(match[2]), _text(match[5]), int(match[7]), _text(match[4]),
            is_refusal=is_denied, check="client-rule" if is_denied else "", text=match[8] or b"",
        )  # fmt: skip
    match = _END.fullmatch(line)
    if match is not None:
        return SmtpdLine("end", int(match[1]), status=int(match[2]))
    return SmtpdLine("status") if _STATUS.fullmatch(line) else None


def _rblsmtpd(line: bytes) -> SmtpdLine | None:
    match = _RBL.fullmatch(line)
    if match is None:
        return None
    return SmtpdLine("said", int(match[2]), _text(match[1]), is_refusal=True, check="rblsmtpd",
                     text=match[3])  # fmt: skip


def _sqmail(line: bytes) -> SmtpdLine | None:
    match = _SQMAIL.match(line)
    if match is None:
        return None
    check = f"{_text(match[3])}::{_text(match[4])}"
    return SmtpdLine(
        "said", int(match[1]), _text(match[6]), name=_text(match[7]), helo=match[8],
        sender=match[9], recipient=match[10], is_refusal=match[2] == b"Reject", check=check,
        text=check.encode() + match[11],
    )  # fmt: skip


def _combined(line: bytes) -> SmtpdLine | None:
    match = _COMBINED.fullmatch(line)
    if match is None:
        return None
    text = match[2]
    client = _BRACKETED.search(text) or _AT_IP.search(text)
    address = _ADDRESS.search(text)
    found = SmtpdLine("said", int(match[1]), _text(client[1]) if client else "", text=text)
    if text.startswith(b"MAIL FROM:"):
        return found._replace(sender=address[0] if address else b"")
    if text.startswith((b"badmailfrom:", b"MFCHECK")):
        found = found._replace(sender=address[0] if address else b"")
    elif address is not None:
        found = found._replace(recipient=address[0])
    check = text.split(None, 1)[0].rstrip(b":").lower() if text else b""
    return found._replace(is_refusal=bool(_SAYS_NO.search(text)), check=_text(check))


def _chkuser(line: bytes) -> SmtpdLine | None:
    match = _CHKUSER.fullmatch(line)
    if match is None:
        return None
    return SmtpdLine(
        "said", client=_text(match[6]), name=_text(match[5]), helo=match[4], sender=match[3],
        recipient=match[7], is_refusal=match[1] == b"rejected", check="chkuser", text=match[8],
    )  # fmt: skip


def _rcptcheck(line: bytes) -> SmtpdLine | None:
    match = _RCPTCHECK.fullmatch(line)
    if match is None:
        return None
    return SmtpdLine("said", int(match[1]), _text(match[4]), sender=match[2], recipient=match[3],
                     is_refusal=not match[5].startswith(b"OK"), check="rcptcheck",
                     text=match[5])  # fmt: skip


def _code(text: bytes) -> tuple[int, int]:
    return code.parse(text) or (0, 0)


def _known(text: bytes) -> bytes:
    return b"" if text == b"-" else text


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")


_READERS: tuple[Callable[[bytes], SmtpdLine | None], ...] = (
    _tcpserver,
    _ours,
    _sqmail,
    _chkuser,
    _combined,
    _rblsmtpd,
    _rcptcheck,
)
