"""Maildir++ quotas: is there room for one more message, and the sums that answer it quickly.

`maildirsize` in the Maildir holds the quota's text, then a line `BYTES COUNT` for each change
(maildirquota.c). Its sums are counted anew when it is missing, larger than SUMS_BYTES_MAX bytes or
names another quota; and when it says "full", unless that is a count not older than RECOUNT_S
seconds. Trash is not counted.

Readers and writers of other programs (POP3, IMAP, vpopmail) keep the same file; a line appended
with O_APPEND is never torn. Sums may be wrong for a while, as theirs are; a recount mends them.

Always:
    What a process has read of a file it remembers, and reads only what was appended since: a
    quota costs a delivery two opens, however long the file is. A replaced file is another inode,
    or does not hold what was read last where it stood; it is read from its start.
"""

import os
import time
from typing import NamedTuple

from glassmail.core.formats import quota
from glassmail.core.formats.quota import Quota

SUMS_NAME = b"maildirsize"
SUMS_BYTES_MAX = 5_120  # maildirquota.c: a longer file is counted anew
RECOUNT_S = 900  # how old a count may be that says "full"
RECOUNT_PAUSE_S = 10  # of one process: a count does not see messages on their way into new/
FOLDERS_MAX = 10_000  # subfolders looked at in one count
KNOWN_MAX = 4_096  # mailboxes whose sums a process remembers
_TRASH = b".Trash"
_DIGITS_MAX = 18
_TAIL_BYTES = 32


class Room(NamedTuple):
    """What a mailbox holds, and whether one more message fits.

    Attributes:
        fits: whether it fits.
        held: bytes before the message.
        messages: messages before it.
    """

    fits: bool
    held: int
    messages: int


class _Sums(NamedTuple):
    """What was read of one maildirsize file."""

    inode: int
    limit: Quota
    offset: int  # as far as it was read
    tail: bytes  # what stood last before it
    held: int
    messages: int
    lines: int
    changed: float
    counted: float  # when this process counted; 0: somebody else did


_known: dict[bytes, _Sums] = {}  # of this process; every entry is checked against the file


def room(maildir: bytes, limit: Quota, size: int) -> Room:
    """Tell whether a message of `size` bytes fits; raises OSError when that cannot be told."""
    sums = _read_sums(maildir, limit)
    if sums is not None and sums.offset > SUMS_BYTES_MAX:
        # Only a long file that grew since our own count is as good as a count.
        if time.time() - sums.counted >= RECOUNT_S:
            sums = None
        else:
            _write_sums(maildir, limit, sums.held, sums.messages, sums.counted)
    if sums is not None:
        if _fits(sums.held, sums.messages, limit, size):
            return Room(True, sums.held, sums.messages)
        now = time.time()
        is_fresh = sums.lines == 1 and now - sums.changed < RECOUNT_S
        if is_fresh or now - sums.counted < RECOUNT_PAUSE_S:
            return Room(False, sums.held, sums.messages)
    held, count = count_messages(maildir)
    _write_sums(maildir, limit, held, count, time.time())
    return Room(_fits(held, count, limit, size), held, count)


def add(maildir: bytes, limit: Quota, size: int) -> None:
    """Note one more message; raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(maildir + SUMS_NAME, flags)
    except FileNotFoundError:
        held, count = count_messages(maildir)
        _write_sums(maildir, limit, held + size, count + 1, 0.0)
        return
    try:
        os.write(descriptor, b"%d 1\n" % size)
    finally:
        os.close(descriptor)


def usage(maildir: bytes, limit: Quota) -> tuple[int, int]:
    """Return bytes and messages held, as maildirsize says, else counted; writes nothing.

    Raises OSError.
    """
    try:
        sums = _read_sums(maildir, limit)
    except OSError:
        sums = None  # counting says what is wrong, if anything is
    return (sums.held, sums.messages) if sums is not None else count_messages(maildir)


def held_in(maildir: bytes) -> tuple[int, int]:
    """Return bytes and messages held, whatever quota maildirsize names; raises OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(maildir + SUMS_NAME, flags)
    except OSError:
        return count_messages(maildir)
    try:
        first = os.read(descriptor, SUMS_BYTES_MAX).partition(b"\n")[0]
    finally:
        os.close(descriptor)
    try:
        return usage(maildir, quota.parse(first.strip()))
    except quota.QuotaError:
        return count_messages(maildir)


