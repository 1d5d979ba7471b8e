"""One connection to another SMTP server: the pump between its socket and the SMTP client core.

Always:
    - One write per group of commands; a small message and its final dot are one write too.
    - A deadline runs while a reply is awaited or the server does not read; only whole replies
      and a drained socket renew it, so that single bytes cannot keep a connection alive.
    - However the connection ends, the delivery that waits on it gets its results.
"""

import asyncio
import select
import socket
from collections.abc import Callable, Iterator
from typing import cast

from typing_extensions import override

from glassmail.core.model.remote_texts import UNREADABLE_MESSAGE
from glassmail.core.model.trail import NO, Step
from glassmail.core.protocol.smtp_body import END
from glassmail.core.protocol.smtp_client import SmtpClient, State
from glassmail.core.protocol.smtp_transaction import RecipientResult, Transaction
from glassmail.net.smtp_message import BodyError, OutgoingMessage

WRITE_BUFFER_BYTES = 262_144  # of a large message, waiting for a server that reads slowly

PIECES_PER_TURN = 8  # of a large message, for a server that reads as fast as we write


class StaleConnectionError(Exception):
    """An idle connection was gone when it was used again; a new one should be tried."""


class SmtpConnection(asyncio.Protocol):
    """A connection. Its owner is told once, by `on_end`, when it is closed."""

    def __init__(
        self, client: SmtpClient, timeout_s: float, on_end: Callable[["SmtpConnection"], None]
    ) -> None:
        self.client = client
        self.timeout_s = timeout_s
        self.deadline = 0.0  # of the loop's clock; meaningful while a delivery waits
        self.idle_until = 0.0
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._message: OutgoingMessage | None = None
        self._pieces: Iterator[bytes] | None = None
        self._waiting: asyncio.Future[tuple[RecipientResult, ...]] | None = None
        self._poll: select.poll | None = None

    @property
    def is_busy(self) -> bool:
        """Tell whether a delivery waits for its results."""
        return self._waiting is not None

    @property
    def is_connected(self) -> bool:
        """Tell whether the socket has not ended yet."""
        return self._transport is not None

    @property
    def is_open(self) -> bool:
        """Tell whether another transaction can be sent."""
        return self._transport is not None and self.client.state is State.IDLE

    def is_quiet(self) -> bool:
        """Ask the kernel whether nothing has come, no byte and no end, since the last reply."""
        return self._poll is not None and not self._poll.poll(0)

    async def deliver(
        self, transaction: Transaction, message: OutgoingMessage
    ) -> tuple[RecipientResult, ...]:
        """Send a message; raises StaleConnectionError when a used connection turns out gone."""
        waiting: asyncio.Future[tuple[RecipientResult, ...]] = self._loop.create_future()
        self._waiting = waiting
        self._message = message
        self._touch()
        out = self.client.begin(transaction)
        if out and self._transport is not None:
            self._transport.write(out)
        self._settle()
        try:
            return await waiting
        except asyncio.CancelledError:
            self._waiting = None
            self.abort()
            raise

    def quit(self) -> None:
        """Say goodbye without waiting for the answer, as qmail does, and close."""
        if self._transport is not None:
            if self.client.state is State.IDLE:
                self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def check_deadline(self, now: float) -> None:
        """Give the server up when it has been silent for too long."""
        if self._waiting is not None and now >= self.deadline:
            self._lost(f"nothing came for {self.timeout_s:g} s")

    # --- asyncio.Protocol -------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        self._touch()

    @override
    def data_received(self, data: bytes) -> None:
        client = self.client
        was_in_doubt = client.is_critical
        seen = client.replies
        out = client.receive(data)
        if out and self._transport is not None:
            self._transport.write(out)
        if client.replies != seen:
            self._touch()
        if client.state is State.BODY and self._pieces is None:
            self._send_body()
        self._settle(was_in_doubt=was_in_doubt)

    @override
    def eof_received(self) -> bool:
        self._lost("the other side closed it")
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._poll = None
        self._pieces = None
        reason = str(exc) if exc is not None else "the other side closed it"
        self._lost(reason)
        self._on_end(self)

    @override
    def resume_writing(self) -> None:
        self._touch()
        self._send_pieces()

    # --- the body ---------------------------------------------------------------------------

    def _send_body(self) -> None:
        message = self._message
        assert message is not None
        assert self._transport is not None
        if message.is_small:
            self._body_sent()
            self._transport.write(message.encoded)
            return
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._pieces = message.pieces()
        self._send_pieces()

    def _send_pieces(self) -> None:
        """Hand on pieces until the socket is full; the last one ends the message."""
        pieces = self._pieces
        transport = self._transport
        if pieces is None or transport is None or self.client.state is not State.BODY:
            return
        try:
            for _ in range(PIECES_PER_TURN):
                if transport.get_write_buffer_size() > WRITE_BUFFER_BYTES:
                    return  # the transport calls resume_writing once the server has read enough
                piece = next(pieces, None)
                if piece is None:
                    self._pieces = None
                    self._body_sent()
                    transport.write(END)
                    return
                transport.write(piece)
            self._loop.call_soon(self._send_pieces)  # other connections want their turn
        except BodyError as error:
            step = Step("remote.body", b"the message", NO, str(error))
            self.client.abandon(UNREADABLE_MESSAGE._replace(steps=(step,)))
            self._settle()

    def _body_sent(self) -> None:
        assert self._message is not None
        self._message.in_doubt += 1
        self.client.body_sent()

    # --- ends -------------------------------------------------------------------------------

    def _touch(self) -> None:
        self.deadline = self._loop.time() + self.timeout_s

    def _lost(self, reason: str) -> None:
        was_in_doubt = self.client.is_critical
        self.client.lost(reason)
        self._settle(was_in_doubt=was_in_doubt)
        self.abort()

    def _settle(self, *, was_in_doubt: bool = False) -> None:
        """Hand results to the delivery that waits; close what cannot be used again."""
        client = self.client
        if client.is_finished:
            results = client.take()
            if was_in_doubt and self._message is not None:
                self._message.in_doubt -= 1
            self._message = None
            self._pieces = None
            waiting = self._waiting
            self._waiting = None
            if waiting is not None and not waiting.done():
                if client.is_stale:
                    waiting.set_exception(StaleConnectionError)
                else:
                    waiting.set_result(results)
        if client.is_closed and self._transport is not None:
            self._transport.close()
