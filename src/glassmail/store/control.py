"""The control directory: read files, notice changes, keep the last good value.

Purpose:
    `read_all` reads every declared file at start and refuses a broken one. `Controls` serves a
    running process: `snapshot()` looks for changed files at most once a second and returns an
    immutable view that a session or delivery keeps.

Always:
    - While running, an unreadable or malformed file keeps its last good value, and the problem
      is told once per change. A vanished file means its default, except rcpthosts, whose last
      good value stays (without it every domain would be accepted).
    - A problem's text names file, line where there is one, and remedy.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable

from glassmail.core.formats import control
from glassmail.core.formats.control import Table
from glassmail.core.model.limits import CONTROL_FILE_BYTES_MAX
from glassmail.core.model.system_errors import words_of
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.registry import Kind, Setting

CHECK_INTERVAL_S = 1.0


class LazyTable:
    """A list or map file, parsed when somebody asks: most processes need few of them."""

    __slots__ = ("_data", "_is_map", "_name", "_table")

    def __init__(self, name: str, data: bytes, *, is_map: bool) -> None:
        self._name = name
        self._data = data
        self._is_map = is_map
        self._table: Table | None = None

    def table(self) -> Table:
        """Return the table, the same one each time."""
        if self._table is None:
            parse = control.parse_map if self._is_map else control.parse_list
            self._table = parse(self._name, self._data)
            self._data = b""
        return self._table


Value = bytes | int | Table | LazyTable | None
_Stamp = tuple[int, int, int] | None


class ControlError(Exception):
    """A control file cannot be used; the text names file, line and remedy."""


class Snapshot:
    """All settings at one moment. Ask by the name that the registry declares."""

    __slots__ = ("_is_set", "_values")

    def __init__(self, values: dict[str, Value], is_set: frozenset[str]) -> None:
        self._values = values
        self._is_set = is_set

    def line(self, name: str) -> bytes:
        """A LINE or RAW setting; empty when it has neither value nor default."""
        value = self._values[name]
        return value if isinstance(value, bytes) else b""

    def integer(self, name: str) -> int:
        """An INT setting."""
        value = self._values[name]
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        """An INT setting that is used as yes or no."""
        return bool(self.integer(name))

    def table(self, name: str) -> Table:
        """A LIST or MAP setting."""
        value = self._values[name]
        if isinstance(value, LazyTable):
            return value.table()
        assert isinstance(value, Table)
        return value

    def is_set(self, name: str) -> bool:
        """Tell whether the file is there (not its default)."""
        return name in self._is_set


class Controls:
    """The control directory of a running process."""

    def __init__(self, directory: str, tell: Callable[[str], None] | None = None) -> None:
        """Read everything; raises ControlError when a file cannot be used.

        Args:
            directory: ROOT/control.
            tell: called with the text of each problem found later.
        """
        self._directory = directory
        self._tell = tell or (lambda _text: None)
        self._reader = ""
        self._stamps: dict[str, _Stamp] = {}
        self._data: dict[str, bytes | None] = {}
        self._checked_at = 0.0
        for name in SETTINGS:
            self._stamps[name] = _stamp(self._path(name))
            self._data[name] = read_file(self._path(name))
        self._parsed = _parse_all(self._data)
        self._snapshot = _build(self._data, self._parsed)

    def tell_problems(self, tell: Callable[[str], None], reader: str = "") -> None:
        """Set who is told the text of each problem found from now on.

        Args:
            tell: called with the text.
            reader: one of Setting.readers; then only files that it reads are told, so that one
                fault makes one alert.
        """
        self._tell = tell
        self._reader = reader

    def snapshot(self) -> Snapshot:
        """Return the settings of now; files are looked at once a second at most."""
        if time.monotonic() - self._checked_at >= CHECK_INTERVAL_S:
            return self.look()
        return self._snapshot

    def look(self) -> Snapshot:
        """Return the settings of now; the files are looked at, for who asks seldom enough."""
        self._checked_at = time.monotonic()
        self.refresh()
        return self._snapshot

    def fingerprints(self, names: Iterable[str]) -> dict[str, str]:
        """Short hashes of the contents in use, by setting; `-` for a missing file."""
        return {name: fingerprint(self._data[name]) for name in names}

    def refresh(self) -> bool:
        """Look for changed files now; return whether anything changed."""
        changed = False
        for name in SETTINGS:
            stamp = _stamp(self._path(name))
            if stamp != self._stamps[name]:
                self._stamps[name] = stamp
                changed = self._reread(name) or changed
        if changed:
            self._snapshot = _build(self._data, self._parsed)
        return changed

    def _reread(self, name: str) -> bool:
        try:
            data = read_file(self._path(name))
            parsed = _parse(SETTINGS[name], data)
        except ControlError as error:
            self._problem(name, str(error))
            return False
        if data is None and name == "rcpthosts" and self._data[name] is not None:
            self._tell(
                "control/rcpthosts is gone; without it every domain would be accepted: "
                "put the file back, empty if no domain is meant"
            )
            return False
        self._data[name] = data
        self._parsed[name] = parsed
        return True

    def _problem(self, name: str, text: str) -> None:
        readers = SETTINGS[name].readers
        # `me` is everybody's; the queue tells of it.
        tellers = ("queue",) if readers == ("all",) else readers
        if not self._reader or self._reader in tellers:
            self._tell(text)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def read_file(path: str) -> bytes | None:
    """Read a control file; None when there is none; raises ControlError with path and reason."""
    try:
        with open(path, "rb") as file:
            data = file.read(CONTROL_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ControlError(
            f"{path}: {words_of(error)}: make it readable, or remove it for the default"
        ) from error
    if len(data) > CONTROL_FILE_BYTES_MAX:
        raise ControlError(f"{path}: larger than {CONTROL_FILE_BYTES_MAX} bytes: shorten it")
    return data


def fingerprint(data: bytes | None) -> str:
    """Hash a file's content shortly, to tell whether two processes saw the same."""
    return "-" if data is None else hashlib.blake2b(data, digest_size=8).hexdigest()


