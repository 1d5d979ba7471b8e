"""How large a history is and how fast it answers: builds one of ten million deliveries, and asks.

    python bench/history.py [--deliveries N] [--days N] [--directory DIR] [--keep]

A site is made; its history is filled with made-up sessions, acceptances and deliveries, as the log
process writes them (`store.history.writer`, a commit for each 100 messages, without waiting for the
disk): a fifth of the mail goes elsewhere, with the other servers' ids, every fiftieth recipient is
refused. Then the same questions are asked in this process, and by `glass why` as a command, started
anew each time: first of the files, then of a running server. The page cache is warm. At the end
an address is forgotten, and half of the days are removed.

Exit 1 when a floor is missed: 400 bytes a delivery, 1 s for any answer, 200 ms for `why CODE` as a
command (median of the running server's).
"""

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from small_site import GLASS, until

from glassmail.core.model import code
from glassmail.core.model.trail import Step
from glassmail.events import codec
from glassmail.events.case import NearQuery, Query
from glassmail.events.queue import Accepted, Ended, Settled, Started
from glassmail.events.smtpd import Refused, SessionEnded, Story
from glassmail.settings.place import Place
from glassmail.store.history import everywhere, schema
from glassmail.store.history.compact import compact_days
from glassmail.store.history.days import DAY_NS, day_of
from glassmail.store.history.forgetting import forget_history, forms_of
from glassmail.store.history.writer import History

BYTES_MAX = 400
ANSWER_S = 1.0
COMMAND_S = 0.2
SENDERS, RECIPIENTS, CLIENTS = 1_000_000, 100_000, 200_000
OFTEN = b"info@example.test"  # one of 500 messages goes there
PER_COMMIT = 100
S = 1_000_000_000
LOAD = (1, 255, 0, 20, False)
ASKED = 7  # times


class Maker:
    """Made-up mail, the same for the same seed."""

    def __init__(self, first_at, per_day):
        self.random = random.Random(7)
        self.at = first_at
        self.step = DAY_NS // per_day
        self.number = 0
        self.facts = 0
        self.kept = {}  # what will be asked for

    def message(self, with_details):
        """The events of one message: (facts, session events)."""
        draw = self.random.random
        self.number += 1
        self.at += self.step
        number, at = self.number, self.at
        ip = int(draw() * CLIENTS)
        client = f"198.{18 + ip // 65536}.{ip // 256 % 256}.{ip % 256}"
        sender = b"user%d@domain%d.test" % (int(draw() ** 3 * SENDERS), int(draw() ** 3 * 50_000))
        is_remote = draw() < 0.2
        recipient = OFTEN if draw() < 0.002 else (
            b"friend%d@far%d.test" % (int(draw() * 300_000), int(draw() ** 3 * 20_000)) if is_remote
            else b"box%d@example.test" % int(draw() ** 2 * RECIPIENTS))  # fmt: skip
        helo = b"mx%d.domain%d.test" % (ip % 3, ip)
        steps = steps_of(client, recipient) if with_details else ()
        story = codec.encode_story(Story(
            at, number, 1, "smtp", client, 40_000 + ip % 20_000, helo.decode(), helo, sender,
            (recipient,), steps))  # fmt: skip
        facts = [
            Accepted(at, number, number, 1, 2_000 + number % 9_000, sender, 995, 0, "network",
                     b"<%016x.%d@%b>" % (self.random.getrandbits(64), number, helo), (recipient,),
                     story),
            Started(at + 900_000, number, number, 0, "remote" if is_remote else "local", recipient,
                    ROUTED[is_remote] if with_details else (), LOAD),
            Settled(at + 2_100_000, number, number, 0, "remote" if is_remote else "local",
                    recipient, "K", said(number, is_remote), 0,
                    delivered(number, is_remote) if with_details else (), LOAD),
            Ended(at + 2_100_000, number),
        ]  # fmt: skip
        noise = []
        if number % 50 == 0:
            noise.append(Refused(
                at, number, 0, "smtp", client, 40_000, "", helo, sender, b"no%d@example.test" %
                number, "rcpt", "recipient", 550, b"550 sorry, no mailbox here [CODE]",
                steps))  # fmt: skip
        noise.append(SessionEnded(at + 3_000_000, number, "smtp", client, 40_000 + ip % 20_000,
                                  helo, at - 9_000_000, "quit", 1, int(number % 50 == 0), 4_300))
        return facts, noise, (client, sender, recipient, facts[0].message_id)


def steps_of(client, recipient):
    return (
        Step("session.client-rule", client.encode(), "yes", "control/tcp.smtp:3 :allow"),
        Step("session.badmailfrom", b"", "no", "control/badmailfrom (12 entries)"),
        Step("session.relayclient", client.encode(), "no", "control/tcp.smtp:3 :allow"),
        Step("routing.rcpthosts", b"example.test", "yes", "control/rcpthosts:1 example.test"),
        Step("session.recipient", recipient, "yes", "domains/example.test/vpasswd.cdb"),
        Step("session.databytes", b"4000", "yes", "control/databytes is not there"),
    )


