"""When a message is tried again (qmail-send.c nextretry).

Attempts follow the squares of 10 seconds for local, of 20 for remote deliveries: 0, 100, 400,
900 ... and 0, 400, 1600, 3600 ... seconds after the message came, when they run on time.
"""

from math import isqrt

from glassmail.core.model.channel import Channel

_SKIP = {Channel.LOCAL: 10, Channel.REMOTE: 20}


def next_attempt(born: int, now: int, channel: Channel) -> int:
    """Return when the channel tries again after a pass that started now; all in Unix seconds."""
    passed = isqrt(now - born) if now > born else 0
    root = passed + _SKIP[channel]
    return born + root * root
