"""The queue as people are told of it, a message a row: for `list` and `show`.

Asked of the queue process, or of a stopped server's database.
"""

import json
from collections.abc import Callable
from typing import Any

from glassmail.stations.bounce import trace_text
from glassmail.store.queue.reading import QueueReading
from glassmail.store.queue.rows import LOCAL, REMOTE, Stored, channel_name
from glassmail.store.queue.schema import DELIVERED, FAILED, WAITING

PAGE_MAX = 1_000
ROWS_BYTES_MAX = 524_288  # of one page; the message that goes beyond it is the last
RECIPIENTS_SHOWN_BYTES_MAX = 2_621_440  # of one message, as JSON
RECIPIENTS_FITTING = 25  # fit whatever they hold
HEADER_SHOWN_MAX = 16_384  # bytes of our own lines above a message
_STATES = {WAITING: "waiting", DELIVERED: "done", FAILED: "failed"}

Row = dict[str, Any]


def unknown(number: int) -> str:
    """Say that there is no such message."""
    return f"there is no message {number} in the queue"


def page(
    queue: QueueReading, after: int, limit: int, may_see: Callable[[Stored], bool]
) -> tuple[list[bytes], bool]:
    """Return a page of messages after a number as JSON, and whether there are more.

    Where there are, the last row is {"after": N}: the number to go on with.
    """
    limit = min(limit, PAGE_MAX)
    found = queue.page(after, limit)
    is_more = len(found) == limit
    last, held = after, 0
    encoded: list[bytes] = []
    for message in found:
        if held > ROWS_BYTES_MAX:  # the others do not fit into this frame
            is_more = True
            break
        last = message.id
        if may_see(message):
            encoded.append(json.dumps(row(queue, message)).encode())
            held += len(encoded[-1])
    if is_more:
        encoded.append(json.dumps({"after": last}).encode())
    return encoded, is_more


def shown(queue: QueueReading, message: Stored) -> Row:
    """Return a message's row with its header."""
    whole = row(queue, message)
    whole["header"] = text_of(message.head[:HEADER_SHOWN_MAX]) + _header(message)
    return whole


def row(queue: QueueReading, message: Stored) -> Row:
    """Return what the list tells of one message."""
    due = {LOCAL: message.due_local, REMOTE: message.due_remote}
    rows = [
        {
            "number": number,
            "channel": channel_name(channel),
            "address": text_of(address),
            "original": text_of(original),
            "state": _STATES.get(state, "damaged"),
            "text": text_of(text),
            "retry_at": (due.get(channel) or 0) if state == WAITING else 0,
        }
        for number, channel, state, original, address, text in queue.recipients(message.id)
    ]
    fitting = _fitting(rows)
    return {
        "message": message.id,
        "trace": trace_text(message.code, message.part).decode(),
        "born": message.born,
        "size": message.size,
        "sender": text_of(message.sender),
        "uid": message.uid,
        "kind": message.kind,
        "origin": message.origin,
        "held": message.file == "held" or queue.is_held(message.id),
        "bouncing": any(row["state"] == "failed" for row in rows),
        "recipients": rows[:fitting],
        "recipients_left_out": len(rows) - fitting,
    }


def _header(message: Stored) -> str:
    data = message.data or b""
    end = data.find(b"\n\n")  # -1: nothing is shown
    return text_of(data[: min(end + 1, HEADER_SHOWN_MAX)])


def _fitting(rows: list[Row]) -> int:
    """Count the recipients that fit into a frame with the rest of their message."""
    if len(rows) <= RECIPIENTS_FITTING:
        return len(rows)
    left = RECIPIENTS_SHOWN_BYTES_MAX
    for at, one in enumerate(rows):
        left -= len(json.dumps(one)) + len(", ")
        if left < 0:
            return at
    return len(rows)


def text_of(data: bytes) -> str:
    """Bytes of a message as JSON has them; none is lost."""
    return data.decode("utf-8", "surrogateescape")
