"""qmail-showctl: tell what the control files say, in qmail's sentences (qmail-showctl.txt).

May touch:
    Reads ROOT/control, ROOT/users/daemons and the system's accounts.

Hides passwords in lines of smtproutes, tcp.smtp and accountsdb: people pass this list on.

Differs from qmail where its sentence would be untrue here: the concurrency limit, which is what
control/concurrencylocal is cut to, the default of concurrencylocal, and a missing rcpthosts.
Files that nothing reads come last, sorted by name.
"""

import grp
import os
import pwd
from collections.abc import Iterator

from glassmail.core.formats import daemons
from glassmail.core.formats.control import lines_of, parse_int, parse_line
from glassmail.core.model.redaction import safe_setting
from glassmail.core.model.system_errors import words_of
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.place import Place, find_root
from glassmail.settings.registry import Kind
from glassmail.settings.showctl import (
    BUILT,
    KEYS,
    LOCK,
    LOCK_SENTENCE,
    OWN,
    QMAIL,
    Sentence,
)
from glassmail.settings.variables import VARIABLES
from glassmail.store.control import ControlError, read_file

_TROUBLE = b"Oops! Trouble reading this file.\n"
_PATERNALISM = 0o002  # conf-patrn: a home or dot-qmail file with this bit is not trusted
_SPLIT = 23  # conf-split; kept for programs that read this list, the queue here is a database

# qmail's account -> our role, in the order of `user ids` and `group ids`.
_USERS = (("alias", "alias"), ("qmaild", "smtpd"), ("qmaill", "log"), ("root", ""),
          ("qmailp", "keeper"), ("qmailq", "queue"), ("qmailr", "remote"),
          ("qmails", "queue"))  # fmt: skip
_GROUPS = (("nofiles", "smtpd"), ("qmail", "queue"))


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    try:
        for text in tell(place):
            os.write(1, text)
    except ControlError as error:
        os.write(1, f"Oops! {error}\n".encode("utf-8", "surrogateescape"))
        return 111
    except BrokenPipeError:
        return 111
    return 0


def tell(place: Place) -> Iterator[bytes]:
    """Produce the whole text, piece by piece; raises ControlError when nothing can be told."""
    yield from _constants(place)
    try:
        present = sorted(os.listdir(place.control))
    except OSError as error:
        raise ControlError(f"Unable to read {place.control}: {words_of(error)}.") from error
    files = _Files(place)
    told = set(BUILT)
    for sentence in (*QMAIL, *OWN):
        told.add(sentence.name)
        yield b"\n%b: " % sentence.name.encode("ascii")
        yield files.tell(sentence)
    for name in present:
        if name in KEYS:
            yield b"\n%b: %b\n" % (os.fsencode(name), KEYS[name].encode("ascii"))
        elif name.removesuffix(LOCK) in told and name.endswith(LOCK):
            text = LOCK_SENTENCE.format(name=name.removesuffix(LOCK))
            yield b"\n%b: %b\n" % (os.fsencode(name), text.encode("ascii"))
        elif name not in told:
            yield b"\n%b: I have no idea what this file does.\n" % os.fsencode(name)


def _constants(place: Place) -> Iterator[bytes]:
    table = _roles(place)
    owner = os.stat(place.root) if os.path.isdir(place.root) else os.stat("/")
    users = [_user(name, role, table, owner.st_uid) for name, role in _USERS]
    groups = [_group(name, role, table, owner.st_gid) for name, role in _GROUPS]
    delimiter = read_file(os.path.join(place.control, "breakcharacter"))
    yield b"qmail home directory: %b.\n" % os.fsencode(place.root)
    yield b"user-ext delimiter: %b.\n" % (b"-" if delimiter is None else parse_line(delimiter))
    yield b"paternalism (in decimal): %d.\n" % _PATERNALISM
    yield b"silent concurrency limit: %d.\n" % SETTINGS["concurrencylocal"].most
    yield b"subdirectory split: %d.\n" % _SPLIT
    yield b"user ids: %b.\n" % b", ".join(b"%d" % uid for uid in users)
    yield b"group ids: %b.\n" % b", ".join(b"%d" % gid for gid in groups)


def _roles(place: Place) -> dict[str, tuple[int, int]]:
    data = read_file(place.daemons)
    try:
        return daemons.parse(data or b"")
    except daemons.DaemonsError as error:
        raise ControlError(str(error)) from error


def _user(name: str, role: str, table: dict[str, tuple[int, int]], owner: int) -> int:
    """Return who a role runs as: users/daemons, else qmail's account, else the site's owner."""
    if role in table:
        return table[role][0]
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return owner


def _group(name: str, role: str, table: dict[str, tuple[int, int]], owner: int) -> int:
    if role in table:
        return table[role][1]
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return owner


