"""What the queue tells for live views: deliveries under way, and what waits, summed up.

Always:
    A request looks at PAGE_MAX messages at most, so that no question of a person holds mail up;
    whoever asks goes on with `after` and adds up the pages.
"""

import asyncio
import json
import time
from bisect import bisect_right
from collections import Counter
from typing import Any

from glassmail.daemons.queue.process import QueueProcess
from glassmail.net.messages import Request, Rows
from glassmail.store.queue.database import channel_name
from glassmail.store.queue.rows import WaitingRow

PAGE_MAX = 1_000  # messages
GROUPS_MAX = 2_000  # of one answer
SENDERS_MAX = 200
PULSE_S = 5.0
TEXT_BYTES_MAX = 300
AGES_S = (300, 1_200, 7_200, 28_800, 86_400, 259_200)  # 5 min, 20 min, 2 h, 8 h, 1 d, 3 d


# What waits for the same reason at the same place: channel, domain, text. A plain tuple: there is
# one for each recipient that a page holds.
_Key = tuple[int, bytes, bytes]


class _Group:
    """How much of it waits."""

    __slots__ = ("ages", "example", "next_due", "oldest", "recipients")

    def __init__(self, row: WaitingRow) -> None:
        self.recipients = 0
        self.ages = [0] * (len(AGES_S) + 1)
        self.oldest = row.born
        self.next_due = row.due or 0
        self.example = row.message

    def add(self, row: WaitingRow, now: int) -> None:
        """Count one recipient."""
        self.recipients += 1
        born, due = row.born, row.due
        self.ages[bisect_right(AGES_S, now - born)] += 1
        self.oldest = min(self.oldest, born)
        if due is not None and (due < self.next_due or not self.next_due):
            self.next_due = due


def deliveries(process: QueueProcess, request: Request) -> Rows:
    """List the deliveries under way, oldest first."""
    rows = []
    for number, delivery in process.deliveries.under_way.items():
        active = delivery.turn.carries
        address = delivery.recipient.address
        row = {
            "delivery": number,
            "message": active.id,
            "channel": channel_name(delivery.turn.channel),
            "host": _text(address.rpartition(b"@")[2]),
            "sender": _text(active.sender),
            "recipient": _text(address),
            "born": active.born,
            "began": delivery.began,
        }
        rows.append(json.dumps(row).encode())
    return Rows(request.ref, tuple(rows))


def waiting(process: QueueProcess, request: Request, after: int, limit: int) -> Rows:
    """Sum up a page of what waits, by channel, destination and reason; and by sender."""
    now = int(time.time())
    groups: dict[_Key, _Group] = {}
    senders: Counter[bytes] = Counter()
    counts = Counter[str]()
    rows, last = process.store.waiting_page(after, min(limit, PAGE_MAX))
    message = 0
    for row in rows:
        if len(groups) >= GROUPS_MAX and row.message != message:
            last = message  # go on from here
            break
        if row.message != message:
            message = row.message
            senders[row.sender] += 1
            counts["messages"] += 1
            counts["bounces"] += row.kind == "bounce"
            counts["held"] += row.held
        domain = row.address.rpartition(b"@")[2].lower()
        key = (row.channel, domain, row.text[:TEXT_BYTES_MAX])
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(row)
        group.add(row, now)
    told: list[dict[str, Any]] = [dict(counts)] if counts else []
    told += [_told(key, group) for key, group in groups.items()]
    told += [{"sender": _text(s), "count": n} for s, n in senders.most_common(SENDERS_MAX)]
    if last:
        told.append({"after": last})
    return Rows(request.ref, tuple(json.dumps(row).encode() for row in told), bool(last))


def _told(key: _Key, group: _Group) -> dict[str, Any]:
    channel, domain, text = key
    return {
        "channel": channel_name(channel),
        "domain": _text(domain),
        "text": _text(text),
        "recipients": group.recipients,
        "ages": group.ages,
        "oldest": group.oldest,
        "next": group.next_due,
        "example": group.example,
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def figures(process: QueueProcess) -> dict[str, int | bool]:
    """The queue in numbers."""
    local, local_most, remote, remote_most, is_exiting = process.deliveries.load()
    return {
        "messages": process.store.count,
        "unprocessed": process.drop.count(),
        "local": local,
        "local_most": local_most,
        "remote": remote,
        "remote_most": remote_most,
        "stopping": is_exiting,
        "full": process.intake.is_full,
        "facts_unconfirmed": process.facts.unconfirmed,
    }


def keep_telling(process: QueueProcess) -> None:
    """Tell the log the figures now and every PULSE_S; the metrics show them."""
    if process.is_ending:
        return
    numbers = {name: int(value) for name, value in figures(process).items()}
    process.reporter.pulse(numbers)
    asyncio.get_running_loop().call_later(PULSE_S, keep_telling, process)
