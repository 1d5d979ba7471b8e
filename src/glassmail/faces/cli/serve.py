"""`glass serve`: check the site, then become its supervisor."""

import contextlib
import importlib
import os
import sys
import time

import click

from glassmail.admin.reach import first_closed, needed_paths
from glassmail.core.formats import daemons as daemons_format
from glassmail.core.formats import listen
from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.formats.listen import WITH_TLS, Listener, ListenError
from glassmail.daemons.supervisor.child import Main
from glassmail.daemons.supervisor.process import CANNOT_START, ServeError, Supervisor
from glassmail.settings.place import Place, find_root
from glassmail.stations.certificates import Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.store import gate_state
from glassmail.store.control import ControlError, Controls, Snapshot, read_file
from glassmail.store.edit import EditError

DAEMONS = {
    "log": "glassmail.daemons.log",
    "queue": "glassmail.daemons.queue.main",
    "keeper": "glassmail.daemons.keeper",
    "gate": "glassmail.daemons.gate",
    "local": "glassmail.daemons.local",
    "remote": "glassmail.daemons.remote",
    "smtpd": "glassmail.daemons.smtpd",
}
# Started where control/listen asks for it; it works on what admin/ works on, above the daemons.
ACCOUNTS_MODULE = "glassmail.faces.compat.vpopmaild_service"
STANDARD_ERROR = 2
QMAIL_MUTEX = "/var/qmail/queue/lock/sendmutex"


@click.command()
@click.option("--root", metavar="DIR", help="the site (default: $GLASSMAIL_ROOT)")
@click.option("--one-user", is_flag=True, help="run everything as the caller")
def serve(root: str | None, *, one_user: bool) -> None:
    """Run the server in the foreground; prints `ready` when every port answers."""
    try:
        code = _serve(Place(find_root(root)), one_user=one_user)
    except (ServeError, ControlError, ListenError, DaemonsError) as error:
        click.echo(f"glass serve: {error}", err=True)
        code = CANNOT_START
    sys.exit(code)


def _serve(place: Place, *, one_user: bool) -> int:
    if not os.path.isdir(place.control):
        raise ServeError(f"{place.control} does not exist: make a site with `glass init`")
    settings = Controls(place.control).snapshot()
    listeners = _listeners(place)
    _refuse_tls_without_certificate(place, listeners)
    _refuse_open_relay(settings)
    ClientRules(place.tcp_rules, time.monotonic, is_guarded=not settings.flag("openrelay"))
    _refuse_second_owner(place)
    uids, is_one_user = _identities(place, one_user=one_user)
    if not is_one_user:
        closed = first_closed(needed_paths(place.root), uids)
        if closed is not None:
            raise ServeError(closed.sentence)
    accounts = tuple(each for each in listeners if each.service == listen.ACCOUNTS)
    mains = _import_daemons()
    if accounts:
        mains[listen.ACCOUNTS] = importlib.import_module(ACCOUNTS_MODULE).main
    hide_descriptors()
    supervisor = Supervisor(place, mains, uids, is_one_user=is_one_user)
    supervisor.claim()
    _make_gate_directory(place, uids)
    for role in ("log", "queue", "keeper", "gate", "local", "remote"):
        supervisor.add(role)
    front = tuple(each for each in listeners if each.service != listen.ACCOUNTS)
    supervisor.add("smtpd", _smtpd_count(settings), front)
    if accounts:
        supervisor.add(listen.ACCOUNTS, 1, accounts)
    return supervisor.run()


def hide_descriptors() -> None:
    """Let no program of the site have what our own parent left open in us."""
    with contextlib.suppress(FileNotFoundError):  # no /proc
        for name in os.listdir("/proc/self/fd"):
            if int(name) > STANDARD_ERROR:
                with contextlib.suppress(OSError):  # the listing's own
                    os.set_inheritable(int(name), False)


def _make_gate_directory(place: Place, uids: dict[str, tuple[int, int]]) -> None:
    """Make what sites from before the gate lack."""
    try:
        gate_state.make_directory(os.path.dirname(place.gate_state), uids["gate"])
    except EditError as error:
        raise ServeError(str(error)) from error


def _smtpd_count(settings: Snapshot) -> int:
    """Every second core serves sessions: the others are busy with what the sessions hand in."""
    return settings.integer("smtpdprocesses") or max(1, (os.cpu_count() or 1) // 2)


def _import_daemons() -> dict[str, Main]:
    """Import all daemons before the first fork, so that the processes share the pages."""
    return {role: importlib.import_module(module).main for role, module in DAEMONS.items()}


def _listeners(place: Place) -> list[Listener]:
    data = read_file(place.path("control", "listen"))
    if data is None:
        raise ServeError(
            "control/listen does not exist: write a line such as `smtp 0.0.0.0:25` into it"
        )
    listeners = listen.parse(data)
    if not listeners:
        raise ServeError("control/listen names no listener: write a line such as `smtp 0.0.0.0:25`")
    return listeners


def _refuse_tls_without_certificate(place: Place, listeners: list[Listener]) -> None:
    """A listener that begins with TLS answers nobody without a certificate."""
    first = next((each for each in listeners if each.service in WITH_TLS), None)
    if first is None:
        return
    problems: list[str] = []
    certificates = Certificates(place.root, time.monotonic, problems.append)
    if certificates.choose(b"", b"") is None:
        reason = problems[0] if problems else f"{place.server_certificate} does not exist"
        raise ServeError(
            f"{first.source}: {reason}: put key and certificates there, or remove the line"
        )


def _refuse_open_relay(settings: Snapshot) -> None:
    """Without rcpthosts qmail accepts mail for every domain, which relays for everyone."""
    if not settings.line("me"):
        raise ServeError("control/me does not exist or is empty: write this host's name into it")
    if not settings.table("rcpthosts").is_present and not settings.flag("openrelay"):
        raise ServeError(
            "control/rcpthosts does not exist, so that mail for every domain would be relayed for "
            "everyone: write the domains into it that you accept mail for (it may be empty), or "
            "1 into control/openrelay if that is what you want"
        )


def _refuse_second_owner(place: Place) -> None:
    """Never run on a /var/qmail whose own qmail-send is running."""
    if os.path.realpath(place.root) != os.path.realpath("/var/qmail"):
        return
    import fcntl

    try:
        descriptor = os.open(QMAIL_MUTEX, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return  # no queue of qmail's here
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ServeError(
            f"qmail-send holds {QMAIL_MUTEX}: stop qmail before this server takes over"
        ) from error
    finally:
        os.close(descriptor)


def _identities(place: Place, *, one_user: bool) -> tuple[dict[str, tuple[int, int]], bool]:
    """Return role -> (uid, gid), and whether everything runs as the caller."""
    caller = (os.geteuid(), os.getegid())
    data = read_file(place.daemons)
    known = daemons_format.parse(data) if data is not None else {}
    everyone = dict.fromkeys((*DAEMONS, listen.ACCOUNTS, "alias"), caller)
    if one_user or caller[0] != 0:
        return everyone, True
    if "smtpd" in known:
        known.setdefault("gate", known["smtpd"])  # it works for the SMTP server alone
    missing = [role for role in DAEMONS if role not in known and role != "local"]
    if missing:
        raise ServeError(
            f"users/daemons has no line for {', '.join(missing)}: write `role:uid:gid` lines into "
            "it, or use --one-user"
        )
    known.setdefault("local", (0, 0))
    known.setdefault(listen.ACCOUNTS, (0, 0))
    is_one_user = all(known[role] == caller for role in DAEMONS)
    return known, is_one_user
