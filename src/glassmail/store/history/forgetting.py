"""Take an address out of the history and the text logs: `glass log forget ADDRESS`.

Purpose:
    Every place where the address stands is overwritten with a mask of the same length, so that
    records and lines stay whole and everything else in them is still known. Its search keys go,
    too. The deliveries themselves stay countable; whose they were does not.

Always:
    - Only the whole address is masked, in any case, and the forms that this server makes of it:
      routed (`prepend-local@domain`) and VERP (`local=domain`). `xjoe@` is not `joe@`.
    - What comes after, of mail that is still in the queue, is recorded anew.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apsw

from glassmail.core.model.address import fold, safe_for_log, split_address
from glassmail.store.history import schema
from glassmail.store.history.days import days_in, imports_in, path_of
from glassmail.store.history.keys import HASH_BITS, text_key, without_key

RECORDS_PER_TRANSACTION = 200
WAIT_MS = 10_000
_WORD = rb"[A-Za-z0-9._+=~-]"
_CHUNK_BYTES = 1_048_576


class Forgotten(NamedTuple):
    """What was masked: records and day files of the history, lines and files of the text logs."""

    records: int = 0
    days: int = 0
    lines: int = 0
    files: int = 0


def forms_of(address: bytes, routed: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """Return all forms of an address: itself, VERP, vpopmail's prepend, and those given."""
    local, domain = split_address(address)
    forms = [address, *routed]
    if domain:
        forms += [local + b"=" + domain, domain + b"-" + address]
    return tuple(dict.fromkeys(form for form in forms if form))


def forget_history(directory: str, forms: Sequence[bytes]) -> Forgotten:
    """Mask an address in all day files, imports included; raises OSError or apsw.Error."""
    pattern = _in_records(forms)
    needles = [fold(form) for form in forms]
    keys = [text_key(kind, needle) for needle in needles for kind in (b"a", b"l")]
    records = days = 0
    for path in _day_files(directory):
        inode = os.stat(path).st_ino
        count = _in_file(path, pattern, needles, keys)
        while os.stat(path).st_ino != inode:  # it was compacted meanwhile: from the old records
            inode = os.stat(path).st_ino
            count = _in_file(path, pattern, needles, keys)
        records, days = records + count, days + (count > 0)
    return Forgotten(records=records, days=days)


def forget_logs(directory: str, forms: Sequence[bytes]) -> Forgotten:
    """Mask an address in the text logs, in place: their writer may go on; raises OSError."""
    safe = sorted({safe_for_log(form) for form in forms}, key=len, reverse=True)
    words = b"|".join(map(re.escape, safe))
    pattern = re.compile(rb"(?<!" + _WORD + rb")(?:" + words + rb")(?![A-Za-z0-9-])", re.IGNORECASE)
    lines = files = 0
    for base, _below, names in os.walk(directory):
        for name in names:
            if name == "current" or name.startswith("@") or name == "previous":
                count = _in_log(os.path.join(base, name), pattern)
                lines, files = lines + count, files + (count > 0)
    return Forgotten(lines=lines, files=files)


def mask(form: bytes) -> bytes:
    """Return what stands for an address from now on: as long, and still of its shape."""
    return bytes(byte if byte == 0x40 else 0x78 for byte in form)  # `@` and `x`


def _day_files(directory: str) -> Iterator[str]:
    for base in (directory, *imports_in(directory)):
        for day in days_in(base):
            yield path_of(base, day)


