"""The works: each gives a running server something to do and returns what it cost.

A work is `function(server, size) -> dict[str, float]`; `size` scales it down for `--quick`.
Figures are named with their unit: `rate` is messages a second until the last file was there.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

import load
from arrivals import Arrivals
from load import Client, Send
from measure import Account, PeakPss, pss_kb, settle
from server import Server
from smtp_sink import SmtpSink

HERE = os.path.dirname(os.path.abspath(__file__))
Figures = dict[str, float]
Work = Callable[[Server, float], Figures]
TIMEOUT_S = 300.0
WARM_UP = 200


def warm_up(server: Server) -> None:
    """Let a server fork, import and cache what it needs, untimed."""
    arrivals = Arrivals([new_of(server)])
    try:
        load.send(server, Send(WARM_UP))
        arrivals.wait(WARM_UP, TIMEOUT_S)
    finally:
        arrivals.close()
    settle(server)


def new_of(server: Server) -> str:
    """The directory in which a message has arrived."""
    return os.path.join(server.layout.maildir, "new")


def all_new_of(server: Server) -> list[str]:
    """The same of every mailbox."""
    return [os.path.join(maildir, "new") for maildir in server.layout.maildirs]


def _costs(account: Account, count: int) -> Figures:
    figures = {"cpu_us": account.whole_s / count * 1e6}
    for role, seconds in account.by_role_s.items():
        figures[f"cpu_us.{role}"] = seconds / count * 1e6
    return figures


def _to_maildir(server: Server, sending: Send) -> Figures:
    """Send, wait for the last file; then wait until the queue is empty, so that all CPU counts."""
    os.sync()
    arrivals = Arrivals(all_new_of(server))
    try:
        account = Account(server)
        begun = load.send(server, sending)
        accepted = time.monotonic()
        ended = arrivals.wait(sending.count, TIMEOUT_S)
        settle(server)
        figures = _costs(account.close(), sending.count)
    finally:
        arrivals.close()
    figures["rate"] = sending.count / (ended - begun)
    figures["accept_rate"] = sending.count / (accepted - begun)
    return figures


def one_per_connection(server: Server, size: float) -> Figures:
    """5,000 messages of 4 kB, 20 at once, each on its own connection."""
    return _to_maildir(server, Send(int(5_000 * size)))


def hundred_per_connection(server: Server, size: float) -> Figures:
    """10,000 messages of 4 kB, 20 connections at once, 100 on each."""
    return _to_maildir(server, Send(int(100 * size) * 100, per_connection=100))


def many_mailboxes(server: Server, size: float) -> Figures:
    """As one-per-connection, but each hundredth of the messages goes to another mailbox."""
    names = tuple(server.address(name) for name, _ in server.layout.boxes)
    return _to_maildir(server, Send(int(50 * size) * len(names), recipients=names))


def relay(server: Server, size: float) -> Figures:
    """5,000 messages of 4 kB, 20 at once, to an address elsewhere, relayed to a sink."""
    count, elsewhere = int(5_000 * size), "user@elsewhere.test"
    with SmtpSink(server.layout.relay_port) as sink:
        load.send(server, Send(WARM_UP, recipient=elsewhere))
        sink.wait(WARM_UP, TIMEOUT_S)
        settle(server)
        os.sync()
        account = Account(server)
        begun = load.send(server, Send(count, recipient=elsewhere))
        ended = sink.wait(WARM_UP + count, TIMEOUT_S)
        settle(server)
        figures = _costs(account.close(), count)
    figures["rate"] = count / (ended - begun)
    return figures


def _one_to_many(server: Server, recipients: list[bytes]) -> float:
    """Send one message to many; return the time (monotonic) before its MAIL command."""
    client = Client(server.place())
    client.command(b"EHLO client.test")
    begun = time.monotonic()
    client.command(b"MAIL FROM:<sender@client.test>")
    client.many([b"RCPT TO:<" + recipient + b">" for recipient in recipients])
    client.data(load.content(load.SIZE))
    client.close()
    return begun


def thousand_local(server: Server, size: float) -> Figures:
    """One message of 4 kB to 1,000 recipients of one user (bench-1 to bench-1000)."""
    count = int(1_000 * size)
    names = [server.address(f"bench-{number}").encode() for number in range(count)]
    arrivals = Arrivals([new_of(server)])
    try:
        account = Account(server)
        begun = _one_to_many(server, names)
        ended = arrivals.wait(count, TIMEOUT_S)
        settle(server)
        figures = _costs(account.close(), count)
    finally:
        arrivals.close()
    return {**figures, "seconds": ended - begun}


@contextmanager
def own_sink(*arguments: str):
    """bench/sink.py; yields (process, port)."""
    process = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "sink.py"), *arguments], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def thousand_remote(server: Server, size: float) -> Figures:
    """One message of 4 kB to 1,000 recipients elsewhere, all relayed to one sink."""
    count = int(1_000 * size)
    names = [f"user{number}@elsewhere.test".encode() for number in range(count)]
    arguments = ["--port", str(server.layout.relay_port), "--recipients", str(count)]
    with own_sink(*arguments) as (sink, _):
        account = Account(server)
        begun = _one_to_many(server, names)
        assert sink.stdout is not None
        words = sink.stdout.readline().split()
        settle(server)
        figures = _costs(account.close(), count)
    return {**figures, "seconds": float(words[1]) - begun, "messages": float(words[2])}


def large(server: Server, size: float) -> Figures:
    """20 messages of 25 MB, 5 at once, and how much the memory grows meanwhile."""
    count = max(5, int(20 * size))
    os.sync()
    arrivals, peak = Arrivals([new_of(server)]), PeakPss(server)
    try:
        account = Account(server)
        begun = load.send(server, Send(count, size=25 << 20, sessions=5))
        ended = arrivals.wait(count, TIMEOUT_S)
        settle(server)
        figures = _costs(account.close(), count)
    finally:
        arrivals.close()
        peak.close()
    return {**figures, "seconds": ended - begun, "growth_mb": (peak.peak_kb - peak.first_kb) / 1024}


def idle(server: Server, size: float) -> Figures:
    """Memory when nothing happens, and for each of many connections that say nothing."""
    settle(server, quiet_s=1.0)
    resting_kb = pss_kb(server.pids())
    count = int(server.idle_connections * size)
    clients = []
    try:
        for number in range(count):
            # Other addresses of the loopback net, so that limits per client do not count.
            source = f"127.0.{1 + number // 20 // 250}.{1 + number // 20 % 250}"
            clients.append(Client(server.place(), source))
        settle(server)
        full_kb = pss_kb(server.pids())
    finally:
        for client in clients:
            client.close(quit_first=False)
    return {"idle_pss_mb": resting_kb / 1024, "connections": float(count),
            "kb_each": (full_kb - resting_kb) / count}  # fmt: skip
