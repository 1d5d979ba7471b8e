"""The remote process: takes jobs of the queue, brings them to other servers, reports back.

Purpose:
    Joins the queue's socket with stations/remote (where to) and stations/courier (how). The
    recipients of a job are grouped by where they go; each group is one task.

Always:
    - A result goes to the queue as soon as it is known; results of one turn of the loop share a
      frame.
    - When the connection to the queue breaks, results cannot be told any more: deliveries that
      have not sent their final dot are cut, so that as few as possible happen twice.
    - A fault in this program defers the mail (`qmail-remote crashed.`) and is told as an alert.
"""

import asyncio
import os
import random
import time
from functools import partial

import msgspec

from glassmail.core.formats.control import Table
from glassmail.core.formats.dns_servers import DnsServersError, parse_servers
from glassmail.core.formats.smtproutes import Relay
from glassmail.core.model.outcome import Report
from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.titles import Title
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.net.dns import Dns
from glassmail.net.link import Link
from glassmail.net.messages import Deliver, Result, Settle
from glassmail.net.own_addresses import is_ours
from glassmail.net.reporter import Reporter
from glassmail.net.smtp_pool import SmtpPool
from glassmail.stations.courier import Courier, Errand, Recipient
from glassmail.stations.remote import Destinations
from glassmail.stations.remote_job import RemoteJob
from glassmail.store.control import ControlError, Controls, Snapshot
from glassmail.store.tcpto import TcpTimeouts

EXIT_SETTINGS = 111
ROLE = "remote"
RESULTS_PER_FRAME = 128
SHOW_S = 1.0  # how often `ps` is told
STOP_GRACE_S = 10.0  # how long deliveries under way may go on after TERM


def main(context: Context) -> int:
    """Run the remote process; return its exit code."""
    return live(context, start)


async def start(life: Life) -> None:
    """Read the settings and connect to the queue."""
    try:
        remote = Remote(life)
    except (ControlError, DnsServersError) as error:
        os.write(2, f"remote: {error}\n".encode())
        life.end(EXIT_SETTINGS)
        return
    remote.start()