class _Files:
    """The control directory, told file by file."""

    def __init__(self, place: Place) -> None:
        self._directory = place.control
        try:
            me = read_file(self._path("me"))
        except ControlError:
            raise ControlError("Trouble reading control/me.") from None
        self._me = None if me is None else parse_line(me)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def tell(self, sentence: Sentence) -> bytes:
        """Tell one file."""
        if sentence.name in BUILT:
            return self._built(sentence.name)
        try:
            data = read_file(self._path(sentence.name))
            if sentence.name == "rcpthosts" and data is None and not self._is_open_relay():
                return b"(Default.) Oops! Without rcpthosts SMTP does not start; see openrelay.\n"
        except ControlError:
            return _TROUBLE
        setting = SETTINGS.get(sentence.name)
        if setting is None or setting.kind in {Kind.LIST, Kind.MAP, Kind.RAW}:
            return self._list(sentence, data)
        if setting.kind is Kind.INT:
            return self._number(sentence, data)
        return self._line(sentence, data)

    def _is_open_relay(self) -> bool:
        data = read_file(self._path("openrelay"))
        return data is not None and bool(parse_int(data))

    def _list(self, sentence: Sentence, data: bytes | None) -> bytes:
        before, after = sentence.before, sentence.after
        missing = sentence.missing
        if sentence.name == "morercpthosts" and not os.path.exists(self._path("rcpthosts")):
            before, missing = _WITHOUT_RCPTHOSTS
        if data is None:
            return b"(Default.) %b\n" % missing.encode("ascii")
        name = sentence.name
        lines = [_safe(safe_setting(name, line)) for _number, line in lines_of(data)]
        pre, post = before.encode("ascii"), after.encode("ascii")
        told = b"".join(b"%b%b%b\n" % (pre, line, post) for line in lines)
        return b"\n" + told + (_variables(lines) if sentence.name == "tcp.smtp" else b"")

    def _number(self, sentence: Sentence, data: bytes | None) -> bytes:
        setting = SETTINGS[sentence.name]
        number = None if data is None else parse_int(data)
        default = b"(Default.) " if number is None else b""
        if number is None:
            number = setting.default if isinstance(setting.default, int) else 0
        value = b"%d" % min(max(number, setting.least), setting.most)
        return default + _sentence(sentence, value)

    def _line(self, sentence: Sentence, data: bytes | None) -> bytes:
        if data is not None:
            return _sentence(sentence, _safe(safe_setting(sentence.name, parse_line(data))))
        if sentence.missing:
            return b"(Default.) %b\n" % sentence.missing.encode("ascii")
        setting = SETTINGS[sentence.name]
        if setting.from_me and self._me is not None:
            value = self._me
        elif sentence.name == "me":
            value = b"undefined! Uh-oh"
        elif isinstance(setting.default, bytes):
            value = setting.default
        else:
            value = sentence.name.encode("ascii")  # as qmail-showctl.c does for helohost and others
        return b"(Default.) " + _sentence(sentence, _safe(value))

    def _built(self, name: str) -> bytes:
        source, built = self._path(name.removesuffix(".cdb")), self._path(name)
        if not os.path.exists(source):
            if not os.path.exists(built):
                return b"(Default.) No effect.\n"
            return b"Oops! %b exists but %b doesn't.\n" % _names(built, source)
        if not os.path.exists(built):
            return b"Oops! %b exists but %b doesn't.\n" % _names(source, built)
        if int(os.stat(source).st_mtime) > int(os.stat(built).st_mtime):  # whole seconds, as qmail
            return b"Oops! %b is older than %b.\n" % _names(built, source)
        return b"Modified recently enough; hopefully up to date.\n"


def _variables(lines: list[bytes]) -> bytes:
    """Tell what the variables of these rules mean."""
    told = [
        b"Variable %b: %b\n" % (name.encode("ascii"), each.about.encode("ascii"))
        for name, each in VARIABLES.items()
        if any(b",%b=" % name.encode("ascii") in line for line in lines)
    ]
    return b"".join(told)


_WITHOUT_RCPTHOSTS = (
    "No rcpthosts; doesn't matter that morercpthosts has ",
    "No rcpthosts; morercpthosts is irrelevant.",
)


def _names(first: str, second: str) -> tuple[bytes, bytes]:
    return os.fsencode(os.path.basename(first)), os.fsencode(os.path.basename(second))


def _sentence(sentence: Sentence, value: bytes) -> bytes:
    return b"%b%b%b.\n" % (sentence.before.encode("ascii"), value, sentence.after.encode("ascii"))


def _safe(text: bytes) -> bytes:
    return text.translate(_SAFE)


_SAFE = bytes(byte if 32 <= byte <= 126 else 0x3F for byte in range(256))
