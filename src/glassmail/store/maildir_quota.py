"""Maildir++ quotas: is there room for one more message, and the sums that answer it quickly.

`maildirsize` in the Maildir holds the quota's text, then a line `BYTES COUNT` for each change
(maildirquota.c). It is counted anew when it is missing, larger than SUMS_BYTES_MAX, names another
quota, or says "full" and is older than RECOUNT_S. Trash is not counted.

Readers and writers of other programs (POP3, IMAP, vpopmail) keep the same file; a line appended
with O_APPEND is never torn. Sums may be wrong for a while, as theirs are; a recount mends them.
"""

import os
import time

from glassmail.core.formats import quota
from glassmail.core.formats.quota import Quota

SUMS_NAME = b"maildirsize"
SUMS_BYTES_MAX = 5_120  # maildirquota.c: a longer file is counted anew
RECOUNT_S = 900  # how old sums that say "full" may be
FOLDERS_MAX = 10_000  # subfolders looked at in one count
_TRASH = b".Trash"


def has_room(maildir: bytes, limit: Quota, size: int) -> bool:
    """Tell whether a message of `size` bytes fits; raises OSError when that cannot be told."""
    sums = _read_sums(maildir, limit)
    if sums is not None:
        if _fits(sums[0], sums[1], limit, size):
            return True
        if time.time() - sums[2] < RECOUNT_S:
            return False
    held, count = _count(maildir)
    _write_sums(maildir, limit, held, count)
    return _fits(held, count, limit, size)


def add(maildir: bytes, limit: Quota, size: int) -> None:
    """Note one more message; raises OSError."""
    line = b"%d 1\n" % size
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(maildir + SUMS_NAME, flags)
    except FileNotFoundError:
        held, count = _count(maildir)
        _write_sums(maildir, limit, held + size, count + 1)
        return
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _fits(held: int, count: int, limit: Quota, size: int) -> bool:
    if limit.bytes_most and held + size > limit.bytes_most:
        return False
    return not limit.messages_most or count + 1 <= limit.messages_most


def _read_sums(maildir: bytes, limit: Quota) -> tuple[int, int, float] | None:
    """Return (bytes, messages, time of the last change); None when they must be counted."""
    try:
        descriptor = os.open(
            maildir + SUMS_NAME, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        )
    except FileNotFoundError:
        return None
    try:
        data = os.read(descriptor, SUMS_BYTES_MAX + 1)
        changed = os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
    first, _, rest = data.partition(b"\n")
    try:
        is_same = quota.parse(first.strip()) == limit
    except quota.QuotaError:
        is_same = False
    if len(data) > SUMS_BYTES_MAX or not is_same:
        return None
    held = count = 0
    for line in rest.split(b"\n"):
        words = line.split()
        if len(words) != 2:
            continue
        for word in words:
            if word.removeprefix(b"-").strip(b"0123456789") or word in (b"", b"-"):
                return None
        held += int(words[0])
        count += int(words[1])
    return held, count, changed


def _write_sums(maildir: bytes, limit: Quota, held: int, count: int) -> None:
    temporary = maildir + b"tmp/maildirsize.%d" % os.getpid()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        os.write(descriptor, b"%b\n%d %d\n" % (quota.render(limit), held, count))
    finally:
        os.close(descriptor)
    os.rename(temporary, maildir + SUMS_NAME)


def _count(maildir: bytes) -> tuple[int, int]:
    """Add up the messages of the Maildir and its folders, without Trash."""
    held = count = 0
    folders = [maildir]
    for entry in os.scandir(maildir):
        is_folder = entry.name.startswith(b".") and entry.name not in (b".", b"..", _TRASH)
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
    if found and digits:
        return int(digits)
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # read or moved meanwhile
