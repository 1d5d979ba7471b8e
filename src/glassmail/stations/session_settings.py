"""The settings of an SMTP session, made from the control files once per change.

Always:
    - A session keeps what it got at its start.
    - Without rcpthosts no domain is accepted, unless control/openrelay says so: qmail's default
      would make an open relay of a forgotten file.
    - `problem` tells why no session can be served; it is empty when all is well.
"""

from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.formats.control import Table
from glassmail.core.model.system_errors import words_of
from glassmail.core.policy.facts import PolicySettings
from glassmail.core.route.rewrite import RoutingTables
from glassmail.core.schedule import gate_book
from glassmail.settings.place import Place
from glassmail.stations.front_policy import PatternError, policy_settings
from glassmail.stations.routing import more_rcpthosts
from glassmail.store.cdb import CdbFile
from glassmail.store.control import Controls, Snapshot


class SessionSettings(NamedTuple):
    """What one session works with.

    Attributes:
        greeting: smtpgreeting.
        me: control/me.
        localiphost: replaces `[own address]` in addresses.
        timeout_s: how long to wait for each read of a client.
        is_tracing: whether replies and Received lines carry trace codes.
        is_enhanced: whether enhanced status codes are announced.
        policy: what the checks read.
        problem: why nobody can be served; empty when all is well.
        program_s: how long a program of the front door may run.
        ciphers: control/tlsserverciphers; auth_delay_s: control/authdelay.
        open_smtp: path of POP-before-SMTP's entries, empty for none; they count open_smtp_s.
        watched: kinds of core.schedule.gate_book that the gate is told of.
        is_counting: whether the gate counts connections for these settings.
        remote_host, remote_host_s, remote_info_s: control/remotehost and its like.
    """

    greeting: bytes
    me: bytes
    localiphost: bytes
    timeout_s: int
    is_tracing: bool
    is_enhanced: bool
    policy: PolicySettings
    problem: str
    program_s: int = 60
    open_smtp: bytes = b""
    open_smtp_s: int = 10_800
    ciphers: bytes = b""
    auth_delay_s: int = 0
    watched: frozenset[str] = frozenset()
    is_counting: bool = False
    remote_host: bytes = b"auto"
    remote_host_s: float = 5.0
    remote_info_s: int = 0


class SettingsReader:
    """Makes SessionSettings; looks for changes at most as often as Controls does."""

    def __init__(
        self,
        controls: Controls,
        place: Place,
        clock: Callable[[], float],
        tell: Callable[[str], None] = lambda _problem: None,
    ) -> None:
        """Take over the control files of a process.

        Args:
            controls: the control directory.
            place: the site.
            clock: seconds that never go back.
            tell: called once with each problem that keeps sessions from being served.
        """
        self._controls = controls
        self._tell = tell
        self._told = ""
        self._more = more_rcpthosts(place)
        self._clock = clock
        self._looked_at = float("-inf")
        self._snapshot: Snapshot | None = None
        self._file: CdbFile | None = None
        self._settings: SessionSettings | None = None

    def now(self) -> SessionSettings:
        """Return the settings for a session that begins now."""
        now = self._clock()
        if self._settings is not None and now - self._looked_at < 1.0:
            return self._settings
        self._looked_at = now
        snapshot = self._controls.look()
        try:
            more = self._more.current()
        except OSError as error:
            return self._made(
                _build(snapshot, None, f"control/morercpthosts.cdb: {words_of(error)}")
            )
        if self._settings is None or snapshot is not self._snapshot or more is not self._file:
            self._snapshot, self._file = snapshot, more
            self._settings = self._made(_build(snapshot, more, ""))
        return self._settings

    def _made(self, settings: SessionSettings) -> SessionSettings:
        if settings.problem and settings.problem != self._told:
            self._tell(settings.problem)
        self._told = settings.problem
        return settings

    def look_again(self) -> None:
        """Forget when the files were last looked at (HUP)."""
        self._controls.refresh()
        self._looked_at = float("-inf")


def _build(snapshot: Snapshot, more: CdbFile | None, problem: str) -> SessionSettings:
    greeting = snapshot.line("smtpgreeting")
    if not greeting:
        problem = problem or "neither control/smtpgreeting nor control/me says who we are"
    try:
        policy = policy_settings(snapshot, more)
    except PatternError as error:
        policy, problem = _NO_POLICY, str(error)
    return SessionSettings(
        greeting=greeting,
        me=snapshot.line("me"),
        localiphost=snapshot.line("localiphost"),
        timeout_s=snapshot.integer("timeoutsmtpd"),
        is_tracing=snapshot.flag("tracecodes"),
        is_enhanced=snapshot.flag("enhancedcodes"),
        policy=policy,
        problem=problem,
        program_s=snapshot.integer("timeoutrcptcheck"),
        open_smtp=snapshot.line("opensmtp"),
        open_smtp_s=snapshot.integer("opensmtpseconds"),
        ciphers=snapshot.line("tlsserverciphers"),
        auth_delay_s=snapshot.integer("authdelay"),
        watched=frozenset(kind for name, kind in _WATCHED.items() if snapshot.integer(name)),
        remote_host=snapshot.line("remotehost"),
        remote_host_s=snapshot.integer("remotehosttimeout"),
        remote_info_s=snapshot.integer("remoteinfo"),
        is_counting=any(snapshot.integer(name) for name in _COUNTED),
    )


_WATCHED = {
    "maxbadlogins": gate_book.LOGIN,
    "maxbadrecipients": gate_book.BAD_RECIPIENT,
    "maxerrors": gate_book.ERROR,
    "maxmessages": gate_book.MESSAGE,
}
_COUNTED = ("concurrencyincoming", "maxconnects", "tcpserverlog")
_EMPTY = Table("", True, {}, "")
# Of a session that is turned away, since its settings cannot be used.
_NO_POLICY = PolicySettings(
    0, _EMPTY, _EMPTY, None, False, RoutingTables(b"", _EMPTY, _EMPTY, _EMPTY)
)
