"""What text logs and history cost: CPU a message of the log process, by its settings.

    .venv/bin/python -m bench.logs [MESSAGES]

A real log process is forked over its real socket, as the supervisor does it, and is told what a
site tells it: for each message a session, its acceptance, one local delivery and its end, with
trails as long as those of a site with the default policy. Facts come in frames of 20 messages,
as they do under load. The CPU (user and system, threads included) is the kernel's own figure for
the process, from the first message until its last fact is durable.

The budget is 70 us a message with the default settings (budget.toml: log and history).
"""

import os
import signal
import socket
import sys
import tempfile
import threading
import time

import msgspec

from glassmail.core.model.trail import Step
from glassmail.daemons.context import Context
from glassmail.daemons.log import main as log_main
from glassmail.daemons.supervisor.child import fork_child
from glassmail.events import codec
from glassmail.events.queue import Accepted, Ended, Settled, Started
from glassmail.events.smtpd import SessionEnded, Story
from glassmail.net.blocking import connect
from glassmail.net.messages import Facts, FactsKept, Failed, Hello, Rows, Tell, encode
from glassmail.net.unix_listener import listen_unix
from glassmail.settings.place import Place

BUDGET_US = 70.0
TOGETHER = 20
ANSWERS = msgspec.msgpack.Decoder(FactsKept | Rows | Failed)
WAIT_S = 60.0
VARIANTS = {
    "default settings": {},
    "log/records as JSON": {"logrecords": "json"},
    "log/records as key=value": {"logrecords": "keyvalue"},
    "local time, processor": {"logstamp": "tai64nlocal", "logprocessor": "send:cat\n"},
    "syslog beside files": {"logto": "files\nsyslog {root}/sink\n"},
    "journal beside files": {"logto": "files\njournal {root}/sink\n"},
}
_STEPS = tuple(
    Step(question, b"joe@here.example.test", "yes", f"control/{name}:1 here.example.test")
    for question, name in (
        ("session.rule", "tcp.smtp"),
        ("session.helo", "badhelo"),
        ("session.sender", "badmailfrom"),
        ("session.recipient", "badrcptto"),
        ("routing.rcpthosts", "rcpthosts"),
        ("session.account", "vpasswd"),
        ("session.size", "databytes"),
        ("session.loop", "hops"),
        ("session.accepted", "queue"),
        ("session.tls", "servercert.pem"),
    )
)  # fmt: skip
_LOAD = (3, 255, 0, 20, False)


def messages(first, count):
    """Events of messages: what smtpd tells, and the queue's facts."""
    sessions, facts = [], []
    for number in range(first, first + count):
        now = time.time_ns()
        sender = b"sender%d@src.example.test" % (number % 977)
        address = b"here.example.test-joe@here.example.test"
        story = Story(now, 1000 + number, 1, "smtp", "192.0.2.7", 4711, "mx.src.test",
                      b"mx.src.test", sender, (b"joe@here.example.test",), _STEPS)
        sessions.append(SessionEnded(now, 1000 + number, "smtp", "192.0.2.7", 4711,
                                     b"mx.src.test", now - 10**7, "quit", 1, 0, 4_400))
        accepted = Accepted(now, number, 1000 + number, 1, 4_300, sender, 995, 0, "network",
                            b"<%d.1795176000@src.example.test>" % number,
                            (b"joe@here.example.test",), codec.encode_story(story))
        started = Started(now, number, number, 0, "local", address, _STEPS[:3], _LOAD)
        settled = Settled(now, number, number, 0, "local", address, "K", b"did 1+0+0\n", 0,
                          _STEPS[:5], _LOAD)
        facts.append([accepted, started])
        facts.append([settled, Ended(now, number)])
    return sessions, facts  # fmt: skip


def cpu_s(pid):
    """User and system seconds of a process, its threads included."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Site:
    """A log process of its own."""

    def __init__(self, root, settings):
        self.place = Place(root)
        os.makedirs(self.place.control)
        os.makedirs(self.place.path("run"))
        for name, text in settings.items():
            with open(os.path.join(self.place.control, name), "w", encoding="ascii") as file:
                file.write(text.format(root=root))
        me = (os.getuid(), os.getgid())
        self.death_read, self.death_write = os.pipe()
        sock = listen_unix(self.place.log_socket)
        roles = dict.fromkeys(("smtpd", "queue", "log"), me)
        context = Context(self.place, "log", 0, roles, True, (), self.death_read, sock)
        self.pid = fork_child(context, log_main, [self.death_write])
        sock.close()

    def peer(self, role):
        channel = connect(self.place.log_socket, WAIT_S)
        channel.send(encode(Hello(role, os.getpid())))
        return channel

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.death_read)
        os.close(self.death_write)


def tell(site, count, first):
    """Tell `count` messages; return when their last fact is durable."""
    smtpd, queue = site.peer("smtpd"), site.peer("queue")
    row = 2 * first
    for number in range(first, first + count, TOGETHER):
        sessions, facts = messages(number, TOGETHER)
        smtpd.send(encode(Tell(codec.encode(sessions))))
        rows = tuple((row + n + 1, codec.encode(batch)) for n, batch in enumerate(facts))
        queue.send(encode(Facts(rows, 99)))
        row += len(rows)
    last = 0
    while last < row:
        frame = queue.receive()
        last = ANSWERS.decode(frame[0]).last
    smtpd.close()
    queue.close()


def measure(settings, count):
    """CPU in microseconds a message."""
    with tempfile.TemporaryDirectory(prefix="glassmail-logs-") as root:
        sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sink.bind(os.path.join(root, "sink"))

        def drain():
            while sink.recv(100_000) != b"end":
                pass

        reader = threading.Thread(target=drain)
        reader.start()
        site = Site(root, settings)
        try:
            tell(site, 500 // TOGETHER * TOGETHER, 0)  # warm
            before = cpu_s(site.pid)
            tell(site, count, 500 // TOGETHER * TOGETHER)
            return (cpu_s(site.pid) - before) * 1e6 / count
        finally:
            site.end()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", os.path.join(root, "sink"))
            reader.join()
            sink.close()


def main():
    count = (int(sys.argv[1]) if len(sys.argv) > 1 else 10_000) // TOGETHER * TOGETHER
    for name, settings in VARIANTS.items():
        figure = measure(settings, count)
        beside = f" of {BUDGET_US:.0f} us" if not settings else ""
        print(f"{name:<28}{figure:8.1f} us a message{beside}")


if __name__ == "__main__":
    main()
