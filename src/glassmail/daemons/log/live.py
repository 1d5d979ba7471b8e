"""What goes on just now, counted from the events as they come: rates, totals, last refusals.

Always:
    - Everything is bounded: BUCKETS spans of time, REFUSALS_KEPT refusals, CHECKS_MAX names.
    - Counting follows the events' own times: what was told late is counted where it belongs, or
      no longer.
    - Totals grow from the log process's start; a restart of it begins at 0 again.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from glassmail.events.event import Event
from glassmail.events.fields import code_text
from glassmail.events.process import Alerted, Dropped, SettingBroken, Warned
from glassmail.events.queue import Accepted, Bounced, Ended, Settled
from glassmail.events.smtpd import Refused, SessionEnded

BUCKET_S = 10
BUCKETS = 90  # a quarter of an hour
REFUSALS_KEPT = 50
CHECKS_MAX = 200
TROUBLES_KEPT = 20
_SECOND = 1_000_000_000
_BUCKET_NS = BUCKET_S * _SECOND
_RESULTS = {"K": "success", "Z": "deferral", "D": "failure"}
_ATTEMPTS = {
    (channel, outcome): f"{channel}_{result}"
    for channel in ("local", "remote")
    for outcome, result in _RESULTS.items()
}
SPANS_S = (60, 900)

KINDS = (
    "sessions", "refused", "accepted", "accepted_bytes", "bounced", "ended",
    *_ATTEMPTS.values(),
)  # fmt: skip


class Live:
    """Counters of one run of the log process."""

    def __init__(self, now: int) -> None:
        """Begin; now: nanoseconds since 1970."""
        self.began = now
        self.totals: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()  # refusals by the check that decided
        self._buckets: dict[int, Counter[str]] = {}
        self._takes: dict[type[Event], Callable[[Any], None]] = {
            Accepted: self._accepted,
            Settled: self._settled,
            Bounced: self._bounced,
            Ended: self._ended,
            SessionEnded: self._session,
            Refused: self._refused,
            **dict.fromkeys((Alerted, Warned, SettingBroken, Dropped), self._trouble),
        }
        self._refusals: deque[Refused] = deque(maxlen=REFUSALS_KEPT)
        self._troubles: deque[Alerted | Warned | SettingBroken | Dropped] = deque(
            maxlen=TROUBLES_KEPT
        )

    def add(self, events: Sequence[Event]) -> None:
        """Count events."""
        takes = self._takes
        for event in events:
            take = takes.get(type(event))
            if take is not None:
                take(event)

    def rates(self, now: int) -> dict[str, dict[str, int]]:
        """How much of each kind happened in the last minute and quarter of an hour."""
        bucket = now // _SECOND // BUCKET_S
        self._forget(bucket)
        for ahead in [b for b in self._buckets if b > bucket + 1]:  # the clock was set back
            del self._buckets[ahead]
        found: dict[str, dict[str, int]] = {}
        for span in SPANS_S:
            first = bucket - span // BUCKET_S
            total: Counter[str] = Counter()
            for at, counted in self._buckets.items():
                if at > first:
                    total.update(counted)
            found[f"{span}s"] = {kind: total[kind] for kind in KINDS}
        return found

    def refusals(self, most: int) -> list[dict[str, Any]]:
        """The last refusals, newest first."""
        newest = list(self._refusals)[::-1][:most]
        return [
            {
                "at": refused.at,
                "client": refused.client,
                "client_name": refused.client_name,
                "helo": _text(refused.helo),
                "sender": _text(refused.sender),
                "recipient": _text(refused.recipient),
                "stage": refused.stage,
                "check": refused.check,
                "reply": _text(refused.reply),
                "code": code_text(refused.code, refused.part),
            }
            for refused in newest
        ]

    def troubles(self, most: int) -> list[dict[str, Any]]:
        """The last warnings and alerts of processes, newest first."""
        newest = list(self._troubles)[::-1][:most]
        return [
            {"at": event.at, "severity": event.severity, "text": event.sentence.format_map(
                {name: getattr(event, name) for name in event.__struct_fields__})}
            for event in newest
        ]  # fmt: skip

    def _count(self, at: int, kind: str, number: int = 1) -> None:
        self.totals[kind] += number
        bucket = at // _BUCKET_NS
        counted = self._buckets.get(bucket)
        if counted is None:
            counted = self._buckets[bucket] = Counter()
            self._forget(max(self._buckets))
            if bucket not in self._buckets:  # of long ago: only the totals tell of it
                return
        counted[kind] += number

    def _forget(self, newest: int) -> None:
        if len(self._buckets) > BUCKETS:
            for bucket in [b for b in self._buckets if b <= newest - BUCKETS]:
                del self._buckets[bucket]

    # --- one event each --------------------------------------------------------------------------

    def _accepted(self, event: Accepted) -> None:
        self._count(event.at, "accepted")
        self._count(event.at, "accepted_bytes", event.size)

    def _settled(self, event: Settled) -> None:
        kind = _ATTEMPTS.get((event.channel, event.outcome))
        if kind is not None:
            self._count(event.at, kind)

    def _bounced(self, event: Bounced) -> None:
        self._count(event.at, "bounced")

    def _ended(self, event: Ended) -> None:
        self._count(event.at, "ended")

    def _session(self, event: SessionEnded) -> None:
        self._count(event.at, "sessions")

    def _refused(self, event: Refused) -> None:
        self._count(event.at, "refused")
        name = event.check if event.check in self.checks or len(self.checks) < CHECKS_MAX else "…"
        self.checks[name] += 1
        self._refusals.append(event)

    def _trouble(self, event: Alerted | Warned | SettingBroken | Dropped) -> None:
        self.totals[event.severity] += 1
        self._troubles.append(event)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
