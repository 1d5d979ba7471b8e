"""What remote delivery says: qmail-remote's texts, word for word, with their letters.

Where a server's own words follow, they are qmail's `Remote host said: ` and the reply.
"""

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import Trail

NO_RESOURCES = Report(Outcome.DEFERRAL, b"System resources temporarily unavailable. (#4.3.0)\n")
UNREADABLE_MESSAGE = Report(Outcome.DEFERRAL, b"Unable to read message. (#4.3.0)\n")
UNREADABLE_CONTROLS = Report(Outcome.DEFERRAL, b"Unable to read control files. (#4.3.0)\n")
LOOKUP_FAILED = Report(Outcome.DEFERRAL, b"CNAME lookup failed temporarily. (#4.4.3)\n")
NO_HOST_FOUND = Report(
    Outcome.DEFERRAL, b"Sorry, I couldn't find any host by that name. (#4.1.2)\n"
)
NO_CONNECTION = Report(
    Outcome.DEFERRAL, b"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
)
CRASHED = Report(Outcome.DEFERRAL, b"qmail-remote crashed.\n")  # qmail-rspawn.c
PARTIAL_LINE = Report(
    Outcome.FAILURE, b"SMTP cannot transfer messages with partial final lines. (#5.6.2)\n"
)
NO_EXCHANGER = Report(
    Outcome.FAILURE, b"Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"
)
AMBIGUOUS_MX = Report(
    Outcome.FAILURE,
    b"Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
    b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n",
)
# The two below are this server's own: qmail would send the line end into the dialogue.
BAD_SENDER = Report(
    Outcome.FAILURE, b"Sorry, I can't send the envelope sender's address by SMTP. (#5.1.7)\n"
)
BAD_RECIPIENT = Report(Outcome.FAILURE, b"Sorry, I can't send to that address by SMTP. (#5.1.3)\n")

_SAFE = bytes(byte if 32 < byte < 127 else 0x3F for byte in range(256))  # outsafe()


def no_such_host(host: bytes) -> Report:
    """Say that DNS knows no such host."""
    shown = host.translate(_SAFE)
    return Report(
        Outcome.FAILURE, b"Sorry, I couldn't find any host named " + shown + b". (#5.1.2)\n"
    )


def connection_died(partner: bytes, *, is_critical: bool) -> bytes:
    """Say that the connection is gone; critical: the final dot may have arrived."""
    duplicate = b"Possible duplicate! " if is_critical else b""
    return b"Connected to " + partner + b" but connection died. " + duplicate + b"(#4.4.2)\n"


def greeting_failed(partner: bytes, said: bytes) -> bytes:
    """Say that the greeting was no 220."""
    return b"Connected to " + partner + b" but greeting failed.\n" + remote_said(said)


def name_rejected(partner: bytes, said: bytes) -> bytes:
    """Say that HELO was refused."""
    return b"Connected to " + partner + b" but my name was rejected.\n" + remote_said(said)


def sender_rejected(partner: bytes, said: bytes) -> bytes:
    """Say that MAIL was refused."""
    return b"Connected to " + partner + b" but sender was rejected.\n" + remote_said(said)


def recipient_disliked(partner: bytes, said: bytes) -> bytes:
    """Say that RCPT was refused."""
    return partner + b" does not like recipient.\n" + remote_said(said)


def giving_up(partner: bytes) -> bytes:
    """Say that no recipient was left."""
    return b"Giving up on " + partner + b".\n"


def data_failed(partner: bytes, said: bytes) -> bytes:
    """Say that DATA was refused."""
    return partner + b" failed on DATA command.\n" + remote_said(said)


def message_failed(partner: bytes, said: bytes) -> bytes:
    """Say that the message was refused after its last line."""
    return partner + b" failed after I sent the message.\n" + remote_said(said)


def accepted(partner: bytes, said: bytes) -> bytes:
    """Say that the message was taken."""
    return partner + b" accepted message.\n" + remote_said(said)


def remote_said(said: bytes) -> bytes:
    """Quote the other server; NUL becomes `?` (outsmtptext)."""
    if not said:
        return b""
    return b"Remote host said: " + (said.replace(b"\0", b"?") if b"\0" in said else said)


_RANK = {Outcome.SUCCESS: 1, Outcome.DEFERRAL: 0, Outcome.FAILURE: -1}
_CAP = {"r": Outcome.SUCCESS, "s": Outcome.DEFERRAL, "h": Outcome.FAILURE}


def combine(letter: str, recipient_text: bytes, message: Report, steps: Trail = ()) -> Report:
    """Make one report of a recipient's record and the message's, as qmail-rspawn does.

    Args:
        letter: `r` accepted, `s` refused for now, `h` refused for good.
        recipient_text: what stands after that letter.
        message: the record of the message as a whole.
        steps: the trail of the report.
    """
    own = message.outcome if letter == "r" else _CAP[letter]
    text = recipient_text
    if _RANK[message.outcome] <= _RANK[own]:
        text += message.text
    return Report(own, text, steps)
