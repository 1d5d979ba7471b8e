"""Which domains are kept in a data base: the file `.accountsdb` in the domain's directory.

    root /var/lib/glassmail
    domain example.com

It stands where vpasswd would: a delivery, which knows only the domain's directory, learns from it
whom to ask. `root` is the site whose control/accountsdb names the data base. While a vpasswd is
there too, that one counts: so each moment of a conversion has one answer.
"""

import os
from typing import NamedTuple

from glassmail.core.model.system_errors import words_of
from glassmail.store import edit

NAME = ".accountsdb"
_FILE_BYTES_MAX = 4_096


class Marker(NamedTuple):
    """What the file says."""

    root: str
    domain: bytes


class MarkerError(Exception):
    """The file cannot be read; the text says which and why."""


def read(directory: bytes) -> Marker | None:
    """Read the file of a domain's directory; None when there is none. Raises MarkerError."""
    path = os.path.join(os.fsdecode(directory), NAME)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarkerError(f"{words_of(error)}: {path}") from error
    try:
        data = os.read(descriptor, _FILE_BYTES_MAX)
    except OSError as error:
        raise MarkerError(f"{words_of(error)}: {path}") from error
    finally:
        os.close(descriptor)
    words = dict(line.split(b" ", 1) for line in data.split(b"\n") if b" " in line)
    root, domain = words.get(b"root", b""), words.get(b"domain", b"")
    if not root.startswith(b"/") or not domain:
        raise MarkerError(f"{path}: it must say `root /DIRECTORY` and `domain NAME`")
    return Marker(os.fsdecode(root), domain)


def write(directory: str, marker: Marker, owner: tuple[int, int]) -> None:
    """Write the file; raises EditError."""
    text = b"root " + os.fsencode(marker.root) + b"\ndomain " + marker.domain + b"\n"
    edit.replace(os.path.join(directory, NAME), text, 0o600, owner)


def remove(directory: str) -> None:
    """Remove the file, when it is there; raises EditError."""
    path = os.path.join(directory, NAME)
    try:
        os.unlink(path)
        edit.sync_directory(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise edit.EditError(f"{path}: {words_of(error)}: run this as its owner") from error
