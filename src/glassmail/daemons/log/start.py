"""Start of the log process, and its parts joined."""

import asyncio
import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.log.compacting import Compacting
from glassmail.daemons.log.keeping import Keeping, decode
from glassmail.daemons.log.limits import GOODBYE_S
from glassmail.daemons.log.live import Live
from glassmail.daemons.log.live_questions import LiveQuestions
from glassmail.daemons.log.metrics import MetricsServer
from glassmail.daemons.log.metrics_text import render
from glassmail.daemons.log.questions import Questions
from glassmail.daemons.log.rights import Rights
from glassmail.daemons.log.server import LogServer, Peer
from glassmail.daemons.log.settings import TextSettings, metrics_place, read, text_settings
from glassmail.daemons.log.texts import Texts
from glassmail.events.process import Alerted, Warned
from glassmail.net.messages import Facts, Request
from glassmail.stations.owners import owner_of
from glassmail.store.control import ControlError, Snapshot
from glassmail.store.history.writer import History
from glassmail.store.multilog import LogBusyError

CANNOT_START = 111
ROLE = "log"
GC_THRESHOLDS = (20_000, 20, 50)  # trails are many short-lived tuples without cycles


class LogProcess:
    """What joins text logs, history and socket."""

    def __init__(self, life: Life, settings: Snapshot, texts: TextSettings) -> None:
        """Open everything; raises OSError or LogBusyError."""
        context = life.context
        place = context.place
        self._life = life
        self._sync = ThreadPoolExecutor(1, "sync")
        self._search = ThreadPoolExecutor(1, "search")
        self._text_store = self._text_last = 0
        self._is_stopping = False
        rights = Rights(place.root, context.uids)
        self._live = Live(time.time_ns())
        self._texts = Texts(place.log, texts, self._sync.submit, self._alert)
        self._server = LogServer(
            place.log_socket,
            rights,
            on_tell=self.take_events,
            on_facts=self.take_facts,
            on_request=self._asked,
        )
        self._live_questions = LiveQuestions(self._live, self._server, rights)
        self._metrics = MetricsServer(lambda: render(self._live_questions.numbers()))
        self._compacting = Compacting(place.history, self._alert)
        self._keeping = Keeping(
            lambda: History(
                place.history,
                settings.integer("historydays"),
                keep_bytes=settings.integer("historygigabytes") * 10**9,
            ),
            self._server.confirm,
            self._server.ask_again,
            self._alert,
            self._compacting.closed_before,
        )
        self._text_store, self._text_last = self._keeping.durable
        self._questions = Questions(
            place.history, rights, self._search, self._keeping.settle, place.log,
            lambda address: owner_of(place, address),
        )  # fmt: skip
        life.on_stop = self.stop
        self._server.on_gone = self._maybe_end
        self._server.listen(context.internal, self._warn)
        for text in self._texts.begin():  # logged where it can be; else this is all there is
            sys.stderr.write(f"log: {text}\n")

    def take_events(self, data: bytes) -> bool:
        """Take a batch of session and process events."""
        events = decode(data)
        if events is None:
            return False
        self._texts.add(events)
        self._live.add(events)
        self._keeping.add_events(data, events)
        return True

    def take_facts(self, facts: Facts) -> None:
        """Take facts; lines that were written before they were confirmed are not repeated."""
        if facts.store != self._text_store:
            self._text_store, self._text_last = facts.store, 0
        rows = [(number, data, decode(data)) for number, data in facts.rows]
        for number, _data, events in rows:
            if number > self._text_last:
                self._text_last = number
                if events is None:
                    self._warn(f"batch {number} of the queue's facts cannot be read")
                else:
                    self._texts.add(events)
                    self._live.add(events)
        self._keeping.add_facts(facts.store, rows)

    def _warn(self, text: str) -> None:
        self._texts.add([Warned(time.time_ns(), ROLE, text)])

    def _asked(self, peer: Peer, request: Request) -> None:
        if request.verb == "live":
            self._live_questions.ask(peer, request)
            return
        self._questions.ask(peer, request)

    async def serve_metrics(self, place: tuple[str, int] | None) -> None:
        """Serve the metrics, if the site wants them; without them the log is as good."""
        if place is None:
            return
        try:
            await self._metrics.start(place)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            self._alert(f"the metrics cannot be served at {place[0]}:{place[1]}: {reason}")

    def stop(self) -> None:
        """End when the others' last events are in, at the latest after GOODBYE_S."""
        if self._is_stopping:
            return
        self._is_stopping = True
        asyncio.get_running_loop().call_later(GOODBYE_S, self._end)
        self._maybe_end()

    def _maybe_end(self) -> None:
        if self._is_stopping and not self._server.tellers:
            self._end()

    def _end(self) -> None:
        if self._life.ended.is_set():
            return
        self._life.end()
        self._metrics.close()
        self._compacting.stop()
        self._keeping.close()
        self._server.close()
        self._texts.close()
        self._search.shutdown(cancel_futures=True)
        self._sync.shutdown()

    def _alert(self, text: str) -> None:
        event = Alerted(time.time_ns(), ROLE, text)
        self._texts.add([event])
        self._live.add([event])


def main(context: Context) -> int:
    """Run the log until it is told to stop; 111 when it cannot start."""
    os.umask(0o077)
    try:
        settings = read(context.place.control)
        texts = text_settings(settings)
        metrics = metrics_place(settings)
    except ControlError as error:
        sys.stderr.write(f"log: cannot start: {error}\n")
        return CANNOT_START

    async def start(life: Life) -> None:
        try:
            process = LogProcess(life, settings, texts)
        except (OSError, LogBusyError) as error:
            # The log cannot log this; the supervisor keeps what goes to standard error.
            sys.stderr.write(f"log: cannot start: {error}\n")
            life.end(CANNOT_START)
        else:
            await process.serve_metrics(metrics)

    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return live(context, start)