class Remote:
    """The process's parts and the deliveries under way."""

    def __init__(self, life: Life) -> None:
        """Read the settings; raises ControlError or DnsServersError."""
        place = life.context.place
        self._life = life
        self._controls = Controls(place.control)
        self._dnsserver = self._controls.snapshot().table("dnsserver")
        self._destinations = _destinations(self._dnsserver)
        self._reporter = Reporter(place.log_socket, ROLE)
        self._controls.tell_problems(self._setting_broken, "remote")
        self._timeouts = TcpTimeouts(place.queue_lock)
        self._pool = SmtpPool()
        self._courier = Courier(self._pool, self._timeouts, _draw, _now)
        self._link: Link[Deliver] = Link(
            place.queue_socket, ROLE, msgspec.msgpack.Decoder(Deliver), self._deliver
        )
        self._link.on_down = self._queue_gone
        self._tasks: dict[asyncio.Task[None], RemoteJob] = {}
        self._results: list[Result] = []
        self._title = Title("qmail-rspawn")
        self._showing: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._has_ended = False
        self._connection = 0  # counts connections to the queue: results belong to one of them

    def start(self) -> None:
        """Connect to log and queue."""
        self._reporter.start()
        problem = self._timeouts.create()
        if problem is not None:
            self._reporter.tell(Warned(time.time_ns(), ROLE, problem))
        self._life.on_stop = self._stop
        self._life.on_reload = self._reload
        self._link.start()

    # --- jobs -------------------------------------------------------------------------------

    def _deliver(self, message: Deliver, descriptors: tuple[int, ...]) -> None:
        unused = list(descriptors)
        for job in message.jobs:
            descriptor = unused.pop(0) if job.body is None and unused else -1
            settle = partial(self._settle, self._connection)
            delivery = RemoteJob(job, descriptor, self._snapshot, self._send, settle)
            task = asyncio.get_running_loop().create_task(self._run(delivery))
            self._tasks[task] = delivery
            task.add_done_callback(self._done)
        if self._showing is None:
            self._showing = asyncio.get_running_loop().call_later(SHOW_S, self._show)
        for descriptor in unused:
            os.close(descriptor)

    def _show(self) -> None:
        """Let `ps` show a delivery as it shows qmail-remote's, while there are some."""
        self._showing = None
        if not self._tasks:
            self._title.show("")
            return
        job = next(iter(self._tasks.values())).job
        recipient = job.targets[0].address
        words = [recipient.rpartition(b"@")[2], job.sender or b"<>", recipient]
        shown = b" ".join(words).decode("utf-8", "replace")
        others = f" and {len(self._tasks) - 1} more" if len(self._tasks) > 1 else ""
        self._title.show(f"qmail-remote {shown}{others}")
        self._showing = asyncio.get_running_loop().call_later(SHOW_S, self._show)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).close()  # a task cancelled before it began closes nothing itself
        if self._is_stopping and not self._tasks:
            self._end()

    async def _run(self, delivery: RemoteJob) -> None:
        try:
            await delivery.run()
        except Exception as error:  # noqa: BLE001 (whatever it is, other mail goes on)
            text = f"a delivery ended by a fault, its mail is deferred: {error!r}"
            self._reporter.tell(Alerted(time.time_ns(), ROLE, text))

    async def _send(self, target: bytes | Relay, errand: Errand) -> None:
        """Find the way for one group of recipients and send."""
        self._look_at_servers()
        plan = self._destinations.kept(target) or await self._destinations.find(target)
        await self._courier.send(plan, errand)

    def _snapshot(self) -> Snapshot:
        return self._controls.snapshot()

    def _settle(self, connection: int, recipient: Recipient, report: Report) -> None:
        """Tell the queue how it went, together with what else ends in this turn of the loop."""
        if connection != self._connection:  # another run of the queue counts deliveries anew
            address = recipient.address.decode("utf-8", "backslashreplace")
            outcome = f"settled ({report.outcome.value}); it will be tried again"
            text = f"the queue was away when <{address}> was {outcome}"
            self._reporter.tell(Warned(time.time_ns(), ROLE, text))
            return
        if not self._results:
            asyncio.get_running_loop().call_soon(self._flush)
        result = Result(recipient.delivery, report.outcome.value, report.text, report.steps)
        self._results.append(result)

    def _flush(self) -> None:
        results, self._results = self._results, []
        for at in range(0, len(results), RESULTS_PER_FRAME):
            self._link.send(Settle(tuple(results[at : at + RESULTS_PER_FRAME])))

    # --- changes and ends -------------------------------------------------------------------

    def _look_at_servers(self) -> None:
        table = self._controls.snapshot().table("dnsserver")
        if table is not self._dnsserver and table != self._dnsserver:
            self._dnsserver = table
            try:
                self._destinations = _destinations(table)
            except DnsServersError as error:
                self._setting_broken(str(error))

    def _reload(self) -> None:
        """Forget every DNS answer, and look at the settings now."""
        self._controls.refresh()
        try:
            self._dnsserver = self._controls.snapshot().table("dnsserver")
            self._destinations = _destinations(self._dnsserver)
        except DnsServersError as error:
            self._setting_broken(str(error))

    def _setting_broken(self, problem: str) -> None:
        self._reporter.tell(SettingBroken(time.time_ns(), ROLE, problem))

    def _queue_gone(self, _reason: str) -> None:
        self._connection += 1
        self._results.clear()
        for task, delivery in list(self._tasks.items()):
            if not delivery.is_critical:
                task.cancel()
        if self._is_stopping:
            self._end()

    def _stop(self) -> None:
        """Take what is under way to its end, for a while."""
        if self._is_stopping:
            self._end()
            return
        self._is_stopping = True
        self._pool.close_idle()
        if not self._tasks:
            self._end()
        else:
            asyncio.get_running_loop().call_later(STOP_GRACE_S, self._end)

    def _end(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        if self._showing is not None:
            self._showing.cancel()
        self._flush()
        self._pool.close()
        self._link.close()
        self._reporter.close()
        self._life.end()


def _destinations(dnsserver: Table) -> Destinations:
    dns = Dns(parse_servers(dnsserver), time.monotonic)
    return Destinations(dns, is_ours, _draw, time.monotonic)


_draw = partial(random.getrandbits, 64)


def _now() -> int:
    return time.time_ns() // 1_000_000_000
