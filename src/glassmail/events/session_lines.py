"""The text log of SMTP sessions: one sober line per refusal and per end of a session.

    refused CODE/1 IP:PORT NAME helo HELO rcpt
        from <SENDER> to <RECIPIENT> by rcpthosts: 553_sorry,_...
    session CODE IP:PORT helo HELO quit accepted 1 refused 0
        bytes 4312 ms 13
    handed CODE/1 IP:PORT NAME helo HELO from <SENDER> to 2
        by PROGRAM exit 0 pid 4711: 250_ok_...

Each is one line. `refused` names the stage, the check that decided and the reply; `session` how it
ended; `handed` a message that a program of QMAILQUEUE took. NAME and HELO are `-` when unknown.

With control/tcpserverlog = 1 tcpserver's lines stand here, too:

    tcpserver: status: 1/40
    tcpserver: pid 4711 from IP
    tcpserver: ok 4711 NAME:IP:PORT NAME:IP:INFO:PORT
    tcpserver: end 4711 status 0

and with control/smtpdlog = sqmail those of s/qmail:

    qmail-smtpd: pid 4711 Reject::RCPT::Failed_Rcptto
        P:ESMTP S:IP:NAME H:HELO F:SENDER T:RECIPIENT

Lines that checks of the front door ask for begin with `qmail-smtpd[PID]:`.

What a client sent is made safe as in qmail-send's log: no blank, no newline, no control byte.
"""

from collections.abc import Callable
from typing import Any

from glassmail.core.model import code
from glassmail.core.model.address import safe_for_log
from glassmail.events.event import Event
from glassmail.events.smtpd import (
    Connected,
    Disconnected,
    Handed,
    Noted,
    Refused,
    SessionEnded,
)


def lines(event: Event, stamp: bytes = b"") -> bytes:
    """Return the line of an event, or nothing."""
    render = RENDERERS.get(type(event))
    return render(event, stamp) if render is not None else b""


def _text(value: str) -> bytes:
    return safe_for_log(value.encode("utf-8", "replace")) or b"-"


def _bytes(value: bytes) -> bytes:
    return safe_for_log(value) or b"-"


def _code(number: int, part: int) -> bytes:
    if not 0 < number <= code.NUMBER_MAX:
        return b"-"
    shown = code.render(number)
    return b"%b/%d" % (shown, part) if part else shown


def _refused(event: Refused, stamp: bytes) -> bytes:
    return b"%brefused %b %b:%d %b helo %b %b from <%b> to <%b> by %b: %b\n" % (
        stamp,
        _code(event.code, event.part),
        _text(event.client),
        event.client_port,
        _text(event.client_name),
        _bytes(event.helo),
        _text(event.stage),
        safe_for_log(event.sender),
        safe_for_log(event.recipient),
        _text(event.check),
        safe_for_log(event.reply),
    )


def _session_ended(event: SessionEnded, stamp: bytes) -> bytes:
    return b"%bsession %b %b:%d helo %b %b accepted %d refused %d bytes %d ms %d\n" % (
        stamp,
        _code(event.code, 0),
        _text(event.client),
        event.client_port,
        _bytes(event.helo),
        _text(event.how),
        event.accepted,
        event.refused,
        event.bytes_in,
        max(0, event.at - event.began) // 1_000_000,
    )


def _handed(event: Handed, stamp: bytes) -> bytes:
    return b"%bhanded %b %b:%d %b helo %b from <%b> to %d by %b exit %d pid %d: %b\n" % (
        stamp,
        _code(event.code, event.part),
        _text(event.client),
        event.client_port,
        _text(event.client_name),
        _bytes(event.helo),
        safe_for_log(event.sender),
        len(event.recipients),
        safe_for_log(event.program),
        event.exit_code,
        event.pid,
        safe_for_log(event.reply),
    )


def _connected(event: Connected, stamp: bytes) -> bytes:
    where = b"%b:%b:%d %b:%b:%b:%d" % (
        safe_for_log(event.local_name), _address(event.local), event.local_port,
        safe_for_log(event.client_name), _address(event.client), safe_for_log(event.info),
        event.client_port,
    )  # fmt: skip
    word = b"deny" if event.is_denied else b"ok"
    detail = b" " + safe_for_log(event.detail).replace(b"_", b" ") if event.detail else b""
    front = stamp + b"tcpserver: "
    return b"%bstatus: %d/%d\n%bpid %d from %b\n%b%b %d %b%b\n" % (
        front, event.count, event.most, front, event.pid, _address(event.client),
        front, word, event.pid, where, detail,
    )  # fmt: skip


def _address(text: str) -> bytes:
    return safe_for_log(text.encode("utf-8", "replace"))


def _disconnected(event: Disconnected, stamp: bytes) -> bytes:
    front = stamp + b"tcpserver: "
    numbers = (front, event.pid, event.status, front, event.count, event.most)
    return b"%bend %d status %d\n%bstatus: %d/%d\n" % numbers


def _noted(event: Noted, stamp: bytes) -> bytes:
    text = _shown(event.line)
    front = b"qmail-smtpd[%d]: " % event.pid if event.pid else b""
    return b"%b%b%b\n" % (stamp, front, text)


def _shown(line: bytes) -> bytes:
    # These lines hold blanks; a client's bytes in them can end neither line nor terminal.
    return line.translate(_PRINTABLE)


_PRINTABLE = bytes(byte if 32 <= byte < 127 else 0x3F for byte in range(256))

RENDERERS: dict[type[Event], Callable[[Any, bytes], bytes]] = {
    Refused: _refused,
    SessionEnded: _session_ended,
    Noted: _noted,
    Handed: _handed,
    Connected: _connected,
    Disconnected: _disconnected,
}
