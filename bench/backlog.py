"""A queue full of deferred messages: how long a restart takes, what new mail and memory cost.

The messages are inserted directly into the store of the stopped server, with a recipient elsewhere
whose next attempt is a day away, as they would be after so many deferrals.
"""

import os
import time

import works
from measure import pss_kb, settle
from server import Server

from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.rows import REMOTE, NewMessage, NewRecipient

DAY_S = 86_400
BATCH = 1_000
ROUNDS = 3


def fill(path: str, count: int) -> None:
    """Insert deferred messages of 2 kB."""
    store, now = QueueStore(path), int(time.time())
    body = works.load.content(2_000).replace(b"\r\n", b"\n")
    head = b"Received: (qmail 1 invoked from network); 21 Nov 2026 00:00:00 -0000\n"
    try:
        for _ in range(0, count, BATCH):
            with store.transaction():
                new = [_message(store.next_message(), now, head, body) for _ in range(BATCH)]
                store.insert(new)
                store.set_due(REMOTE, [(now + DAY_S, one.id) for one in new])
            store.checkpoint_if_long()
    finally:
        store.close()


def _message(number: int, now: int, head: bytes, body: bytes) -> NewMessage:
    address = b"user%d@elsewhere%d.test" % (number, number % 1_000)
    recipient = NewRecipient(address, REMOTE, address)
    return NewMessage(
        id=number, born=now, sender=b"sender@client.test", uid=0, code=0, part=0, kind="network",
        origin=0, head=head, data=body, file=None, body=0, body_size=len(body),
        recipients=(recipient,),
    )  # fmt: skip


def _rounds(server: Server, size: float) -> tuple[float, float]:
    """Some rounds of new local mail; the best rate and the least CPU a message."""
    works.warm_up(server)
    found = [works.one_per_connection(server, size) for _ in range(ROUNDS)]
    return max(one["rate"] for one in found), min(one["cpu_us"] for one in found)


def work(server: Server, size: float, count: int = 100_000) -> works.Figures:
    """Measure empty, fill, restart, measure full."""
    from glassmail_site import Glassmail

    assert isinstance(server, Glassmail)
    empty_rate, empty_cpu = _rounds(server, size * 0.4)
    empty_kb = _queue_kb(server)
    server.kill()
    server.resting = int(count * size) // BATCH * BATCH
    fill(server.place_of.queue_db, server.resting)
    os.sync()
    restart_s = server.start()
    full_rate, full_cpu = _rounds(server, size * 0.4)
    grown_kb = _queue_kb(server) - empty_kb
    return {
        "restart_s": restart_s,
        "rate_kept": full_rate / empty_rate,
        "cpu_kept": full_cpu / empty_cpu,
        "bytes_each": grown_kb * 1_024 / server.resting,
        "rate": full_rate,
        "cpu_us": full_cpu,
    }


def ten_thousand(server: Server, size: float) -> works.Figures:
    """The same with ten thousand."""
    return work(server, size, 10_000)


def million(server: Server, size: float) -> works.Figures:
    """The same with a million."""
    return work(server, size, 1_000_000)


def _queue_kb(server: Server) -> int:
    settle(server, quiet_s=1.0)
    return pss_kb(server.pids())
