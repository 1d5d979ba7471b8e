"""What an event is: a typed record with a time, a severity and a sentence.

Events are msgpack arrays on the internal sockets and in the queue's fact rows, so their fields
may only be added at the end, with a default.
"""

from typing import ClassVar

import msgspec


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all events.

    Attributes:
        at: nanoseconds since 1970 (UTC).
    """

    severity: ClassVar[str] = "info"  # info, warning, alert
    sentence: ClassVar[str] = ""  # template over the fields, for people

    at: int
