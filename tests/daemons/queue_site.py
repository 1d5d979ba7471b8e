"""A queue process of its own for a test, and the peers that a test plays."""

import os
import selectors
import signal
import time
from contextlib import suppress

import msgspec

from glassmail.daemons.context import Context
from glassmail.daemons.queue.main import main
from glassmail.daemons.supervisor.child import fork_child
from glassmail.events.codec import decode
from glassmail.net import messages
from glassmail.net.blocking import BlockingChannel, connect
from glassmail.net.messages import Hello, encode
from glassmail.net.unix_listener import listen_unix
from glassmail.settings.place import Place

ANY = msgspec.msgpack.Decoder(
    messages.Codes | messages.BodyOpened | messages.Enqueued | messages.Declined
    | messages.Deliver | messages.Rows | messages.Failed | messages.Facts
)  # fmt: skip
WAIT_S = 8.0


class Peer:
    """One connection to the queue."""

    def __init__(self, place, role):
        self.channel = connect(place.queue_socket, WAIT_S)
        self.send(Hello(role, os.getpid()))

    def send(self, message, descriptors=()):
        self.channel.send(encode(message), descriptors)

    def receive(self):
        return self.receive_all()[0]

    def receive_all(self):
        frame = self.channel.receive()
        assert frame is not None, "the queue hung up"
        return ANY.decode(frame[0]), frame[1]

    def is_closed(self):
        return self.channel.receive() is None

    def enqueue(self, recipients, *, sender=b"s@src.test", body=b"Subject: x\n\nbody\n", **more):
        fields = {
            "ref": 1, "sender": sender, "recipients": tuple(recipients), "head": b"", "body": body,
            "file": 0, "size": len(body or b""), "code": 0, "part": 0, "story": b"", "kind": "user",
        } | more  # fmt: skip
        self.send(messages.Enqueue(**fields))
        return self.receive()

    def targets(self):
        """Receive one Deliver; return [(job, target)]."""
        deliver = self.receive()
        return [(job, target) for job in deliver.jobs for target in job.targets]

    def settle(self, target, outcome, text=b"did 1+0+0\n"):
        result = messages.Result(target.delivery, outcome, text, ())
        self.send(messages.Settle((result,)))

    def ask(self, verb, **arguments):
        self.send(messages.Request(7, verb, arguments))
        return self.receive()

    def close(self):
        self.channel.close()


class QueueSite:
    """A directory with control files and a queue process."""

    def __init__(self, root, **control):
        self.place = Place(str(root))
        for name in ("control", "run", "queue", "queue/body", "queue/drop", "queue/aside"):
            os.makedirs(self.place.path(name))
        self.control("me", b"mx.example.test\n")
        self.control("queueminfree", b"0\n")
        for name, data in control.items():
            self.control(name, data)
        self.pid = 0
        self.peers = []
        self.start()
        self.log = LogPeer(self.place)

    def peer(self, role):
        """Connect as a role; closed with the site."""
        self.peers.append(Peer(self.place, role))
        return self.peers[-1]

    def control(self, name, data):
        with open(self.place.path("control", name), "wb") as file:
            file.write(data)

    def start(self):
        self.death_read, self.death_write = os.pipe()
        me = (os.getuid(), os.getgid())
        roles = ("smtpd", "queue", "local", "remote", "keeper", "log")
        sock = listen_unix(self.place.queue_socket)
        context = Context(
            self.place, "queue", 0, dict.fromkeys(roles, me), True, (), self.death_read, sock
        )
        self.pid = fork_child(context, main, [self.death_write])
        sock.close()

    def kill(self, number):
        os.kill(self.pid, number)

    def end(self, number=signal.SIGTERM):
        os.kill(self.pid, number)
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.death_read)
        os.close(self.death_write)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            self.end(signal.SIGKILL)
        for peer in self.peers:
            peer.close()
        self.log.close()


class LogPeer:
    """Plays the log: takes the queue's facts; other connections are heard and ignored.

    Attributes:
        confirms: it has facts up to this row at least.
    """

    confirms = 0

    def __init__(self, place):
        self.sock = listen_unix(place.log_socket)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.sock, selectors.EVENT_READ, None)

    def facts(self):
        """Receive the next batches of facts; confirm them."""
        ready = self.selector.select(WAIT_S)
        assert ready, "no facts came"
        events = []
        for key, _ in ready:
            if key.data is None:
                accepted, _address = self.sock.accept()
                accepted.settimeout(WAIT_S)
                self.selector.register(accepted, selectors.EVENT_READ, BlockingChannel(accepted))
            else:
                events += self._hear(key.data)
        return events

    def _hear(self, channel):
        try:
            frame = channel.receive()
        except ConnectionResetError:  # the queue was killed
            frame = None
        if frame is None:
            self.selector.unregister(channel.sock)
            channel.close()
            return []
        events = []
        while True:
            try:
                facts = msgspec.msgpack.decode(frame[0], type=messages.Facts)
            except msgspec.ValidationError:
                pass  # Hello, or news of the process
            else:
                last = max(facts.rows[-1][0], self.confirms)
                with suppress(BrokenPipeError):  # the queue was ended meanwhile
                    channel.send(encode(messages.FactsKept(last)))
                events += [event for _number, data in facts.rows for event in decode(data)]
            if not channel.has_frame:
                return events
            frame = channel.receive()

    def until(self, kind):
        """Collect facts until one of a kind came."""
        seen = []
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            seen += self.facts()
            if any(isinstance(event, kind) for event in seen):
                return seen
        raise AssertionError(f"no {kind.__name__} came: {seen}")

    def confirm_until(self, question):
        """Take facts as they come until the answer is true."""
        deadline = time.monotonic() + WAIT_S
        while not question():
            assert time.monotonic() < deadline
            if self.selector.select(0.02):
                self.facts()

    def close(self):
        for key in list(self.selector.get_map().values()):
            if key.data is not None:
                key.data.close()
        self.selector.close()
        self.sock.close()