def percent(held_bytes: int, count: int, limit: Quota) -> int:
    """Return how full a mailbox is, by the fuller of its two limits (readuserquota)."""
    by_bytes = held_bytes * 100 // limit.bytes_most if limit.bytes_most else 0
    by_count = count * 100 // limit.messages_most if limit.messages_most else 0
    return max(by_bytes, by_count)


def _fits(held: int, count: int, limit: Quota, size: int) -> bool:
    if limit.bytes_most and held + size > limit.bytes_most:
        return False
    return not limit.messages_most or count + 1 <= limit.messages_most


def _read_sums(maildir: bytes, limit: Quota) -> _Sums | None:
    """Read the file, or what is new of it; None when the messages must be counted."""
    try:
        descriptor = os.open(
            maildir + SUMS_NAME, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        )
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        known = _known.get(maildir)
        is_same = known is not None and known.inode == status.st_ino and known.limit == limit
        fresh = _Sums(status.st_ino, limit, 0, b"", 0, 0, 0, 0.0, 0.0)
        if known is None or not is_same or known.offset > status.st_size:
            known = fresh
        data = os.pread(descriptor, SUMS_BYTES_MAX + 1, known.offset - len(known.tail))
        if not data.startswith(known.tail):  # another file that got the number of the old one
            known = fresh
            data = os.pread(descriptor, SUMS_BYTES_MAX + 1, 0)
    finally:
        os.close(descriptor)
    if len(data) > SUMS_BYTES_MAX:
        return None  # too much to read is too much to believe
    data = data[len(known.tail) :]
    if known.offset and not data:
        return known
    sums = _advance(known, data, status.st_mtime)
    if sums is None:
        _known.pop(maildir, None)
        return None
    if len(_known) >= KNOWN_MAX:
        _known.clear()
    _known[maildir] = sums
    return sums


def _advance(before: _Sums, data: bytes, changed: float) -> _Sums | None:
    """Add up the whole lines of `data`; None when the file must not be believed."""
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    if not before.offset and (not lines or not _is_quota(lines.pop(0), before.limit)):
        return None
    held, count = before.held, before.messages
    for line in lines:
        words = line.split()
        if not words:
            continue
        if len(words) != 2:  # such as two lines of which the first was cut short by a full disk
            return None
        for word in words:
            digits = word.removeprefix(b"-")
            if not digits or len(digits) > _DIGITS_MAX or digits.strip(b"0123456789"):
                return None
        held += int(words[0])
        count += int(words[1])
    return before._replace(
        offset=before.offset + len(whole),
        tail=(before.tail + whole)[-_TAIL_BYTES:],
        held=held,
        messages=count,
        lines=before.lines + len(lines),
        changed=changed,
    )


def _is_quota(line: bytes, limit: Quota) -> bool:
    try:
        return quota.parse(line.strip()) == limit
    except quota.QuotaError:
        return False


def _write_sums(maildir: bytes, limit: Quota, held: int, count: int, counted: float) -> None:
    temporary = maildir + b"tmp/maildirsize.%d" % os.getpid()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    text = b"%b\n%d %d\n" % (quota.render(limit), held, count)
    try:
        os.write(descriptor, text)
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, maildir + SUMS_NAME)
    tail = text[-_TAIL_BYTES:]
    sums = _Sums(
        status.st_ino, limit, len(text), tail, held, count, 1, status.st_mtime, counted
    )
    if len(_known) >= KNOWN_MAX:
        _known.clear()
    _known[maildir] = sums


def count_messages(maildir: bytes) -> tuple[int, int]:
    """Add up bytes and messages of the Maildir and its folders, without Trash; raises OSError."""
    held = count = 0
    folders = [maildir]
    with os.scandir(maildir) as entries:
        for entry in entries:
            is_folder = entry.name.startswith(b".") and entry.name != _TRASH
            if is_folder and len(folders) < FOLDERS_MAX and entry.is_dir(follow_symlinks=False):
                folders.append(maildir + entry.name + b"/")
    for folder in folders:
        for part in (b"new", b"cur"):
            try:
                entries = os.scandir(folder + part)
            except (FileNotFoundError, NotADirectoryError):
                continue
            with entries:
                for entry in entries:
                    if not entry.name.startswith(b"."):
                        held += _size(entry)
                        count += 1
    return held, count


def _size(entry: "os.DirEntry[bytes]") -> int:
    """Return a message's size: from `,S=` of its name, else by asking."""
    _, found, rest = entry.name.partition(b",S=")
    digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    if found and digits and len(digits) <= _DIGITS_MAX:
        return int(digits)
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # read or moved meanwhile
