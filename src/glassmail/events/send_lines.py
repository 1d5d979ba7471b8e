"""Read qmail-send's log lines: the reverse of events.qmail_lines (qmail-log.5).

Purpose:
    `read` names what one line says. `log import` makes events of them, `why` finds the message
    that a pasted line speaks of.

Always:
    A line that is none of qmail-send's is None, never a guess. Texts stay as they are written:
    newlines are `/` and blanks `_`, and which was which cannot be told.
"""

import re
from typing import NamedTuple

_N = rb"([0-9]{1,18})"


class SendLine(NamedTuple):
    """One line of qmail-send.

    Attributes:
        kind: new, info, starting, delivery, mangled, bounce, discarded, end, admin, status,
            exiting, alert, warning.
        message: message number, 0 when the line names none.
        delivery: delivery number, 0 when the line names none.
        channel: local or remote (starting).
        address: recipient as routed (starting), or envelope sender (info).
        outcome: K, Z, D (delivery).
        text: report (delivery), words (alert, warning, admin's verb, discarded's kind).
        size: bytes (info).
        qp: qmail-queue's process (info, bounce).
        uid: who handed it in (info), or gave the order (admin).
    """

    kind: str
    message: int = 0
    delivery: int = 0
    channel: str = ""
    address: bytes = b""
    outcome: str = ""
    text: bytes = b""
    size: int = 0
    qp: int = 0
    uid: int = 0


_NEW = re.compile(rb"new msg " + _N)
_INFO = re.compile(
    rb"info msg " + _N + rb": bytes " + _N + rb" from <(.*)> qp " + _N + rb" uid " + _N
)
_STARTING = re.compile(rb"starting delivery " + _N + rb": msg " + _N + rb" to (local|remote) (.*)")
_DELIVERY = re.compile(rb"delivery " + _N + rb": (success|deferral|failure):(?: (.*))?", re.DOTALL)
_MANGLED = re.compile(rb"delivery " + _N + rb": report mangled, will defer")
_BOUNCE = re.compile(rb"bounce msg " + _N + rb" qp " + _N)
_DISCARDED = re.compile(rb"(double|triple) bounce: discarding (?:bounce/)?" + _N)
_END = re.compile(rb"end msg " + _N)
_ADMIN = re.compile(rb"admin msg " + _N + rb": ([a-z]+) by uid " + _N)
_STATUS = re.compile(rb"status: (?:local [0-9]+/[0-9]+ remote [0-9]+/[0-9]+(?: exitasap)?|exiting)")
_WORDS = re.compile(rb"(alert|warning): (.*)", re.DOTALL)
_LETTERS = {b"success": "K", b"deferral": "Z", b"failure": "D"}


def read(line: bytes) -> SendLine | None:
    """Read a line without stamp and newline; None when qmail-send writes no such line."""
    reader = _READERS.get(line[:2])
    if reader is None:
        return None
    return reader(line.rstrip(b"\r\n"))


def _new(line: bytes) -> SendLine | None:
    match = _NEW.fullmatch(line)
    return SendLine("new", int(match[1])) if match else None


def _info(line: bytes) -> SendLine | None:
    match = _INFO.fullmatch(line)
    if match is None:
        return None
    number, size, qp, uid = (int(match[n]) for n in (1, 2, 4, 5))
    return SendLine("info", number, address=match[3], size=size, qp=qp, uid=uid)


def _starting_or_status(line: bytes) -> SendLine | None:
    match = _STARTING.fullmatch(line)
    if match is not None:
        channel = match[3].decode("ascii")
        return SendLine("starting", int(match[2]), int(match[1]), channel, match[4])
    if _STATUS.fullmatch(line):
        return SendLine("exiting" if line.endswith(b"exiting") else "status")
    return None


def _delivery(line: bytes) -> SendLine | None:
    match = _DELIVERY.fullmatch(line)
    if match is not None:
        outcome, text = _LETTERS[match[2]], match[3] or b""
        return SendLine("delivery", delivery=int(match[1]), outcome=outcome, text=text)
    match = _MANGLED.fullmatch(line)
    return SendLine("mangled", delivery=int(match[1])) if match else None


def _bounce(line: bytes) -> SendLine | None:
    match = _BOUNCE.fullmatch(line)
    return SendLine("bounce", int(match[1]), qp=int(match[2])) if match else None


def _discarded(line: bytes) -> SendLine | None:
    match = _DISCARDED.fullmatch(line)
    return SendLine("discarded", int(match[2]), text=match[1]) if match else None


def _end(line: bytes) -> SendLine | None:
    match = _END.fullmatch(line)
    return SendLine("end", int(match[1])) if match else None


def _admin(line: bytes) -> SendLine | None:
    match = _ADMIN.fullmatch(line)
    return SendLine("admin", int(match[1]), text=match[2], uid=int(match[3])) if match else None


def _words(line: bytes) -> SendLine | None:
    match = _WORDS.fullmatch(line)
    return SendLine(match[1].decode("ascii"), text=match[2]) if match else None


_READERS = {
    b"ne": _new,
    b"in": _info,
    b"st": _starting_or_status,
    b"de": _delivery,
    b"do": _discarded,
    b"tr": _discarded,
    b"bo": _bounce,
    b"en": _end,
    b"ad": _admin,
    b"al": _words,
    b"wa": _words,
}