def take_snapshot(directory: str, names: Iterable[str] = SETTINGS) -> Snapshot:
    """Read the settings once, without watching; raises ControlError."""
    wanted = set(names) | {"me"}
    data = {n: read_file(os.path.join(directory, n)) if n in wanted else None for n in SETTINGS}
    return _build(data, _parse_all(data))


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parse_all(data: dict[str, bytes | None]) -> dict[str, Value]:
    return {name: _parse(SETTINGS[name], data[name]) for name in SETTINGS}


def _build(data: dict[str, bytes | None], parsed: dict[str, Value]) -> Snapshot:
    me_data = data["me"]
    me = control.parse_line(me_data) if me_data is not None else None
    values = {name: _value(SETTINGS[name], parsed[name], me) for name in SETTINGS}
    return Snapshot(values, frozenset(n for n, d in data.items() if d is not None))


def _value(setting: Setting, value: Value, me: bytes | None) -> Value:
    if value is not None:
        return value
    if setting.from_me and me is not None:
        if setting.kind is Kind.LIST:  # control_readfile with flagme: a list of one line, `me`
            return control.parse_list("control/me", me)
        return me
    if setting.kind in (Kind.LIST, Kind.MAP):
        return control.parse_list(f"control/{setting.name}", None)
    if setting.kind is Kind.INT and setting.default is None:
        return 0
    return setting.default


def _parse(setting: Setting, data: bytes | None) -> Value:
    """Parse a present file; None when it is missing or counts as not set."""
    name = f"control/{setting.name}"
    if data is None:
        return None
    if b"\0" in data and setting.kind is not Kind.RAW:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise ControlError(f"{name}:{line}: holds a NUL byte: write the line anew")
    if setting.kind in (Kind.LIST, Kind.MAP):
        lazy = LazyTable(name, data, is_map=setting.kind is Kind.MAP)
        if setting.is_patterns and data:
            _check_patterns(lazy.table())
        if setting.words:
            for word, entry in lazy.table().entries.items():
                _check_word(setting, word, entry.source)
        return lazy
    if setting.kind is Kind.INT:
        number = control.parse_int(data)
        if number is None and control.parse_line(data):
            shown = control.show(control.parse_line(data))
            raise ControlError(
                f"{name}:1: {shown} is not a number: write one, or remove the file for the default"
            )
        return None if number is None else min(max(number, setting.least), setting.most)
    if setting.kind is Kind.RAW:
        return data
    return _parse_words(setting, data) if setting.words else control.parse_line(data)


def _parse_words(setting: Setting, data: bytes) -> bytes:
    line = control.parse_line(data)
    for word in line.upper().split() if setting.is_many else (line,):
        _check_word(setting, word, f"control/{setting.name}:1: {control.show(word)}")
    return line


def _check_word(setting: Setting, word: bytes, where: str) -> None:
    if setting.words and word not in setting.words:
        known = ", ".join(each.decode("ascii") for each in setting.words)
        raise ControlError(f"{where}: no such word: write one of {known}, or remove the file")


def _check_patterns(table: Table) -> None:
    # Only a site with such lists loads RE2.
    from glassmail.core.formats.patterns import PatternError, compile_list

    try:
        compile_list(table)
    except PatternError as error:
        raise ControlError(str(error)) from error
