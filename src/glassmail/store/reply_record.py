"""Whom an automatic reply has answered, and when: a file of bounded size beside the person's text.

One line an answer, `SECONDS ADDRESS`. A line older than INTERVAL_S at least means nothing any
more. The file is written anew without such lines once it holds ENTRIES_MAX; when all are recent,
the oldest half goes.

Always:
    The line is in the file before the answer is sent: a crash in between costs an answer, never
    makes two. Not synced: after a power cut somebody may be answered once more.
"""

import fcntl
import os

INTERVAL_S = 604_800  # RFC 3834, 2: the same sender at most once in several days; a week here
ENTRIES_MAX = 2_000
FILE_BYTES_MAX = 1_048_576
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def take_turn(path: bytes, address: bytes, now: int, interval_s: int = INTERVAL_S) -> bool:
    """Note that an address is answered now; False when it was within the interval already.

    Another process that is at the file counts as an answer too. Raises OSError.

    Args:
        path: the record.
        address: who is answered.
        now: seconds since 1970.
        interval_s: how long an answer counts.
    """
    descriptor = os.open(path, _OPEN, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        data = os.pread(descriptor, FILE_BYTES_MAX + 1, 0)
        entries = _read(data)
        key = _key(address)
        if any(name == key and now - interval_s < when <= now for when, name in entries):
            return False
        line = b"%d %b\n" % (now, key)
        if len(entries) < ENTRIES_MAX and len(data) + len(line) <= FILE_BYTES_MAX:
            separator = b"" if not data or data.endswith(b"\n") else b"\n"
            os.write(descriptor, separator + line)
            return True
        recent = [entry for entry in entries if now - interval_s < entry[0] <= now]
        if len(recent) >= ENTRIES_MAX // 2:
            recent = recent[-(ENTRIES_MAX // 2) :]
        text = b"".join(b"%d %b\n" % entry for entry in recent) + line
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text)
        return True
    finally:
        os.close(descriptor)


def _read(data: bytes) -> list[tuple[int, bytes]]:
    entries = []
    for line in data.split(b"\n"):
        when, _, address = line.partition(b" ")
        if address and when and len(when) <= 12 and not when.strip(b"0123456789"):
            entries.append((int(when), address))
    return entries


def _key(address: bytes) -> bytes:
    shown = address.lower().decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() and c != " " else f"\\x{ord(c):02x}" for c in shown).encode(
        "ascii"
    )