ROUTED = {
    False: (Step("routing.locals", b"example.test", "no", "control/locals (2 entries)"),
            Step("routing.virtualdomains", b"example.test", "yes",
                 "control/virtualdomains:1 example.test:example.test")),
    True: (Step("routing.locals", b"far.test", "no", "control/locals (2 entries)"),
           Step("routing.virtualdomains", b"far.test", "no", "control/virtualdomains (1 entries)")),
}  # fmt: skip


def said(number, is_remote):
    if not is_remote:
        return b"did 1+0+0\n"
    return (b"203.0.113.9 accepted message.\nRemote host said: 250 2.0.0 Ok: queued as %010X\n"
            % (number * 7_919))  # fmt: skip


def delivered(number, is_remote):
    if not is_remote:
        return (Step("delivery.maildir", b"./Maildir/", "yes",
                     f"new/1795187041.M{number}R0.mx.example.test,S=4100,W=4180"),)  # fmt: skip
    return (Step("remote.mx", b"far.test", "10 mx.far.test", "DNS: TTL 3600 s"),
            Step("remote.connect", b"203.0.113.9 port 25 (mx.far.test)", "yes", "a new connection"),
            Step("remote.said", b"RCPT TO:<friend@far.test>", "250", "250 ok"))  # fmt: skip


