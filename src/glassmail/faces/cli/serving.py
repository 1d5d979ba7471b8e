"""What `glass serve` does: check the site, then become its supervisor."""

import contextlib
import importlib
import os

import click

from glassmail.admin import start_checks
from glassmail.core.formats import listen
from glassmail.daemons.supervisor.child import Main
from glassmail.daemons.supervisor.process import CANNOT_START, ServeError, Supervisor
from glassmail.settings.place import Place, find_root
from glassmail.store import gate_state
from glassmail.store.control import Snapshot
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


def run(root: str | None, *, one_user: bool) -> int:
    """Serve a site until it is stopped; return the exit status, the reason told on stderr."""
    try:
        return _serve(Place(find_root(root)), one_user=one_user)
    except start_checks.START_ERRORS as error:
        click.echo(f"glass serve: {error}", err=True)
        return CANNOT_START


def _serve(place: Place, *, one_user: bool) -> int:
    settings, listeners, uids, is_one_user = start_checks.check_all(place, one_user=one_user)
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
