"""Latency at a fixed rate: from connect to the 250, and from connect to the file in new/.

Messages are started by the clock, not by the last one's end: a slow server cannot make the
load lighter (no coordinated omission). Each message carries its number in its first header line;
the file that inotify names is opened to read it.
"""

import contextlib
import os
import queue
import re
import subprocess
import sys
import threading
import time

import load
from arrivals import Arrivals
from load import Client
from measure import percentile, settle
from server import Server

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 150  # messages a second: well below what any server here can do
THREADS = 20
_NUMBER = re.compile(rb"^X-Bench-Number: ([0-9]+)\r?$", re.MULTILINE)


def paced(server: Server, count: int) -> tuple[list[float], list[float]]:
    """Send `count` messages at RATE; return seconds to the 250 and seconds to the file."""
    arrivals = Arrivals([os.path.join(server.layout.maildir, "new")], keep_names=True)
    begun, answered = [0.0] * count, [0.0] * count
    todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def sender() -> None:
        while (number := todo.get()) is not None:
            client = Client(server.place())
            client.command(b"EHLO client.test")
            client.command(b"MAIL FROM:<sender@client.test>")
            client.command(b"RCPT TO:<" + server.address().encode() + b">")
            client.data(load.content(load.SIZE, b"X-Bench-Number: %d\r\n" % number))
            answered[number] = time.monotonic()
            client.close()

    threads = [threading.Thread(target=sender, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    start = time.monotonic() + 0.05
    for number in range(count):
        begun[number] = start + number / RATE
        time.sleep(max(0.0, begun[number] - time.monotonic()))
        todo.put(number)
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join()
    try:
        arrivals.wait(count, 120.0)
    finally:
        arrivals.close()
    seen = _numbers(arrivals.names)
    return (
        [answered[number] - begun[number] for number in range(count)],
        [seen[number] - begun[number] for number in range(count)],
    )


def _numbers(names: list[tuple[float, str]]) -> dict[int, float]:
    seen: dict[int, float] = {}
    for at, path in names:
        with open(path, "rb") as message:
            match = _NUMBER.search(message.read(2_000))
        if match:
            seen[int(match.group(1))] = at
    return seen


@contextlib.contextmanager
def bulk_writer(directory: str):
    """Another program that writes in bulk to the same filesystem all the time."""
    process = subprocess.Popen([sys.executable, os.path.join(HERE, "bulk.py"), directory])
    try:
        time.sleep(1.0)
        yield
    finally:
        process.terminate()
        process.wait()


def work(server: Server, size: float) -> dict[str, float]:
    """The same messages quiet and beside a bulk writer: percentiles in milliseconds."""
    count = int(2_000 * size)
    figures: dict[str, float] = {}
    for label in ("quiet", "bulk"):
        os.sync()
        around = bulk_writer(server.layout.base) if label == "bulk" else contextlib.nullcontext()
        with around:
            to_250, to_file = paced(server, count)
        for name, values in (("250", to_250), ("file", to_file)):
            for part, text in ((0.5, "p50"), (0.99, "p99")):
                figures[f"{label}_{name}_{text}_ms"] = percentile(values, part) * 1e3
        settle(server)
    figures["p99_growth"] = figures["bulk_file_p99_ms"] / figures["quiet_file_p99_ms"]
    return figures