def build(directory, deliveries, day_count, with_details, per_commit=PER_COMMIT):
    """Fill a history; return the values that are asked for, and what making it cost."""
    schema_open = schema.open_for_writing

    def without_waiting(path):
        db = schema_open(path)
        db.execute("PRAGMA synchronous=OFF")
        return db

    import glassmail.store.history.day as day_module

    day_module.open_for_writing = without_waiting
    today = day_of(time.time_ns())
    first = (today - day_count) * DAY_NS
    maker = Maker(first + S, deliveries // day_count + 1)
    history = History(directory, 36_500, lambda: maker.at)
    asked = []
    began, cpu = time.monotonic(), time.process_time()
    spent, is_due = 0.0, False
    facts_due, noise_due = [], []
    for number in range(1, deliveries + 1):
        facts, noise, values = maker.message(with_details)
        facts_due += facts
        noise_due += noise
        is_due = is_due or number % (deliveries // ASKED + 1) == deliveries // (ASKED * 2)
        if is_due and values[2].startswith(b"friend"):  # one that went elsewhere has all keys
            asked.append((number, *values))
            is_due = False
        if number % per_commit == 0 or number == deliveries:
            start = time.process_time()
            maker.facts += 1
            assert history.takes_fact(1, maker.facts)
            history.add_fact(maker.facts, codec.encode(facts_due), facts_due)
            history.add_events(codec.encode(noise_due), noise_due)
            history.commit()
            spent += time.process_time() - start
            facts_due, noise_due = [], []
        if number % 500_000 == 0:
            print(f"  {number:,} deliveries, {time.monotonic() - began:.0f} s", flush=True)
    history.close()
    print(f"  made in {time.monotonic() - began:.0f} s; the log's part of the CPU (encoding, keys, "
          f"compressing, writing) {spent / deliveries * 1e6:.0f} us a delivery, of "
          f"{(time.process_time() - cpu) / deliveries * 1e6:.0f}")  # fmt: skip
    return asked


def forget_and_prune(directory, asked, day_count):
    """Forget an address everywhere, then remove half of the days; print what it takes."""
    address = asked[0][3]
    start = time.monotonic()
    done = forget_history(directory, forms_of(address))
    print(f"  glass log forget: {time.monotonic() - start:.1f} s, in {done.records} records")
    start = time.monotonic()
    History(directory, day_count // 2 + 1).close()
    print(f"  opening it, and removing half of its days: {time.monotonic() - start:.2f} s")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def size_of(directory):
    return sum(entry.stat().st_size for entry in os.scandir(directory) if entry.is_file())


def queries(asked):
    """The questions: name -> queries, one for each message that is asked for."""
    table = {name: [] for name in ("CODE", "#NUMBER", "ADDRESS", "MESSAGE-ID", "CLIENT", "@DOMAIN",
                                   "REMOTE ID", "unknown address", "visits of a /16")}  # fmt: skip
    for number, client, sender, recipient, message_id in asked:
        table["CODE"].append(Query(("code",), number=number, part=1))
        table["#NUMBER"].append(Query(("message",), number=number))
        table["ADDRESS"].append(Query(("address", "message_id"), text=recipient.decode()))
        bare = message_id.decode().strip("<>")
        table["MESSAGE-ID"].append(Query(("message_id",), text=bare))
        table["CLIENT"].append(Query(("client",), text=client))
        table["@DOMAIN"].append(Query(("domain",), text=sender.decode().rpartition("@")[2]))
        table["REMOTE ID"].append(Query(("remote_id",), text=f"{number * 7_919:010X}"))
        table["unknown address"].append(Query(("address",), text=f"nobody{number}@nowhere.test"))
        half = client.rpartition(".")[0].rpartition(".")[0]
        ends = f"{half}.0.0 {half}.255.255"
        table["visits of a /16"].append(NearQuery((ends,), ("domain77.test",)))
    table["ADDRESS of 1 in 500"] = [Query(("address",), text=OFTEN.decode())]
    return table


def ask_here(directory, asked):
    """Ask in this process; print medians; return the slowest."""
    worst = 0.0
    for name, each in queries(asked).items():
        times = []
        for query in [*each, *each]:
            start = time.monotonic()
            if isinstance(query, NearQuery):
                everywhere.visits(directory, query)
            else:
                found, _cases = everywhere.search(directory, query)
            times.append(time.monotonic() - start)
        times = times[len(each) :]  # the first round warmed the page cache
        worst = max(worst, *times)
        count = "" if isinstance(query, NearQuery) else f", {found.count} found"
        print(f"  {name:20} {statistics.median(times) * 1e3:7.1f} ms, at most "
              f"{max(times) * 1e3:.1f}{count}", flush=True)  # fmt: skip
    return worst


def ask_as_command(root, asked, what):
    """Time `glass why CODE`, process start included; return the median."""
    environment = {**os.environ, "GLASSMAIL_ROOT": root}
    times = []
    for _round in range(3):
        for number, *_values in asked:
            start = time.monotonic()
            done = subprocess.run([*GLASS, "why", code.render(number).decode() + "/1"],
                                  env=environment, capture_output=True, check=False)  # fmt: skip
            times.append(time.monotonic() - start)
            assert done.returncode == 0, done
    times = times[len(asked) :]
    print(f"  glass why CODE, {what}: median {statistics.median(times) * 1e3:.0f} ms, at most "
          f"{max(times) * 1e3:.0f}", flush=True)  # fmt: skip
    return statistics.median(times)


def serve_and_ask(root, asked):
    """Ask a running server."""
    ready = os.path.join(root, "..", "ready")
    with open(ready, "wb") as out:
        server = subprocess.Popen([*GLASS, "serve", "--root", root, "--one-user"], stdout=out)
    try:
        until(lambda: os.path.getsize(ready) > 0, "the server is ready", 60)
        return ask_as_command(root, asked, "of a running server")
    finally:
        server.terminate()
        server.wait(20)


def main():
    """Build, ask, print; 1 when a floor is missed."""
    parser = argparse.ArgumentParser(prog="bench/history.py")
    parser.add_argument("--deliveries", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--per-commit", type=int, default=PER_COMMIT,
                        help="messages in a second: a quiet site commits few at once")
    parser.add_argument("--directory", help="where (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave the site there")
    parser.add_argument("--details", action="store_true", help="with the steps of all checks")
    arguments = parser.parse_args()
    base = arguments.directory or tempfile.mkdtemp(prefix="glassmail-history-")
    root = os.path.join(base, "site")
    subprocess.run([*GLASS, "init", "--root", root, "--host", "mx.example.test", "--one-user",
                    "--mailbox", "tammy@example.test=secret",
                    "--listen", f"smtp 127.0.0.1:{free_port()}"],
                   check=True, capture_output=True)  # fmt: skip
    with open(os.path.join(root, "control", "historydays"), "w", encoding="ascii") as out:
        out.write("36500\n")
    try:
        place = Place(root)
        print(f"{arguments.deliveries:,} deliveries on {arguments.days} days, "
              f"{'with' if arguments.details else 'without'} the checks' details")  # fmt: skip
        asked = build(place.history, arguments.deliveries, arguments.days, arguments.details,
                      arguments.per_commit)  # fmt: skip
        size = size_of(place.history)
        start = time.monotonic()
        if compact_days(place.history, day_of(time.time_ns()) + 1):
            print(f"  {size / arguments.deliveries:.0f} bytes a delivery before the days were "
                  f"closed, which took {time.monotonic() - start:.0f} s")  # fmt: skip
            size = size_of(place.history)
        each = size / arguments.deliveries
        print(f"  {size / 1e9:.2f} GB: {each:.0f} bytes a delivery")
        worst = ask_here(place.history, asked)
        of_files = ask_as_command(root, asked, "of the files")
        running = serve_and_ask(root, asked)
        forget_and_prune(place.history, asked, arguments.days)
    finally:
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    is_good = worst <= ANSWER_S and running <= COMMAND_S and of_files <= ANSWER_S
    return 0 if is_good and (arguments.details or each <= BYTES_MAX) else 1


if __name__ == "__main__":
    sys.exit(main())
