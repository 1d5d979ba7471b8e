"""What waits in the queue, added up from the pages that the queue tells.

Destinations and causes are sorted by how many recipients they hold. The cause of a group is read
from the words of its last report, by the catalogue that `why` speaks from; what was not tried yet
has the cause NEW.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from glassmail.explain.queue_words import Waiting
from glassmail.explain.remedies import REMEDIES, in_general
from glassmail.explain.said import cause_of

NEW = "not tried yet"
UNKNOWN = "other reasons"
_AGES = 7


@dataclass
class Part:
    """One line of a table: what waits for one destination, or because of one cause.

    Attributes:
        name: the destination or cause, as people read it; remedy: what to do, for a cause.
        ages: recipients by age (daemons.queue.overview.AGES_S).
        oldest, next: seconds since 1970; next is 0 when no attempt is planned (held).
        example: number of a message; text: a report.
        beside: causes of a destination, or destinations of a cause, with their counts.
    """

    name: str
    remedy: str = ""
    channel: str = ""
    recipients: int = 0
    ages: list[int] = field(default_factory=lambda: [0] * _AGES)
    oldest: int = 0
    next: int = 0
    example: int = 0
    text: str = ""
    beside: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any], beside: str) -> None:
        """Add a group of the queue."""
        self.recipients += row["recipients"]
        self.ages = [a + b for a, b in zip(self.ages, row["ages"], strict=True)]
        self.oldest = min(self.oldest or row["oldest"], row["oldest"])
        if row["next"]:
            self.next = min(self.next or row["next"], row["next"])
        self.example = self.example or row["example"]
        self.text = self.text or row["text"]
        self.channel = self.channel or row["channel"]
        self.beside[beside] += row["recipients"]

    def row(self) -> dict[str, Any]:
        """The fields as they stand in --json."""
        return {
            "name": self.name, "remedy": self.remedy, "channel": self.channel,
            "recipients": self.recipients, "ages": self.ages, "oldest": self.oldest,
            "next": self.next, "example": self.example, "text": self.text,
            "beside": dict(self.beside.most_common(10)),
        }  # fmt: skip


class Summary:
    """Everything that waits."""

    def __init__(self) -> None:
        self.messages = self.bounces = self.held = self.recipients = 0
        self.destinations: dict[str, Part] = {}
        self.causes: dict[str, Part] = {}
        self.senders: Counter[str] = Counter()

    def add(self, rows: Iterable[dict[str, Any]]) -> "Summary":
        """Add the rows of the queue's verb `waiting`."""
        for row in rows:
            if "domain" in row:
                self._group(row)
            elif "sender" in row:
                self.senders[row["sender"]] += row["count"]
            else:
                self.messages += row.get("messages", 0)
                self.bounces += row.get("bounces", 0)
                self.held += row.get("held", 0)
        return self

    def biggest(self, most: int) -> list[Part]:
        """Destinations that hold the most, in that order."""
        return _sorted(self.destinations, most)

    def reasons(self, most: int = 1_000) -> list[Part]:
        """Causes that hold the most, in that order."""
        return _sorted(self.causes, most)

    def waiting(self) -> Waiting:
        """The figures that advice is made from."""
        return Waiting(
            self.messages, self.recipients, self.bounces,
            {name: part.recipients for name, part in self.destinations.items()},
            dict(self.senders),
            {name: part.recipients for name, part in self.causes.items()
             if name not in {NEW, UNKNOWN}},
        )  # fmt: skip

    def _group(self, row: dict[str, Any]) -> None:
        self.recipients += row["recipients"]
        cause, remedy = _cause(row["text"])
        name = row["domain"] or row["channel"]
        destination = self.destinations.get(name)
        if destination is None:
            destination = self.destinations[name] = Part(name)
        destination.add(row, cause)
        reason = self.causes.get(cause)
        if reason is None:
            reason = self.causes[cause] = Part(cause, remedy)
        reason.add(row, name)


def _sorted(parts: dict[str, Part], most: int) -> list[Part]:
    return sorted(parts.values(), key=lambda part: (-part.recipients, part.name))[:most]


@lru_cache(maxsize=4_096)
def _cause(text: str) -> tuple[str, str]:
    """Name the cause for all its hosts together, and the remedy."""
    if not text:
        return NEW, ""
    found = cause_of(text.encode("utf-8", "surrogateescape"))
    if not found.id:
        return UNKNOWN, ""
    remedy = REMEDIES[found.id]
    return in_general(remedy.fault), in_general(remedy.text)
