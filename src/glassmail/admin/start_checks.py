"""What must be right before a site is served: `glass serve` refuses, `glass doctor` tells.

Every check raises one of START_ERRORS; its text names the file and the remedy.
"""

import fcntl
import os
import time
from typing import NamedTuple

from glassmail.admin.reach import first_closed, needed_paths
from glassmail.core.formats import daemons as daemons_format
from glassmail.core.formats import listen
from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.formats.listen import WITH_TLS, Listener, ListenError
from glassmail.daemons.supervisor.process import ServeError
from glassmail.settings.place import Place
from glassmail.stations.certificates import Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.store.control import ControlError, Controls, Snapshot, read_file

START_ERRORS = (ServeError, ControlError, ListenError, DaemonsError)

ROLES = ("log", "queue", "keeper", "gate", "local", "remote", "smtpd")
QMAIL_MUTEX = "/var/qmail/queue/lock/sendmutex"


def refuse_no_site(place: Place) -> None:
    """There is nothing to serve without a control directory."""
    if not os.path.isdir(place.control):
        raise ServeError(f"{place.control} does not exist: make a site with `glass init`")


def listeners(place: Place) -> list[Listener]:
    """Read control/listen, which has to name one at least."""
    data = read_file(place.path("control", "listen"))
    if data is None:
        raise ServeError(
            "control/listen does not exist: write a line such as `smtp 0.0.0.0:25` into it"
        )
    found = listen.parse(data)
    if not found:
        raise ServeError("control/listen names no listener: write a line such as `smtp 0.0.0.0:25`")
    return found


def refuse_tls_without_certificate(place: Place, found: list[Listener]) -> None:
    """A listener that begins with TLS answers nobody without a certificate."""
    first = next((each for each in found if each.service in WITH_TLS), None)
    if first is None:
        return
    problems: list[str] = []
    certificates = Certificates(place.root, time.monotonic, problems.append)
    if certificates.choose(b"", b"") is None:
        reason = problems[0] if problems else f"{place.server_certificate} does not exist"
        raise ServeError(
            f"{first.source}: {reason}: put key and certificates there, or remove the line"
        )


def refuse_no_name(settings: Snapshot) -> None:
    """A mail server has to say who it is."""
    if not settings.line("me"):
        raise ServeError("control/me does not exist or is empty: write this host's name into it")


def refuse_open_relay(settings: Snapshot) -> None:
    """Without rcpthosts qmail accepts mail for every domain, which relays for everyone."""
    if not settings.table("rcpthosts").is_present and not settings.flag("openrelay"):
        raise ServeError(
            "control/rcpthosts does not exist, so that mail for every domain would be relayed for "
            "everyone: write the domains into it that you accept mail for (it may be empty), or "
            "1 into control/openrelay if that is what you want"
        )


def refuse_broken_rules(place: Place, settings: Snapshot) -> None:
    """Rules for clients that cannot be read, or that let everybody relay."""
    ClientRules(place.tcp_rules, time.monotonic, is_guarded=not settings.flag("openrelay"))


def refuse_second_owner(place: Place) -> None:
    """Never run on a /var/qmail whose own qmail-send is running."""
    if os.path.realpath(place.root) != os.path.realpath("/var/qmail"):
        return
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


def identities(place: Place, *, one_user: bool) -> tuple[dict[str, tuple[int, int]], bool]:
    """Return role -> (uid, gid), and whether everything runs as the caller."""
    caller = (os.geteuid(), os.getegid())
    data = read_file(place.daemons)
    known = daemons_format.parse(data) if data is not None else {}
    everyone = dict.fromkeys((*ROLES, listen.ACCOUNTS, "alias"), caller)
    if one_user or caller[0] != 0:
        return everyone, True
    if "smtpd" in known:
        known.setdefault("gate", known["smtpd"])  # it works for the SMTP server alone
    missing = [role for role in ROLES if role not in known and role != "local"]
    if missing:
        raise ServeError(
            f"users/daemons has no line for {', '.join(missing)}: write `role:uid:gid` lines into "
            "it, or use --one-user"
        )
    known.setdefault("local", (0, 0))
    known.setdefault(listen.ACCOUNTS, (0, 0))
    is_one_user = all(known[role] == caller for role in ROLES)
    return known, is_one_user


def refuse_closed_directories(place: Place, uids: dict[str, tuple[int, int]]) -> None:
    """Each daemon's user has to reach the site, the interpreter and the package."""
    closed = first_closed(needed_paths(place.root), uids)
    if closed is not None:
        raise ServeError(closed.sentence)


class Checked(NamedTuple):
    """A site that can be served.

    Attributes:
        settings: its control files.
        listeners: of control/listen.
        uids: role -> (uid, gid).
        is_one_user: whether everything runs as the caller.
    """

    settings: Snapshot
    listeners: list[Listener]
    uids: dict[str, tuple[int, int]]
    is_one_user: bool


def check_all(place: Place, *, one_user: bool) -> Checked:
    """Ask everything; raises one of START_ERRORS at the first fault."""
    refuse_no_site(place)
    settings = Controls(place.control).snapshot()
    found = listeners(place)
    refuse_tls_without_certificate(place, found)
    refuse_no_name(settings)
    refuse_open_relay(settings)
    refuse_broken_rules(place, settings)
    refuse_second_owner(place)
    uids, is_one_user = identities(place, one_user=one_user)
    if not is_one_user:
        refuse_closed_directories(place, uids)
    return Checked(settings, found, uids, is_one_user)
