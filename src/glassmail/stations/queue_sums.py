"""What waits in the queue, summed up by place, reason and sender: for live views and `--by`.

Asked of the queue process, or of a stopped server's database.

Always:
    A question looks at PAGE_MAX messages at most, so that no question of a person holds mail up;
    whoever asks goes on with `after` and adds up the pages.
"""

import json
import time
from bisect import bisect_right
from collections import Counter
from typing import Any

from glassmail.stations.queue_rows import text_of
from glassmail.store.queue.reading import QueueReading
from glassmail.store.queue.rows import WaitingRow, channel_name

PAGE_MAX = 1_000  # messages
GROUPS_MAX = 2_000  # of one answer
SENDERS_MAX = 200
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


def page(queue: QueueReading, after: int, limit: int) -> tuple[list[bytes], bool]:
    """Sum up a page of what waits, as JSON; and whether there is more (`after` of the last row)."""
    now = int(time.time())
    groups: dict[_Key, _Group] = {}
    senders: Counter[bytes] = Counter()
    counts = Counter[str]()
    rows, last = queue.waiting_page(after, max(1, min(limit, PAGE_MAX)))
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
    told += [{"sender": text_of(s), "count": n} for s, n in senders.most_common(SENDERS_MAX)]
    if last:
        told.append({"after": last})
    return [json.dumps(row).encode() for row in told], bool(last)


def _told(key: _Key, group: _Group) -> dict[str, Any]:
    channel, domain, text = key
    return {
        "channel": channel_name(channel),
        "domain": text_of(domain),
        "text": text_of(text),
        "recipients": group.recipients,
        "ages": group.ages,
        "oldest": group.oldest,
        "next": group.next_due,
        "example": group.example,
    }
