"""One message for some recipients over SMTP: its commands, what was answered, how it ended.

Always:
    Every recipient gets the report it would have got alone, as qmail delivers one recipient per
    connection: one that was refused reads `IP does not like recipient.` and `Giving up on IP.`,
    the others what became of the message (qmail-rspawn's rule, remote_texts.combine).
"""

from enum import Enum
from typing import NamedTuple

from glassmail.core.model import remote_texts as texts
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import Step
from glassmail.core.protocol import smtp_envelope
from glassmail.core.protocol.remote_reply import RemoteReply

SHOWN_REPLY_MAX = 300  # characters of a reply in a trail; the report holds up to 5,000


class Ask(Enum):
    """What a reply answers; the value stands in trails where no command does."""

    GREETING = b"the connection"
    EHLO = b"EHLO"
    HELO = b"HELO"
    RSET = b"RSET"
    MAIL = b"MAIL"
    RCPT = b"RCPT"
    DATA = b"DATA"
    DOT = b"the message"


class Transaction(NamedTuple):
    """One message for some recipients.

    Attributes:
        size: bytes of the message on the wire, for SIZE (RFC 1870).
        is_ascii: False asks for BODY=8BITMIME (RFC 6152) where the server knows it.
    """

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int
    is_ascii: bool


class RecipientResult(NamedTuple):
    """How it ended for one recipient; again: the server had enough for one transaction."""

    report: Report
    again: bool = False


def commands(transaction: Transaction, extensions: frozenset[bytes]) -> list[tuple[Ask, bytes]]:
    """Write MAIL, one RCPT for each recipient, and DATA."""
    utf8 = b"SMTPUTF8" in extensions and not (
        transaction.sender.isascii() and all(r.isascii() for r in transaction.recipients)
    )
    parameters = b""
    if b"SIZE" in extensions:
        parameters += b" SIZE=%d" % transaction.size
    if not transaction.is_ascii and b"8BITMIME" in extensions:
        parameters += b" BODY=8BITMIME"
    if utf8:
        parameters += b" SMTPUTF8"
    lines = [(Ask.MAIL, smtp_envelope.mail(transaction.sender, parameters, utf8=utf8))]
    lines += [(Ask.RCPT, smtp_envelope.rcpt(r, utf8=utf8)) for r in transaction.recipients]
    lines.append((Ask.DATA, b"DATA\r\n"))
    return lines


class Tally:
    """What the server answered in one transaction.

    Attributes:
        accepted: how many recipients it took.
        refused: the report of a refused MAIL, which is every recipient's.
    """

    __slots__ = ("_partner", "_replies", "_transaction", "accepted", "refused")

    def __init__(self, transaction: Transaction, partner: bytes) -> None:
        self._transaction = transaction
        self._partner = partner
        self._replies: list[tuple[bytes, RemoteReply]] = []
        self.accepted = 0
        self.refused: Report | None = None

    def sender_refused(self, sent: bytes, reply: RemoteReply) -> None:
        """Note that MAIL was refused."""
        text = texts.sender_rejected(self._partner, reply.text)
        self.refused = Report(outcome_of(reply.code), text, (said(sent, reply),))

    def recipient(self, sent: bytes, reply: RemoteReply) -> None:
        """Note the answer to the next RCPT."""
        if is_yes(reply):
            self.accepted += 1
        self._replies.append((sent, reply))

    def nobody_left(self) -> tuple[RecipientResult, ...]:
        """Make the results when MAIL or every RCPT was refused."""
        giving_up = texts.giving_up(self._partner)
        return self.results(self.refused or Report(Outcome.FAILURE, giving_up))

    def results(self, message: Report) -> tuple[RecipientResult, ...]:
        """Make the results; `message` is the record of the message as a whole."""
        shared = RecipientResult(message)
        recipients = len(self._transaction.recipients)
        if self.refused is not None or self.accepted == recipients:
            return (shared,) * recipients
        results = []
        accepted = 0
        for sent, reply in self._replies:
            if is_yes(reply):
                accepted += 1
                results.append(shared)
            else:
                results.append(self._disliked(sent, reply, is_first=accepted == 0))
        results += [shared] * (recipients - len(results))
        return tuple(results)

    def _disliked(self, sent: bytes, reply: RemoteReply, *, is_first: bool) -> RecipientResult:
        letter = "h" if reply.code >= 500 else "s"
        text = texts.recipient_disliked(self._partner, reply.text)
        alone = Report(Outcome.FAILURE, texts.giving_up(self._partner))
        report = texts.combine(letter, text, alone, (said(sent, reply),))
        # RFC 5321, 4.5.3.1.10: after some recipients, 452 (or 552) means too many for one go.
        return RecipientResult(report, again=not is_first and reply.code in (452, 552))


def is_yes(reply: RemoteReply) -> bool:
    """Tell whether a reply grants what was asked (2xx; qmail takes anything below 400)."""
    return 200 <= reply.code < 300


def outcome_of(code: int) -> Outcome:
    """Return the outcome of a refusal."""
    return Outcome.FAILURE if code >= 500 else Outcome.DEFERRAL


def said(asked: bytes, reply: RemoteReply) -> Step:
    """Make the step that quotes the server."""
    return Step("remote.said", asked.rstrip(b"\r\n"), str(reply.code), shown(reply.text))


def shown(text: bytes) -> str:
    """Show a reply in one line of text."""
    line = text[:SHOWN_REPLY_MAX].decode("utf-8", "backslashreplace").rstrip().replace("\n", " / ")
    if not line.isprintable():
        line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return line
