"""The rules for clients of a running server: control/tcp.smtp, or its cdb when that is newer.

Always:
    - The files are looked at once a second at most. A file that cannot be used keeps the last
      good rules, and the problem is told once; at the start it is an error.
    - No file at all lets every client in and sets nothing, as tcpserver without -x does.
    - Matches are remembered per client, up to CACHED_MATCHES_MAX of them.
"""

import os
from collections.abc import Callable

from glassmail.core.formats import cdb, tcp_rules
from glassmail.core.formats.cdb import CdbError
from glassmail.core.formats.tcp_rules import TcpRules, TcpRulesError
from glassmail.core.policy import open_relay
from glassmail.core.policy.facts import Client
from glassmail.core.route.tcp_rules import RuleMatch, match
from glassmail.stations.limits import CACHED_MATCHES_MAX
from glassmail.stations.open_smtp import OpenSmtp
from glassmail.stations.session_settings import SessionSettings
from glassmail.store.control import ControlError, read_file

CHECK_INTERVAL_S = 1.0
NAME = "control/tcp.smtp"

_COUNTING = frozenset((b"MAXCONNIP", b"MAXCONNC"))
_Stamp = tuple[int, int, int] | None


class ClientRules:
    """Finds the rule for a client.

    Attributes:
        counts_connections: whether a rule limits connections (MAXCONNIP, MAXCONNC).
        needs_names: whether a rule is for clients with a name in DNS.
        needs_info: whether a rule is for clients with a user (TCPREMOTEINFO).
        on_change: called when changed rules count.
    """

    def __init__(
        self, path: str, clock: Callable[[], float], *, is_guarded: bool = False
    ) -> None:
        """Read the rules; raises ControlError when they cannot be used.

        Args:
            path: of the text file; `.cdb` is added for the other one.
            clock: seconds that never go back.
            is_guarded: whether rules that let everybody relay count as broken.
        """
        self._is_guarded = is_guarded
        self.counts_connections = self.needs_names = self.needs_info = False
        self._path = path
        self._clock = clock
        self._tell: Callable[[str], None] = lambda _text: None
        self.on_change: Callable[[], None] = lambda: None
        self._stamps = _stamps(path)
        self._rules = self._read(self._stamps)
        self._looked_at = clock()
        self._matches: dict[tuple[bytes, bytes | None, bytes | None], RuleMatch] = {}
        self._openings = OpenSmtp(clock, self._problem)

    def tell_problems(self, tell: Callable[[str], None]) -> None:
        """Set who is told the text of each problem found from now on."""
        self._tell = tell

    def match(self, ip: bytes, host: bytes | None, info: bytes | None) -> RuleMatch:
        """Return what is done with a client."""
        if self._clock() - self._looked_at >= CHECK_INTERVAL_S:
            self.refresh()
        key = (ip, host, info)
        found = self._matches.get(key)
        if found is None:
            if len(self._matches) >= CACHED_MATCHES_MAX:
                self._matches.clear()
            found = self._matches[key] = match(self._rules, ip, host, info)
        return found

    def with_opening(
        self, rule: RuleMatch, ip: bytes, settings: SessionSettings, now: int
    ) -> RuleMatch:
        """Let a client relay that has fetched mail lately (control/opensmtp)."""
        path = os.fsdecode(settings.open_smtp)
        return self._openings.opened(rule, ip, path, settings.open_smtp_s, now)

    def _read(self, stamps: tuple[_Stamp, _Stamp]) -> TcpRules:
        rules = _read(self._path, stamps)
        problem = open_relay.problem(rules) if self._is_guarded else ""
        if problem:
            raise ControlError(problem)
        self.counts_connections = any(
            name in _COUNTING for rule in rules.rules.values() for name, _value in rule.environment
        )
        self.needs_names = any(key.startswith(b"=") or b"@=" in key for key in rules.rules)
        self.needs_info = any(b"@" in key for key in rules.rules)
        return rules

    def _problem(self, text: str) -> None:
        self._tell(text)

    def refresh(self) -> None:
        """Look for a changed file now."""
        self._looked_at = self._clock()
        stamps = _stamps(self._path)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._rules = self._read(stamps)
        except ControlError as error:
            self._tell(str(error))
            return
        self._matches.clear()
        self.on_change()


def read_rules(path: str) -> TcpRules:
    """Read the rules that count now; raises ControlError when they cannot be used."""
    return _read(path, _stamps(path))


def _stamps(path: str) -> tuple[_Stamp, _Stamp]:
    return _stamp(path), _stamp(path + ".cdb")


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: str, stamps: tuple[_Stamp, _Stamp]) -> TcpRules:
    text, built = stamps
    is_cdb = built is not None and (text is None or built[0] > text[0])
    name = NAME + ".cdb" if is_cdb else NAME
    data = read_file(path + ".cdb" if is_cdb else path)
    try:
        if data is not None and is_cdb:
            return tcp_rules.from_records(cdb.records(data), name)
        return tcp_rules.parse(data or b"", name if data is not None else f"{NAME} (no such file)")
    except TcpRulesError as error:
        raise ControlError(
            f'{error}: write `address:allow` or `address:deny`, then `,VARIABLE="value"`'
        ) from error
    except CdbError as error:
        raise ControlError(f"{name}: {error}: build it anew with tcprules") from error


def meet(
    rules: ClientRules, client: Client, settings: SessionSettings, now_ns: Callable[[], int]
) -> tuple[RuleMatch, Client]:
    """Find the rule for a client, and who it is by the rule's variables."""
    rule = rules.match(client.ip, client.host, client.info)
    if settings.open_smtp:
        rule = rules.with_opening(rule, client.ip, settings, now_ns() // 1_000_000_000)
    return rule, _known_client(client, rule.environment) if rule.environment else client


def _known_client(client: Client, environment: tuple[tuple[bytes, bytes], ...]) -> Client:
    """Let the rule's variables say who the client is (tcpserver sets them before the program)."""
    for name, value in environment:
        if name == b"TCPREMOTEHOST":
            client = client._replace(host=value)
        elif name == b"TCPREMOTEINFO":
            client = client._replace(info=value)
        elif name == b"TCPREMOTEIP":
            client = client._replace(ip=value)
    return client
