"""One job of the queue: a message and its recipients, parted by where they go.

Always:
    - Every target is settled exactly once, also when this program has a fault: then the rest is
      deferred (`qmail-remote crashed.`) and the fault is raised for the owner to tell.
    - The message's descriptor is closed in the end.
"""

import asyncio
from collections.abc import Awaitable, Callable

from glassmail.core.formats.control import Table
from glassmail.core.formats.smtproutes import Relay
from glassmail.core.model import remote_texts as texts
from glassmail.core.model.outcome import Report
from glassmail.core.model.trail import NO, Step
from glassmail.core.protocol.smtp_envelope import is_sendable
from glassmail.core.route.smtproutes import find_relay
from glassmail.net.messages import Job
from glassmail.net.smtp_message import BodyError, OutgoingMessage
from glassmail.stations.courier import Errand, Recipient
from glassmail.store.control import Snapshot

Send = Callable[[bytes | Relay, Errand], Awaitable[None]]
SettleOne = Callable[[Recipient, Report], None]


class RemoteJob:
    """A job under way."""

    def __init__(
        self,
        job: Job,
        descriptor: int,
        snapshot: Callable[[], Snapshot],
        send: Send,
        settle: SettleOne,
    ) -> None:
        """Take a job.

        Args:
            job: as the queue sent it.
            descriptor: of the body's file, ours to close; -1 when the job holds the body.
            snapshot: gives the settings.
            send: brings an errand to a host (folded) or relay.
            settle: takes the report of each recipient.
        """
        self.job = job
        self._snapshot = snapshot
        self._send = send
        self._settle_one = settle
        self._message = OutgoingMessage(job.head, job.body, descriptor, job.size)
        self._unsettled: dict[int, Recipient] = {}
        self._groups: dict[bytes | Relay, list[Recipient]] = {}

    @property
    def is_critical(self) -> bool:
        """Tell whether a server may have the message already without our knowing."""
        return self._message.in_doubt > 0

    async def run(self) -> None:
        """Deliver to every target; raises what is a fault of this program."""
        try:
            await self._run()
        except Exception:
            self._settle_rest(texts.CRASHED)
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Close the message's descriptor; once is enough, twice does no harm."""
        self._message.close()

    async def _run(self) -> None:
        settings = self._snapshot()
        self._group(settings.table("smtproutes"))
        helo = settings.line("helohost")
        if not is_sendable(helo) or not helo:
            told = "holds a blank or control byte" if helo else "neither control/helohost nor me"
            why = Step("remote.helohost", helo, NO, told)
            self._settle_rest(texts.UNREADABLE_CONTROLS._replace(steps=(why,)))
            return
        try:
            await self._message.measure()
        except BodyError as error:
            step = Step("remote.body", b"the message", NO, str(error))
            self._settle_rest(texts.UNREADABLE_MESSAGE._replace(steps=(step,)))
            return
        sends = [
            self._send(target, self._errand(tuple(recipients), helo, settings))
            for target, recipients in self._groups.items()
        ]
        if len(sends) == 1:
            await sends[0]
            return
        # Every group is brought to its end, even when another one meets a fault.
        for end in await asyncio.gather(*sends, return_exceptions=True):
            if end is not None:
                raise end

    def _group(self, smtproutes: Table) -> None:
        """Part the targets by where they go; settle those whose route cannot be obeyed."""
        for target in self.job.targets:
            host = target.address.rpartition(b"@")[2] if b"@" in target.address else b""
            route = find_relay(host, smtproutes)
            recipient = Recipient(target.delivery, target.address, route.steps)
            self._unsettled[target.delivery] = recipient
            if route.report is not None:
                self._settle(recipient, route.report._replace(steps=route.steps))
            else:
                self._groups.setdefault(route.relay or host.lower(), []).append(recipient)

    def _errand(self, recipients: tuple[Recipient, ...], helo: bytes, settings: Snapshot) -> Errand:
        return Errand(
            self.job.sender,
            recipients,
            self._message,
            helo,
            float(settings.integer("timeoutconnect")),
            float(settings.integer("timeoutremote")),
            self._settle,
        )

    def _settle(self, recipient: Recipient, report: Report) -> None:
        if self._unsettled.pop(recipient.delivery, None) is not None:
            self._settle_one(recipient, report)

    def _settle_rest(self, report: Report) -> None:
        for recipient in list(self._unsettled.values()):
            steps = recipient.steps + report.steps
            self._settle(recipient, report._replace(steps=steps))
