"""qbiff: tell the user's terminals of new mail; for a dot-qmail file (qbiff.1).

Every terminal that utmp says USER is logged in on, and that `biff y` has marked (its owner's x
bit), gets one line with recipient, sender and subject. It never fails a delivery.
"""

import os
import stat
import struct
from collections.abc import Iterator

from glassmail.core.formats.header_fields import HeaderSplitter, HeaderTooLongError, known_name

UTMP = "/var/run/utmp"
DEVICES = b"/dev/"
_RECORD = struct.Struct("<hxxi32s4s32s256shhiii16s20s")  # utmp(5), Linux, 64 bits
_USER_PROCESS = 7
_SHOWN_BYTES = 200


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, the exit code is 0."""
    del argv
    environment = os.environb
    user = environment.get(b"USER", b"")
    line = _line(environment.get(b"RECIPIENT", b""), environment.get(b"SENDER", b""), _subject())
    for terminal in terminals(user, UTMP, DEVICES):
        _tell(terminal, line)
    return 0


def terminals(user: bytes, utmp: str, devices: bytes) -> Iterator[bytes]:
    """Paths of the terminals that a user is logged in on."""
    try:
        with open(utmp, "rb") as file:
            data = file.read(_RECORD.size * 4_096)
    except OSError:
        return  # nobody counts logins here
    for start in range(0, len(data) - _RECORD.size + 1, _RECORD.size):
        record = _RECORD.unpack_from(data, start)
        name, line = record[4].rstrip(b"\0"), record[2].rstrip(b"\0")
        if record[0] == _USER_PROCESS and name == user and b".." not in line:
            yield devices + line


def _tell(path: bytes, line: bytes) -> None:
    try:
        terminal = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    except OSError:
        return  # logged out meanwhile, or not ours to write to
    try:
        status = os.fstat(terminal)
        if stat.S_ISCHR(status.st_mode) and status.st_mode & stat.S_IXUSR:
            os.write(terminal, line)
    except OSError:
        pass  # a terminal that takes nothing: mail matters more
    finally:
        os.close(terminal)


def _subject() -> bytes:
    splitter = HeaderSplitter()
    try:
        while not splitter.is_complete:
            data = os.read(0, 65_536)
            if data:
                splitter.feed(data)
            else:
                splitter.end_of_file()
    except HeaderTooLongError:
        return b""
    fields = (field for field in splitter.fields if known_name(field) == b"subject")
    return next(fields, b"").partition(b":")[2].strip()


def _line(recipient: bytes, sender: bytes, subject: bytes) -> bytes:
    text = b"*** TO <%b> FROM <%b> (%b)" % (recipient, sender, subject[:_SHOWN_BYTES])
    # Whoever writes to us must not be able to steer the terminal.
    safe = bytes(byte if 32 <= byte < 127 else 0x5F for byte in text)
    return b"\r\n" + safe + b"\7\r\n"
