"""The SMTP dialogue as a client holds it, without a socket (RFC 5321; qmail-remote.c smtp()).

Purpose:
    Bytes from the server in, bytes for the server out, and at the end of a transaction one
    RecipientResult per recipient, with the text qmail-remote and qmail-rspawn would have made if
    each recipient had been sent alone.

Use:
    `begin(transaction)` at any time while no transaction is under way; send what it returns.
    `receive(data)` returns what to send next. When `state` is BODY, send the encoded message and
    call `body_sent()` before its last byte goes out. When `is_finished`, call `take()`; IDLE
    means the connection can carry another transaction, CLOSED that it must be closed.

Always:
    - A reply counts only when it was asked for: bytes that come when none is awaited end the
      connection, and nothing they say can make a message accepted.
    - K is said only for a 2xx answer to the final dot. (qmail takes anything below 400 there, and
      sends the message on anything below 400 to DATA.)
    - After the final dot the loss of the connection is told as a possible duplicate.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from glassmail.core.model import remote_texts as texts
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import NO, Step
from glassmail.core.protocol.remote_reply import RemoteReply, ReplyError, ReplyReader
from glassmail.core.protocol.smtp_transaction import (
    Ask,
    RecipientResult,
    Tally,
    Transaction,
    commands,
    is_yes,
    outcome_of,
    said,
    shown,
)


class State(Enum):
    """Where the dialogue stands."""

    OPENING = "greeting and EHLO are under way"
    IDLE = "a transaction can begin"
    ENVELOPE = "MAIL, RCPT and DATA are under way"
    BODY = "the server waits for the message"
    FINAL = "the final dot is sent"
    CLOSED = "nothing more can be sent"


class SmtpClient:
    """One connection's dialogue.

    Attributes:
        state: see State.
        transactions: how many have begun.
        replies: how many replies have come; a driver's sign of life.
        extensions: what EHLO offered, in capitals.
        is_stale: the connection had served before and was gone when it was used again: nothing
            of this transaction reached the server for good, try it on a new one.
    """

    def __init__(self, partner: bytes, helo: bytes) -> None:
        """Begin with the greeting.

        Args:
            partner: the server's numeric address, for the texts.
            helo: the name we give.
        """
        self.state = State.OPENING
        self.transactions = 0
        self.replies = 0
        self.extensions: frozenset[bytes] = frozenset()
        self.is_stale = False
        self._partner = partner
        self._helo = helo
        self._reader = ReplyReader()
        self._awaited: deque[tuple[Ask, bytes]] = deque([(Ask.GREETING, b"")])
        self._unsent: deque[tuple[Ask, bytes]] = deque()
        self._transaction: Transaction | None = None
        self._tally: Tally | None = None
        self._results: tuple[RecipientResult, ...] | None = None
        self._must_reset = False
        self._is_reused = False
        self._not_open: Report | None = None  # the server refused us before anything was begun
        self._reason = ""  # why the connection was lost while nothing was under way

    @property
    def is_finished(self) -> bool:
        """Tell whether the results of a transaction wait to be taken."""
        return self._results is not None

    @property
    def is_closed(self) -> bool:
        """Tell whether the connection must be closed."""
        return self.state is State.CLOSED

    @property
    def is_critical(self) -> bool:
        """Tell whether the server may already have the message though it has not said so."""
        return self.state is State.FINAL

    def take(self) -> tuple[RecipientResult, ...]:
        """Return the results of the transaction, in the order of its recipients."""
        results = self._results
        assert results is not None
        self._results = None
        return results

    def begin(self, transaction: Transaction) -> bytes:
        """Begin a transaction, now or as soon as the server has greeted; return what to send."""
        assert self._tally is None
        assert self._results is None
        self._transaction = transaction
        self._tally = Tally(transaction, self._partner)
        self._is_reused = self.transactions > 0
        self.transactions += 1
        if self.state is State.IDLE:
            return self._envelope(transaction)
        if self.state is State.CLOSED:
            if self._not_open is not None:
                self._finish(self._not_open)
            else:
                self.lost(self._reason)
        return b""

    def receive(self, data: bytes) -> bytes:
        """Take what the server sent; return what to send."""
        if self.state is State.CLOSED:
            return b""
        due = len(self._awaited)  # what is sent from here on cannot be answered in `data`
        try:
            replies = self._reader.feed(data)
        except ReplyError as error:
            self.lost(str(error))
            return b""
        out = b""
        for reply in replies:
            if not due:
                self._unasked(reply)
                return b""
            due -= 1
            self.replies += 1
            ask, sent = self._awaited.popleft()
            out += self._answered(ask, sent, reply)
            if self.is_closed:
                return out
        if not due and not self._reader.is_between:
            self._unasked(None)
            return b""
        return out

    def body_sent(self) -> None:
        """Say that the last byte of the message goes out now."""
        assert self.state is State.BODY
        self.state = State.FINAL
        self._awaited.append((Ask.DOT, b""))

    def lost(self, reason: str) -> None:
        """Say that the connection is gone, timed out or cannot be trusted any more."""
        was = self.state
        self.state = State.CLOSED
        if self._tally is None:
            self._reason = self._reason or reason
            return
        if self._tally.refused is not None:
            self._finish(self._tally.refused)
            return
        self.is_stale = self._is_reused and was in (State.ENVELOPE, State.CLOSED)
        text = texts.connection_died(self._partner, is_critical=was is State.FINAL)
        step = Step("remote.alive", self._partner, NO, reason)
        self._finish(Report(Outcome.DEFERRAL, text, (step,)))

    def abandon(self, report: Report) -> None:
        """Give the transaction up in the middle of the body; the connection must be cut."""
        self.state = State.CLOSED
        self._finish(report)

    def _answered(self, ask: Ask, sent: bytes, reply: RemoteReply) -> bytes:
        match ask:
            case Ask.RCPT:
                self._rcpt(sent, reply)
            case Ask.MAIL:
                self._mail(sent, reply)
            case Ask.DATA:
                self._data(reply)
            case Ask.DOT:
                self._dot(reply)
            case Ask.RSET:
                if not is_yes(reply):
                    self.lost(f"RSET was answered by {shown(reply.text)}")
            case Ask.GREETING:
                return self._greeting(reply)
            case Ask.EHLO | Ask.HELO:
                return self._hello(ask, reply)
        return self._send_next() if self._unsent and self.state is State.ENVELOPE else b""

    def _greeting(self, reply: RemoteReply) -> bytes:
        if reply.code != 220:
            return self._not_opened(texts.greeting_failed, Ask.GREETING, reply)
        return self._send(Ask.EHLO, b"EHLO " + self._helo + b"\r\n")

    def _hello(self, ask: Ask, reply: RemoteReply) -> bytes:
        if reply.code == 250:
            if ask is Ask.EHLO:
                words = (line[4:].split(None, 1)[:1] for line in reply.text.split(b"\n")[1:])
                self.extensions = frozenset(word[0].upper() for word in words if word)
            self.state = State.IDLE
            return b"" if self._transaction is None else self._envelope(self._transaction)
        if ask is Ask.HELO or reply.code == 421:  # RFC 5321, 3.8: after 421 it hangs up
            return self._not_opened(texts.name_rejected, ask, reply)
        return self._send(Ask.HELO, b"HELO " + self._helo + b"\r\n")

    def _not_opened(
        self, text: Callable[[bytes, bytes], bytes], ask: Ask, reply: RemoteReply
    ) -> bytes:
        self.state = State.CLOSED
        words = text(self._partner, reply.text)
        self._not_open = Report(Outcome.DEFERRAL, words, (said(ask.value, reply),))
        if self._tally is not None:
            self._finish(self._not_open)
        return b"QUIT\r\n"

    def _mail(self, sent: bytes, reply: RemoteReply) -> None:
        assert self._tally is not None
        if is_yes(reply):
            self._must_reset = True
        elif reply.code == 421 and self._is_reused:
            self.lost(shown(reply.text))  # it only ends the connection, not this message
        else:
            self._tally.sender_refused(sent, reply)
            if self._unsent:
                self._nobody_left()

    def _rcpt(self, sent: bytes, reply: RemoteReply) -> None:
        assert self._tally is not None
        self._tally.recipient(sent, reply)
        if not self._tally.accepted and len(self._unsent) == 1:
            self._nobody_left()  # only DATA is left, and nobody to send to

    def _data(self, reply: RemoteReply) -> None:
        tally = self._tally
        assert tally is not None
        if tally.refused is not None or not tally.accepted:
            self._nobody_left()
            if reply.code < 400:
                # The server waits for a message that has no recipient: hanging up is the one
                # answer that cannot be taken for an empty message (RFC 2920, 3.1 allows a dot).
                self.state = State.CLOSED
        elif 300 <= reply.code < 400:
            self.state = State.BODY
        else:
            text = texts.data_failed(self._partner, reply.text)
            self._finish(Report(outcome_of(reply.code), text, (said(b"DATA", reply),)))
            if reply.code < 400:
                self.state = State.CLOSED

    def _dot(self, reply: RemoteReply) -> None:
        self._must_reset = False
        step = (said(Ask.DOT.value, reply),)
        if is_yes(reply):
            text = texts.accepted(self._partner, reply.text)
            self._finish(Report(Outcome.SUCCESS, text, step))
        else:
            text = texts.message_failed(self._partner, reply.text)
            self._finish(Report(outcome_of(reply.code), text, step))

    def _unasked(self, reply: RemoteReply | None) -> None:
        """Deal with bytes that came when no reply was awaited."""
        if self.state is State.BODY and reply is not None and reply.code >= 400:
            # The server has seen enough of the message: its refusal is worth more than our order.
            text = texts.message_failed(self._partner, reply.text)
            self.abandon(Report(outcome_of(reply.code), text, (said(Ask.DOT.value, reply),)))
            return
        words = shown(reply.text) if reply is not None else "an unfinished line"
        self.lost(f"a reply came before it was asked for: {words}")

    def _envelope(self, transaction: Transaction) -> bytes:
        lines = commands(transaction, self.extensions)
        if self._must_reset:
            lines.insert(0, (Ask.RSET, b"RSET\r\n"))
            self._must_reset = False
        self.state = State.ENVELOPE
        if b"PIPELINING" in self.extensions:  # RFC 2920: one group, DATA at its end
            self._awaited.extend(lines)
            return b"".join([line for _ask, line in lines])
        self._unsent.extend(lines)
        return self._send_next()

    def _send_next(self) -> bytes:
        return self._send(*self._unsent.popleft())

    def _send(self, ask: Ask, line: bytes) -> bytes:
        self._awaited.append((ask, line))
        return line

    def _nobody_left(self) -> None:
        assert self._tally is not None
        self._end(self._tally.nobody_left())

    def _finish(self, message: Report) -> None:
        assert self._tally is not None
        self._end(self._tally.results(message))

    def _end(self, results: tuple[RecipientResult, ...]) -> None:
        self._results = results
        self._transaction = self._tally = None
        self._unsent.clear()
        if self.state is not State.CLOSED:
            self.state = State.IDLE
