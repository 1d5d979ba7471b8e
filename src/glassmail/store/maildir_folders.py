"""Maildirs that a process has open: descriptors of tmp/ and new/, kept for a short while.

Always:
    - tmp/ and new/ are opened without following links. The Maildir itself may be reached through
      a link, as its owner likes: we have no more rights than he.
    - At most FOLDERS_MAX are kept; a Maildir that was moved away and made anew is noticed at the
      next delivery.
    - For every filesystem there is a descriptor that is older than our writes there.
"""

import os
import stat as stat_module
import time

from glassmail.core.model.system_errors import is_temporary, words_of

FOLDERS_MAX = 128  # Maildirs kept open by a process, two descriptors each
FOLDER_CHECK_S = 1.0  # how long tmp/ and new/ of an unmoved Maildir are believed to be the same
NAMES_KEPT_MAX = 200_000  # of one cur/; a larger one is read anew for each repeated delivery

CANNOT_ENTER = b"Unable to chdir to maildir. (#4.2.1)\n"
CANNOT_READ = b"Unable to read message. (#4.3.0)\n"
TEMPORARY = b"Temporary error on maildir delivery. (#4.3.0)\n"

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MaildirError(Exception):
    """A message cannot be put there now. `text` is qmail's, `reason` says what happened."""

    def __init__(self, text: bytes, reason: str) -> None:
        super().__init__(reason)
        self.text = text
        self.reason = reason


class Folder:
    """An open Maildir.

    Attributes:
        path: where it is, ending in `/`.
        tmp, new: descriptors of its directories; that of new/ can be synced.
        device: number of the filesystem.
    """

    __slots__ = (
        "_checked_at", "_cur_names", "_cur_stamp", "_identity", "device", "is_dropped", "new",
        "path", "tmp", "users",
    )  # fmt: skip

    def __init__(self, path: bytes) -> None:
        """Open the Maildir; raises MaildirError."""
        self.path = path
        self.users = 0  # staged files that still need the descriptors
        self.is_dropped = False
        self._cur_names: set[bytes] = set()
        self._cur_stamp: tuple[int, int] | None = None
        self._checked_at = time.monotonic()
        try:
            root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            text = TEMPORARY if is_temporary(error) else CANNOT_ENTER
            raise MaildirError(text, words_of(error).lower()) from error
        try:
            self._identity = _identity(os.fstat(root))
            self.tmp = os.open(b"tmp", _OPEN_PLACE, dir_fd=root)
            try:
                self.new = os.open(b"new", _OPEN_DIRECTORY, dir_fd=root)
            except BaseException:
                os.close(self.tmp)
                raise
        except OSError as error:
            reason = f"{words_of(error).lower()}: {os.fsdecode(path)}"
            raise MaildirError(TEMPORARY, reason) from error
        finally:
            os.close(root)
        self.device = os.fstat(self.new).st_dev

    def is_current(self) -> bool:
        """Tell whether the path still leads here."""
        try:
            if _identity(os.stat(self.path)) != self._identity:
                return False
            now = time.monotonic()
            if now - self._checked_at >= FOLDER_CHECK_S:
                for name, descriptor in ((b"tmp", self.tmp), (b"new", self.new)):
                    there = os.stat(self.path + name, follow_symlinks=False)
                    if _identity(there) != _identity(os.fstat(descriptor)):
                        return False
                self._checked_at = now
        except OSError:
            return False
        return True

    def is_there(self, name: bytes) -> bool:
        """Tell whether an earlier attempt brought this name to new/ or cur/.

        new/ is asked first: a file only moves from there to cur/. In cur/ the name has a
        suffix of flags, so the directory is listed, and the list kept until cur/ changes.
        """
        try:
            os.stat(name, dir_fd=self.new, follow_symlinks=False)
        except FileNotFoundError:
            return name in self._names_in_cur()
        except OSError as error:
            raise MaildirError(TEMPORARY, words_of(error).lower()) from error
        return True

    def _names_in_cur(self) -> set[bytes]:
        cur = self.path + b"cur"
        try:
            status = os.stat(cur)
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._cur_stamp:
                return self._cur_names
            names = {entry.name.partition(b":")[0] for entry in os.scandir(cur)}
        except FileNotFoundError:
            return set()
        except OSError as error:  # unreadable: it may be there, so we cannot deliver
            raise MaildirError(TEMPORARY, words_of(error).lower()) from error
        is_kept = len(names) <= NAMES_KEPT_MAX
        self._cur_names, self._cur_stamp = (names, stamp) if is_kept else (set(), None)
        return names

    def release(self) -> None:
        """One staged file less."""
        self.users -= 1
        if self.is_dropped and not self.users:
            self.close()

    def drop(self) -> None:
        """Close as soon as nobody needs it any more."""
        self.is_dropped = True
        if not self.users:
            self.close()

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self.tmp)
        os.close(self.new)


class Folders:
    """The Maildirs that this process has open.

    Attributes:
        devices: for every filesystem seen, a descriptor on it that is older than all our writes
            there, so that a syncfs of it answers for them. Kept until `close`.
    """

    def __init__(self, most: int = FOLDERS_MAX) -> None:
        self.devices: dict[int, int] = {}
        self._folders: dict[bytes, Folder] = {}
        self._most = most
        self._looked_at: set[bytes] | None = None  # in the glance under way

    def open(self, path: bytes) -> Folder:
        """Return the Maildir at this path (ending in `/`); raises MaildirError."""
        looked_at = self._looked_at
        folder = self._folders.pop(path, None)
        is_known = looked_at is not None and path in looked_at
        if folder is not None and not is_known and not folder.is_current():
            folder.drop()
            folder = None
        if folder is None:
            folder = Folder(path)
            if folder.device not in self.devices:
                self.devices[folder.device] = os.dup(folder.new)
            if len(self._folders) >= self._most:
                self._folders.pop(next(iter(self._folders))).drop()
        self._folders[path] = folder  # at the end: the first is the one longest not used
        if looked_at is not None:
            looked_at.add(path)
        return folder

    def begin_glance(self) -> None:
        """From now on look once whether a path still leads where it did, not at each `open`."""
        self._looked_at = set()

    def end_glance(self) -> None:
        """Look at each `open` again."""
        self._looked_at = None

    def close(self) -> None:
        """Close all that nobody needs."""
        while self._folders:
            self._folders.popitem()[1].drop()
        while self.devices:
            os.close(self.devices.popitem()[1])


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, stat_module.S_IFMT(status.st_mode)
