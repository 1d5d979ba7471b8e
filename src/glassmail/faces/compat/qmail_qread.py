"""qmail-qread: list the queue as qmail does (qmail-qread.c; qmail-qread.txt).

The queue decides what the caller may see: root, the site's owner and the group glass see all,
others what they handed in themselves. While no server runs the database is read, which root and
the site's owner may. Trouble is told on standard output, as in qmail: exit 111.
"""

import os
from collections.abc import Iterator
from typing import Any

from glassmail.admin import queue_reading
from glassmail.admin.requests import RequestError
from glassmail.core.formats import date
from glassmail.settings.place import Place, find_root


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    try:
        for row in queue_reading.messages(place):
            _put(b"".join(lines(row)))
    except RequestError as error:
        _put(f"fatal: {error}\n".encode("utf-8", "backslashreplace"))
        return 111
    except BrokenPipeError:
        return 111
    return 0


def lines(row: dict[str, Any]) -> Iterator[bytes]:
    """Show one message of the queue: its own line, then one for each recipient, local first."""
    stamp = date.rfc822(row["born"]).removesuffix(b" -0000")
    sender = _bytes(row["sender"])
    line = b"%b GMT  #%d  %d  <%b> " % (stamp, row["message"], row["size"], sender)
    yield _safe(line + (b" bouncing" if row["bouncing"] else b"")) + b"\n"
    for channel in ("local", "remote"):
        for recipient in row["recipients"]:
            if recipient["channel"] == channel:
                done = b"  done" if recipient["state"] in _DONE else b""
                address = _safe(_bytes(recipient["address"]))
                yield b"%b\t%b\t%b\n" % (done, channel.encode("ascii"), address)
    if row.get("recipients_left_out"):
        yield b"\t%d more recipients\n" % row["recipients_left_out"]


_DONE = ("done", "failed")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _safe(text: bytes) -> bytes:
    return text.translate(_SAFE)


_SAFE = bytes(byte if 32 <= byte <= 126 else 0x5F for byte in range(256))


def _put(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