def _in_records(forms: Sequence[bytes]) -> "re.Pattern[bytes]":
    """Find an address as a whole value of msgpack, or as a word in a longer one.

    A value's length stands before it and another value behind it, and both may look like letters:
    words alone would miss them.
    """
    parts = []
    for form in sorted(forms, key=len, reverse=True):
        length = len(form)
        heads = [rb"\xc4" + re.escape(bytes([length & 0xFF])), rb"\xd9" + re.escape(
            bytes([length & 0xFF]))] if length < 256 else []  # fmt: skip
        if length < 32:
            heads.append(re.escape(bytes([0xA0 | length])))
        heads.append(rb"\xc5" + re.escape(length.to_bytes(2, "big")))
        word = rb"(?i:" + re.escape(form) + rb")"
        parts += [rb"(?<=" + head + rb")" + word for head in heads]
        parts.append(rb"(?<!" + _WORD + rb")" + word + rb"(?![A-Za-z0-9-])")
    return re.compile(b"|".join(parts), re.DOTALL)


def _in_file(
    path: str, pattern: "re.Pattern[bytes]", needles: list[bytes], keys: list[int]
) -> int:
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.set_busy_timeout(WAIT_MS)
        db.execute("PRAGMA secure_delete=ON; PRAGMA synchronous=FULL").fetchall()
        count = 0
        last = db.execute("SELECT coalesce(max(id),0) FROM record").get
        for first in range(1, last + 1, RECORDS_PER_TRANSACTION):
            count += _in_some(db, (first, first + RECORDS_PER_TRANSACTION - 1), pattern, needles)
        _forget_keys(db, keys)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count
    finally:
        db.close()


def masked_record(
    raw: bytes, pattern: "re.Pattern[bytes]", needles: Sequence[bytes]
) -> bytes | None:
    """Mask an address wherever it stands in a record; None when it does not.

    The pattern is tried where a needle stands only: it takes milliseconds for a whole record.
    """
    folded = raw.lower()
    masked: bytearray | None = None
    for needle in needles:
        at = folded.find(needle)
        while at >= 0:
            match = pattern.match(raw, at)
            if match is not None:
                masked = bytearray(raw) if masked is None else masked
                masked[at : match.end()] = mask(match[0])
            at = folded.find(needle, at + 1)
    return None if masked is None else bytes(masked)


def _in_some(
    db: apsw.Connection, ends: tuple[int, int], pattern: "re.Pattern[bytes]", needles: list[bytes]
) -> int:
    changed = []
    for number, data in db.execute("SELECT id,data FROM record WHERE id BETWEEN ? AND ?", ends):
        try:
            raw = schema.unpacked(data)
        except schema.HistoryError:
            continue  # a damaged record: why cannot read it either
        masked = masked_record(raw, pattern, needles)
        if masked is not None:
            changed.append((schema.repacked(masked), number))
    if changed:
        with db:
            db.executemany("UPDATE record SET data=? WHERE id=?", changed)
    return len(changed)


def _forget_keys(db: apsw.Connection, keys: list[int]) -> None:
    """Take the keys out of the pages that begin at or before them."""
    segments = [number for (number,) in db.execute("SELECT id FROM segment")]
    with db:
        for segment in segments:
            for key in keys:
                ends = segment << HASH_BITS, schema.page_id(segment, key)
                sql = "SELECT id,entries FROM page WHERE id BETWEEN ? AND ? ORDER BY id DESC"
                for number, page in db.execute(f"{sql} LIMIT 2", ends).fetchall():
                    assert isinstance(page, bytes)
                    kept = without_key(page, key)
                    if kept != page:
                        db.execute("UPDATE page SET entries=? WHERE id=?", (kept, number))


def _in_log(path: str, pattern: "re.Pattern[bytes]") -> int:
    count = 0
    with open(path, "r+b") as file:
        at = 0
        rest = b""
        while data := file.read(_CHUNK_BYTES):
            data = rest + data
            # A word at the end may go on in the next chunk.
            whole = data.rfind(b"\n") + 1 or len(data)
            lines, rest = data[:whole], data[whole:]
            for match in pattern.finditer(lines):
                count += 1
                os.pwrite(file.fileno(), mask(match[0]), at + match.start())
            at += whole
        for match in pattern.finditer(rest):
            count += 1
            os.pwrite(file.fileno(), mask(match[0]), at + match.start())
    return count
