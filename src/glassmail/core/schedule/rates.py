"""How often something happens: buckets that run full at a limit and empty with time.

Purpose:
    `Rates.take` counts one more for a key and says whether the limit is kept. A bucket holds
    `most` and loses `most` in `seconds`, evenly: so many at once are fine, then that rate.

Pure:
    The caller says what time it is.

Always:
    A key costs one dictionary entry, and there are at most `keys_max` of them: the key that was
    not seen for the longest time goes first, with others as old.
"""

from collections.abc import Hashable
from itertools import islice
from typing import Any, NamedTuple

_FORGOTTEN_AT_ONCE = 16  # one of so many


class Limit(NamedTuple):
    """So many within so many seconds; most 0 means no limit."""

    most: int
    seconds: float


def forget_oldest(kept: dict[Any, Any]) -> None:
    """Forget the oldest entries of a full table, many at once.

    A dictionary finds its first entry by walking over all that were deleted before it: to drop
    one at a time would cost the more the fuller the table is.
    """
    for key in list(islice(kept, 1 + len(kept) // _FORGOTTEN_AT_ONCE)):
        del kept[key]


class Rates:
    """Buckets by key."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, limit: Limit, now: float, amount: int = 1) -> bool:
        """Count `amount` more; False when that is beyond the limit."""
        filled = self.level(key, limit, now) + amount
        buckets = self._buckets
        buckets.pop(key, None)  # so that it goes to the end
        if len(buckets) >= self._keys_max:
            forget_oldest(buckets)
        # It never holds more than twice the limit: who goes on for hours is not shut out for days.
        buckets[key] = (min(filled, 2.0 * limit.most), now)
        return filled <= limit.most

    def has_room(self, key: Hashable, limit: Limit, now: float) -> bool:
        """Tell what `take` would say, without counting."""
        return self.level(key, limit, now) + 1 <= limit.most

    def level(self, key: Hashable, limit: Limit, now: float) -> float:
        """Return how much of a bucket is filled now."""
        found = self._buckets.get(key)
        if found is None:
            return 0.0
        filled, at = found
        return max(0.0, filled - (now - at) * limit.most / limit.seconds)

    def forget(self, key: Hashable) -> None:
        """Empty a bucket."""
        self._buckets.pop(key, None)

    def __len__(self) -> int:
        return len(self._buckets)
