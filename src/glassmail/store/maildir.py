"""Files in Maildirs: written to tmp/, moved to new/ only once their data is durable.

Purpose:
    `stage` writes a message into tmp/. The caller makes staged files durable (a syncfs of the
    filesystem, or `commit` with its own fsyncs), moves them into new/ (`publish`), and makes the
    moves durable. Only then may anybody report success.

Always:
    - A name in new/ or cur/ proves that the data of that file is durable, since `publish` comes
      after the sync. The name is made from the message's number and trace code and the
      recipient's number, so a repeated delivery finds it (`is_there`) and writes nothing, and
      a queue whose numbers began anew takes no name that is there. The name in tmp/ is new for
      every attempt: two attempts never share a file.
    - Files are made with O_EXCL and O_NOFOLLOW, relative to open directories: no link
      is followed.

Texts are qmail-local's (qmail-local.c maildir, maildir_child).
"""

import os
import time
from collections.abc import Sequence

from glassmail.core.model.system_errors import words_of
from glassmail.store.letter import Letter, LetterError, write_all
from glassmail.store.maildir_folders import (
    CANNOT_ENTER,
    CANNOT_READ,
    TEMPORARY,
    Folder,
    Folders,
    MaildirError,
)
from glassmail.store.sync import fsync_each

__all__ = [
    "CANNOT_ENTER",
    "CANNOT_READ",
    "TEMPORARY",
    "Folder",
    "Folders",
    "MaildirError",
    "Staged",
    "already",
    "commit",
    "final_name",
    "make",
    "make_mailbox",
    "publish",
    "stage",
]

OPEN_FILES_MAX = 1_024  # staged files kept open for an fsync; further ones are synced at once

