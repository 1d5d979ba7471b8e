"""Bring one message to some recipients at one destination, and say how it went for each.

Always:
    - The first address that takes a connection decides, as in qmail; refused and timed-out
      connections lead to the next address, and timeouts go into the tcpto table.
    - A connection that served before and turns out gone costs nothing: the same recipients are
      tried again on a new one.
    - Every recipient is settled exactly once, whatever happens on the way.
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from glassmail.core.model import remote_texts as texts
from glassmail.core.model.outcome import Report
from glassmail.core.model.trail import NO, YES, Step, Trail
from glassmail.core.protocol.smtp_envelope import is_sendable
from glassmail.core.protocol.smtp_transaction import RecipientResult, Transaction
from glassmail.core.route.mx import Address
from glassmail.net.smtp_connection import SmtpConnection, StaleConnectionError
from glassmail.net.smtp_message import OutgoingMessage
from glassmail.net.smtp_pool import ConnectError, SmtpPool
from glassmail.stations.remote import Plan
from glassmail.store.tcpto import JITTER, TcpTimeouts

RECIPIENTS_PER_TRANSACTION = 100  # RFC 5321, 4.5.3.1.8: every server takes at least 100


class Recipient(NamedTuple):
    """One recipient: the address, and what the owner knows it by."""

    delivery: int
    address: bytes
    steps: Trail


class Errand(NamedTuple):
    """What a courier is sent with.

    Attributes:
        helo: the name we give.
        connect_timeout_s, timeout_s: control/timeoutconnect and timeoutremote.
        settle: called once for each recipient.
    """

    sender: bytes
    recipients: tuple[Recipient, ...]
    message: OutgoingMessage
    helo: bytes
    connect_timeout_s: float
    timeout_s: float
    settle: Callable[[Recipient, Report], None]


class _Refusal(NamedTuple):
    report: Report


class _Ready(NamedTuple):
    connection: SmtpConnection
    steps: Trail


class Courier:
    """Sends errands over a pool of connections."""

    def __init__(
        self,
        pool: SmtpPool,
        timeouts: TcpTimeouts,
        draw: Callable[[], int],
        now: Callable[[], int],
    ) -> None:
        """Work with these.

        Args:
            pool: the connections.
            timeouts: the tcpto table.
            draw: gives a random number of 64 bits.
            now: gives the seconds since 1970.
        """
        self._pool = pool
        self._timeouts = timeouts
        self._draw = draw
        self._now = now

    async def send(self, plan: Plan, errand: Errand) -> None:
        """Settle every recipient of the errand."""
        pending = deque(self._sendable(errand))
        if plan.report is not None:
            _settle_all(errand, pending, plan.report._replace(steps=plan.steps))
            return
        most = RECIPIENTS_PER_TRANSACTION
        is_fresh_wanted = False
        while pending:
            ready = await self._connection(plan, errand, is_fresh_wanted=is_fresh_wanted)
            if isinstance(ready, _Refusal):
                _settle_all(errand, pending, ready.report)
                return
            batch = [pending.popleft() for _ in range(min(most, len(pending)))]
            try:
                results = await self._transact(ready.connection, errand, batch)
            except StaleConnectionError:
                pending.extendleft(reversed(batch))
                is_fresh_wanted = True
                continue
            is_fresh_wanted = False
            again = _settle(errand, batch, results, ready.steps)
            if again:
                most = max(1, len(batch) - len(again))
                pending.extendleft(reversed(again))

    def _sendable(self, errand: Errand) -> list[Recipient]:
        """Settle what SMTP cannot carry; return the rest."""
        message = errand.message
        if not message.is_whole:
            step = Step("remote.whole_lines", b"the message", NO, "its last line has no newline")
            _settle_all(errand, errand.recipients, texts.PARTIAL_LINE._replace(steps=(step,)))
            return []
        if not is_sendable(errand.sender):
            step = Step("remote.sendable", errand.sender, NO, "the sender's address")
            _settle_all(errand, errand.recipients, texts.BAD_SENDER._replace(steps=(step,)))
            return []
        good = []
        for recipient in errand.recipients:
            if is_sendable(recipient.address):
                good.append(recipient)
                continue
            step = Step("remote.sendable", recipient.address, NO, "the recipient's address")
            steps = (*recipient.steps, step)
            errand.settle(recipient, texts.BAD_RECIPIENT._replace(steps=steps))
        return good

    async def _transact(
        self, connection: SmtpConnection, errand: Errand, batch: list[Recipient]
    ) -> tuple[RecipientResult, ...]:
        message = errand.message
        addresses = tuple([recipient.address for recipient in batch])
        transaction = Transaction(errand.sender, addresses, message.wire_size, message.is_ascii)
        try:
            return await connection.deliver(transaction, message)
        finally:
            self._pool.give_back(connection)

    async def _connection(
        self, plan: Plan, errand: Errand, *, is_fresh_wanted: bool
    ) -> _Ready | _Refusal:
        """Find a connection: an idle one, else the first address that takes one."""
        steps = list(plan.steps)
        for address in plan.addresses:
            key = (address.ip, address.port, errand.helo)
            idle = None if is_fresh_wanted else self._pool.take(key, errand.timeout_s)
            if idle is not None:
                number = idle.client.transactions + 1
                steps.append(_connected(address, YES, f"message {number} of this connection"))
                return _Ready(idle, tuple(steps))
            known = self._timeouts.look(address.ip, self._now(), self._draw() % JITTER)
            if known is not None and known.is_skipped:
                about = f"{known.timeouts} times, last {known.age_s} seconds ago: passed over"
                steps.append(Step("remote.timed_out", address.ip.encode(), YES, about))
                continue
            try:
                fresh = await self._pool.connect(key, errand.connect_timeout_s, errand.timeout_s)
            except ConnectError as error:
                steps.append(_connected(address, NO, str(error)))
                if error.no_resources:
                    return _Refusal(texts.NO_RESOURCES._replace(steps=tuple(steps)))
                if error.timed_out:
                    self._timeouts.timed_out(address.ip, self._now())
                continue
            if known is not None:
                self._timeouts.succeeded(address.ip)
            steps.append(_connected(address, YES, "a new connection"))
            return _Ready(fresh, tuple(steps))
        return _Refusal(texts.NO_CONNECTION._replace(steps=tuple(steps)))


def _connected(address: Address, answer: str, source: str) -> Step:
    return Step("remote.connect", _where(address), answer, source)


@lru_cache(maxsize=4_096)
def _where(address: Address) -> bytes:
    host = address.host.decode("utf-8", "backslashreplace")
    where = f"{address.ip} port {address.port}"
    if host and host.strip("[]") != address.ip:
        where += f" ({host})"
    return where.encode()


def _settle_all(errand: Errand, recipients: "deque[Recipient] | tuple[Recipient, ...]",
                report: Report) -> None:  # fmt: skip
    for recipient in recipients:
        errand.settle(recipient, report._replace(steps=recipient.steps + report.steps))


def _settle(
    errand: Errand, batch: list[Recipient], results: tuple[RecipientResult, ...], steps: Trail
) -> list[Recipient]:
    """Settle a transaction's recipients; return those to be tried again at once."""
    again = []
    for recipient, result in zip(batch, results, strict=True):
        if result.again:
            again.append(recipient)
            continue
        report = result.report
        trail = recipient.steps + steps + report.steps
        errand.settle(recipient, Report(report.outcome, report.text, trail))
    return again
