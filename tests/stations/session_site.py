"""A session on a fake wire with a fake queue in the same process, for tests without sockets."""

from glassmail.core.policy.facts import Client
from glassmail.net.messages import Declined, Enqueued
from glassmail.settings.place import Place
from glassmail.stations.certificates import Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.services import Services
from glassmail.stations.session import Session
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import Controls
from tests.core_peer import FakeAsk
from tests.dialogue import Lines, parse, write_site


class QueueInProcess:
    """Stands for net.queue_client.QueueClient; answers when told to."""

    def __init__(self):
        self.is_up = True
        self.codes = 1_000
        self.taken = []
        self.waiting = []
        self.answers_at_once = True
        self._ref = 0
        self.declined = None
        self.opened = None
        self.taken_back = []

    def take_code(self):
        if self.codes:
            self.codes += 1
        return self.codes

    def next_ref(self):
        self._ref += 1
        return self._ref

    def enqueue(self, message, on_answer):
        if not self.is_up:
            on_answer(Declined(message.ref, "Z", 74, b"qqt failure (#4.3.0)"))
        elif self.declined is not None:
            on_answer(Declined(message.ref, *self.declined))
        else:
            self.taken.append(message)
            self.waiting.append((message.ref, on_answer))
            if self.answers_at_once:
                self.answer()

    def answer(self):
        ref, on_answer = self.waiting.pop(0)
        on_answer(Enqueued(ref, len(self.taken)))

    async def open_body(self):
        return self.opened

    def take_back(self, file):
        self.taken_back.append(file)


class FakeWire:
    def __init__(self):
        self.is_blocked = False
        self.is_paused = False
        self.is_aborted = False
        self.lines = Lines()

    def send(self, data):
        assert not self.lines.is_closed
        self.lines.feed(data)

    def hang_up(self):
        self.lines.is_closed = True

    def abort(self):
        self.lines.is_closed = self.is_aborted = True

    def pause(self):
        self.is_paused = True

    def resume(self):
        self.is_paused = False

    def start_tls(self, certificate):
        self.certificate = certificate


class SessionSite:
    """One session and everything around it; also a peer for dialogues."""

    def __init__(self, root, dialogue=None, ask=None, *, begin=True):
        self.root = root
        dialogue = dialogue or parse("none", "")
        write_site(dialogue, root)
        place = Place(str(root))
        self.now = 100.0
        self.events = []
        self.alerts = []
        self.queue = QueueInProcess()
        self.ask = ask or FakeAsk()
        self.settings = SettingsReader(Controls(place.control), place, self.clock)
        self.services = Services(
            settings=self.settings,
            rules=ClientRules(place.tcp_rules, self.clock),
            ask=self.ask,
            queue=self.queue,
            tell=self.events.append,
            is_ours="127.0.0.1".__eq__,
            clock=self.clock,
            now_ns=lambda: 1_795_187_040_000_000_000,
            alert=self.alerts.append,
            certificates=Certificates(str(root), self.clock, self.alerts.append),
        )
        self.wire = FakeWire()
        self.client = Client(dialogue.client, 4321)
        self.session = self.meet(self.wire, dialogue.service)
        if begin:
            self.session.begin()

    def meet(self, wire, service="smtp"):
        return Session(self.services, wire, self.client, service)

    def clock(self):
        return self.now

    def say(self, *lines):
        """Send lines as one read; return what the server says until it waits."""
        self.session.receive(b"".join(line + b"\r\n" for line in lines))
        return self.heard()

    def heard(self):
        heard = []
        while (line := self.wire.lines.take()) not in (b"<nothing>", b"<eof>"):
            heard.append(line)
        return heard

    async def send(self, data):
        self.session.receive(data)
        while self.session._task is not None:  # a login is judged in a Task
            await self.session._task

    async def line(self):
        return self.wire.lines.take()