_DIRECTORIES = (b"tmp", b"new", b"cur")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Staged:
    """A file on its way into a Maildir.

    Attributes:
        folder: the Maildir.
        tmp_name: its name in tmp/; empty when an earlier attempt already brought it to new/.
        name: its name in new/.
        descriptor: open while an fsync may still be asked for, else -1.
    """

    __slots__ = ("descriptor", "folder", "name", "tmp_name")

    def __init__(self, folder: Folder, tmp_name: bytes, name: bytes, descriptor: int) -> None:
        self.folder = folder
        self.tmp_name = tmp_name
        self.name = name
        self.descriptor = descriptor
        folder.users += 1

    @property
    def path(self) -> bytes:
        """Where the file will be found."""
        return self.folder.path + b"new/" + self.name

    def close(self) -> None:
        """Close what is open; the file stays where it is."""
        if self.descriptor >= 0:
            _open_files.discard(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1
        self.folder.release()

    def discard(self) -> None:
        """Remove the file from tmp/ again; used when it cannot be published."""
        if self.tmp_name:
            try:
                os.unlink(self.tmp_name, dir_fd=self.folder.tmp)
            except OSError:
                pass  # what stays in tmp/ is removed by readers after 36 hours (maildir.5)


_open_files: set[int] = set()
_counter = 0


def stage(folder: Folder, name: bytes, top: bytes, letter: Letter) -> Staged:
    """Write `top` and the message into tmp/; raises MaildirError, leaving nothing behind.

    The data is not durable yet, unless more than OPEN_FILES_MAX files are open: then this one
    is synced here and not kept open.
    """
    global _counter  # noqa: PLW0603 (names in tmp/ must differ within the process)
    _counter += 1
    tmp_name = b"%d.P%dQ%d" % (time.time(), os.getpid(), _counter)
    try:
        descriptor = os.open(tmp_name, _CREATE, 0o600, dir_fd=folder.tmp)
    except OSError as error:
        reason = f"{words_of(error).lower()}: {os.fsdecode(folder.path)}tmp"
        raise MaildirError(TEMPORARY, reason) from error
    staged = Staged(folder, tmp_name, name, descriptor)
    try:
        _write(descriptor, top, letter)
        if len(_open_files) >= OPEN_FILES_MAX:
            os.fsync(descriptor)
            os.close(descriptor)
            staged.descriptor = -1
        else:
            _open_files.add(descriptor)
    except (OSError, LetterError) as error:
        staged.discard()
        staged.close()
        text = CANNOT_READ if isinstance(error, LetterError) else TEMPORARY
        reason = f"{words_of(error).lower()}: {os.fsdecode(folder.path)}tmp"
        raise MaildirError(text, reason) from error
    return staged


def already(folder: Folder, name: bytes) -> Staged:
    """Stand for a file that an earlier attempt published; its move may not be durable yet."""
    return Staged(folder, b"", name, -1)


def publish(staged: Staged) -> None:
    """Move a file whose data is durable to new/; raises MaildirError.

    The move itself is durable only after the next sync of the filesystem or of new/.
    """
    if not staged.tmp_name:
        return
    folder = staged.folder
    try:
        os.rename(staged.tmp_name, staged.name, src_dir_fd=folder.tmp, dst_dir_fd=folder.new)
    except OSError as error:
        staged.discard()
        reason = f"{words_of(error).lower()}: {os.fsdecode(staged.path)}"
        raise MaildirError(TEMPORARY, reason) from error


def commit(files: Sequence[Staged]) -> list[MaildirError | None]:
    """Take staged files all the way by fsyncs: data, move, directory; an error or None for each.

    A file whose data cannot be synced is never moved. The files stay open for their owner.
    """
    # 1. The data. A descriptor of -1 belongs to a file that was synced when it was written, or
    #    published by an earlier attempt.
    syncing = [staged for staged in files if staged.descriptor >= 0]
    failed = {
        id(staged): error
        for staged, error in zip(
            syncing, fsync_each([staged.descriptor for staged in syncing]), strict=True
        )
        if error is not None
    }
    # 2. The moves, of files whose data is durable.
    results: list[MaildirError | None] = []
    touched: dict[int, OSError | None] = {}
    for staged in files:
        error = failed.get(id(staged))
        if error is not None:
            staged.discard()
            where = os.fsdecode(staged.path)
            results.append(MaildirError(TEMPORARY, f"{words_of(error).lower()}: {where}"))
            continue
        try:
            publish(staged)
        except MaildirError as trouble:
            results.append(trouble)
            continue
        touched[staged.folder.new] = None
        results.append(None)
    # 3. The directories, each once. Only after this may success be reported.
    directories = list(touched)
    touched = dict(zip(directories, fsync_each(directories), strict=True))
    # 4. A file system that has died meanwhile: xfs answers the fsync of a directory with success
    #    after it has shut down, but opens no file any more.
    moved = {s.folder.new: s for s, error in zip(files, results, strict=True) if error is None}
    for directory, staged in moved.items():
        touched[directory] = touched[directory] or _cannot_open(staged)
    for index, staged in enumerate(files):
        error = touched.get(staged.folder.new)
        if error is not None and results[index] is None:
            where = os.fsdecode(staged.folder.path)
            results[index] = MaildirError(TEMPORARY, f"{words_of(error).lower()}: {where}")
    return results


def _cannot_open(staged: Staged) -> OSError | None:
    """Say why a file that was moved to new/ cannot be opened; a reader may have taken it away."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(staged.name, flags, dir_fd=staged.folder.new))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return None


def final_name(stem: bytes, host: bytes, size: int, wire_size: int) -> bytes:
    """Make a file's name: stem, host (maildir.5: `/` and `:` written in octal), sizes."""
    safe = host.replace(b"/", b"\\057").replace(b":", b"\\072")
    return b"%s.%s,S=%d,W=%d" % (stem, safe, size, wire_size)


def make(path: bytes) -> None:
    """Make a Maildir with its three directories (0700); raises OSError."""
    os.mkdir(path, 0o700)
    for name in _DIRECTORIES:
        os.mkdir(os.path.join(path, name), 0o700)


def make_mailbox(directory: bytes) -> None:
    """Make a mailbox's directory (0700) with its Maildir, durably; raises OSError.

    What is there already stays.
    """
    maildir = os.path.join(directory, b"Maildir")
    made = [directory, maildir, *(os.path.join(maildir, name) for name in _DIRECTORIES)]
    for path in made:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue
    for path in (maildir, directory, os.path.dirname(directory.rstrip(b"/"))):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(descriptor: int, top: bytes, letter: Letter) -> None:
    if letter.body is None:
        write_all(descriptor, top)
        for piece in letter.pieces():
            write_all(descriptor, piece)
        return
    written = os.writev(descriptor, (top, letter.head, letter.body))
    if written != len(top) + letter.size:  # a full disk writes a part, then reports at the next
        write_all(descriptor, (top + letter.head + letter.body)[written:])
