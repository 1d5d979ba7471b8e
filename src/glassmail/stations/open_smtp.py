"""POP before SMTP: clients that fetched mail a moment ago may relay.

Two forms, told apart by what stands at the path of control/opensmtp:

    a file, vpopmail's open-smtp:  192.0.2.7:allow,RELAYCLIENT="",RBLSMTPD=""<TAB>1795187451
    a directory with one file for each address, whose time of change counts (relay-ctrl)

Always:
    - An entry's age is tested when a client connects: nothing needs rebuilding, and however many
      old entries there are, they open nothing.
    - The file is read again when it changed, once a second at most. What cannot be read opens
      nothing, and is told once.
    - A rule that denies a client is not overruled, and one that lets it relay stays as it is.
"""

import os
import stat
from collections.abc import Callable

from glassmail.core.formats.client_keys import unmapped
from glassmail.core.model.system_errors import words_of
from glassmail.core.policy.facts import RELAYCLIENT
from glassmail.core.route.tcp_rules import RuleMatch

FILE_BYTES_MAX = 16_777_216
_MADE_MAX = 4_096
_OPENED = ((RELAYCLIENT, b""), (b"RBLSMTPD", b""))


class OpenSmtp:
    """The entries of one path."""

    def __init__(self, clock: Callable[[], float], tell: Callable[[str], None]) -> None:
        """Begin without having looked.

        Args:
            clock: seconds that never go back.
            tell: takes the text of a problem.
        """
        self._clock = clock
        self.tell = tell
        self._path = ""
        self._looked_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[bytes, int] = {}
        self._problem = ""
        self._made: dict[bytes, tuple[RuleMatch, int, RuleMatch]] = {}

    def opened(
        self, rule: RuleMatch, ip: bytes, path: str, seconds: int, now: int
    ) -> RuleMatch:
        """Return the client's rule, with RELAYCLIENT when it has a fresh entry.

        Args:
            rule: what tcp.smtp says.
            ip: the client.
            path: the file or directory.
            seconds: how long an entry counts.
            now: seconds since 1970.
        """
        if not rule.allow or any(name == RELAYCLIENT for name, _value in rule.environment):
            return rule
        ip = unmapped(ip)
        since = self._since(ip, path)
        if since is None or not -seconds < now - since < seconds:
            return rule
        made = self._made.get(ip)
        if made is not None and made[0] is rule and made[1] == since:
            return made[2]
        source = f"{path}: fetched mail at {since} (POP before SMTP); {rule.source}"
        opened = rule._replace(environment=(*rule.environment, *_OPENED), source=source)
        if len(self._made) >= _MADE_MAX:
            self._made.clear()
        self._made[ip] = (rule, since, opened)
        return opened

    def _since(self, ip: bytes, path: str) -> int | None:
        if path != self._path or self._clock() - self._looked_at >= 1.0:
            self._look(path)
        if self._stamp is not None and stat.S_ISDIR(self._stamp[0]):
            if b"/" in ip or not ip.strip(b"."):
                return None
            try:
                return int(os.stat(os.path.join(os.fsencode(path), ip)).st_mtime)
            except OSError:
                return None  # no entry, or none that we may see: it opens nothing
        return self._entries.get(ip)

    def _look(self, path: str) -> None:
        self._path, self._looked_at = path, self._clock()
        try:
            status = os.stat(path)
            stamp = (status.st_mode, status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                if not stat.S_ISDIR(status.st_mode):
                    self._entries = _read(path)
                self._stamp = stamp
            self._problem = ""
        except OSError as error:
            self._stamp, self._entries = None, {}
            problem = f"control/opensmtp: {path}: {words_of(error)}: it opens nothing"
            if problem != self._problem and not isinstance(error, FileNotFoundError):
                self.tell(problem)
            self._problem = problem


def _read(path: str) -> dict[bytes, int]:
    with open(path, "rb") as file:
        data = file.read(FILE_BYTES_MAX)
    entries: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        rule, _tab, since = line.rpartition(b"\t")
        ip = rule.partition(b":allow,")[0]
        if rule and ip != rule and since.isdigit() and len(since) < 12 and b"RELAYCLIENT=" in rule:
            key = unmapped(ip)
            entries[key] = max(int(since), entries.get(key, 0))
    return entries

