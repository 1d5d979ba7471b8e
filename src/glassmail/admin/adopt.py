"""Make a site that uses the files of a qmail site where they are.

Purpose:
    `glass init --from /var/qmail`: control, users and alias of the new ROOT are links to qmail's,
    domains one to vpopmail's. Queue, logs and history are the new site's own. Stopping one server
    and starting the other changes over, and back.

Always:
    - No file of the old site is changed or removed. Those that only this server reads, and that
      are missing, are added, and told: control/listen, control/servercert.pem, users/daemons, and
      a link control/tcp.smtp to /etc/tcp.smtp.
    - When a step fails, what was added is removed again.
    - Mail that waits in qmail's queue stays there, and is told.
"""

import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from glassmail.admin import certificate, domain_files, init, site_layout, system_users
from glassmail.admin.account_error import AccountError
from glassmail.admin.init import InitError
from glassmail.admin.site import home_of
from glassmail.admin.system_users import SYSTEM_USERS, Ids, SystemUser
from glassmail.core.formats import daemons
from glassmail.core.model.system_errors import words_of
from glassmail.settings.place import Place
from glassmail.store import edit
from glassmail.store.control import ControlError, Controls

LINKED = ("control", "users", "alias")
RULES_ELSEWHERE = ("/etc/tcp.smtp", "/etc/tcprules.d/tcp.smtp")  # Life with qmail; Debian's
WAITING_SHOWN_MAX = 1_000_000  # files counted in a queue


@dataclass(frozen=True, slots=True)
class Adoption:
    """What shall be used.

    Attributes:
        root: ROOT of the new site, absolute.
        source: qmail's directory, absolute.
        listeners: lines for control/listen if it is missing; empty for the default ones.
        is_one_user: everything as the caller.
        users: role -> user and group.
        rules: where rules for clients are looked for when control/tcp.smtp is missing.
    """

    root: str
    source: str
    listeners: tuple[str, ...] = ()
    is_one_user: bool = False
    users: dict[str, SystemUser] = field(default_factory=lambda: dict(SYSTEM_USERS))
    rules: tuple[str, ...] = RULES_ELSEWHERE


class Adopted(NamedTuple):
    """What was done: links as (name, target), files added, users made, and what is to be known."""

    host: bytes
    links: tuple[tuple[str, str], ...]
    added: tuple[str, ...]
    users: tuple[str, ...]
    remarks: tuple[str, ...]


def adopt(plan: Adoption) -> Adopted:
    """Make the site.

    Raises:
        InitError: when it cannot be made; exit_code 1, 2, or 111 for a closed directory.
    """
    init.refuse_existing(plan.root)
    host = _host(plan)
    listeners = init.checked_listeners(plan.listeners, is_one_user=plan.is_one_user)
    links = tuple(_links(plan))
    added: list[str] = []
    try:
        ids, users = init.find_users(plan.root, plan.users, is_one_user=plan.is_one_user)
        init.check_reach(plan.root, ids, is_one_user=plan.is_one_user)
        site_layout.build(
            plan.root,
            lambda staging: _fill(
                plan, Place(staging), ids, (host, listeners), links, added.append
            ),
        )
    except (edit.EditError, system_users.UsersError, OSError, InitError) as error:
        for path in added:
            with suppress(OSError):  # the first error is what matters
                os.unlink(path)
        if isinstance(error, OSError):
            where = error.filename or plan.root
            raise InitError(f"{where}: {words_of(error)}") from error
        raise error if isinstance(error, InitError) else InitError(str(error)) from error
    return Adopted(host, links, tuple(added), users, tuple(_remarks(plan)))


def _host(plan: Adoption) -> bytes:
    control = os.path.join(plan.source, "control")
    if os.path.realpath(plan.root) == os.path.realpath(plan.source):
        raise InitError(f"{plan.root}: its files are used where they are: choose another ROOT", 2)
    try:
        host = Controls(control).snapshot().line("me")
    except ControlError as error:
        raise InitError(str(error)) from error
    if not host:
        raise InitError(
            f"{control}/me does not exist or is empty: name qmail's directory, as in "
            "--from /var/qmail"
        )
    return host


def _links(plan: Adoption) -> list[tuple[str, str]]:
    names = [(name, os.path.join(plan.source, name)) for name in LINKED]
    home = _vpopmail_home(plan)
    if home:
        names.append(("domains", os.path.join(home, "domains")))
    return [(name, target) for name, target in names if os.path.isdir(target)]


def _vpopmail_home(plan: Adoption) -> str:
    """Return where the old site's domains lie, else the home of vpopmail's user, if any."""
    try:
        home = home_of(Place(plan.source))
    except AccountError as error:
        raise InitError(str(error)) from error
    if home != plan.source or os.path.isdir(os.path.join(home, "domains")):
        return home
    try:
        return pwd.getpwnam(plan.users["keeper"].user).pw_dir
    except KeyError:
        return ""


def _fill(
    plan: Adoption,
    place: Place,
    ids: Ids,
    told: tuple[bytes, tuple[str, ...]],
    links: tuple[tuple[str, str], ...],
    note: Callable[[str], None],
) -> None:
    is_split = os.geteuid() == 0 and not plan.is_one_user
    administrators = system_users.administrators_gid() if is_split else None
    owner = (os.geteuid(), os.getegid())
    linked = frozenset(name for name, _target in links)
    site_layout.make_directories(place, ids, owner, administrators, without=linked)
    for name, target in links:
        os.symlink(target, place.path(name))
    host, listeners = told
    lines = "".join(line + "\n" for line in listeners).encode("utf-8")
    missing = _Missing(place, note)
    missing.add(place.path("control", "listen"), lambda: lines)
    missing.add(place.daemons, lambda: daemons.render(ids))
    key_owner = (ids["smtpd"][0], owner[1])
    missing.add(place.server_certificate, lambda: certificate.self_signed(host), 0o400, key_owner)
    if not os.path.lexists(place.tcp_rules):
        found = next((path for path in plan.rules if os.path.isfile(path)), None)
        if found is not None:
            missing.link(place.tcp_rules, found)


class _Missing:
    """Adds files that are not there, telling the path of each in the old site."""

    def __init__(self, place: Place, note: Callable[[str], None]) -> None:
        self._root = place.root
        self._note = note

    def add(
        self,
        path: str,
        make: Callable[[], bytes],
        mode: int = 0o644,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Write a file."""
        if not os.path.lexists(path):
            edit.replace(path, make(), mode, owner)
            self._tell(path)

    def link(self, path: str, target: str) -> None:
        """Make a link to a file elsewhere."""
        os.symlink(target, path)
        edit.sync_directory(os.path.dirname(path))
        self._tell(path)

    def _tell(self, path: str) -> None:
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not real.startswith(os.path.realpath(self._root) + os.sep):  # else it goes with ROOT
            self._note(real)


def _remarks(plan: Adoption) -> list[str]:
    place = Place(plan.root)
    remarks = []
    waiting = _waiting(plan.source)
    if waiting:
        many = waiting > 1
        remarks.append(
            f"{waiting} message{'s wait' if many else ' waits'} in {plan.source}/queue: let qmail "
            f"deliver {'them, they are' if many else 'it, it is'} not taken over"
        )
    if not os.path.exists(place.path("control", "rcpthosts")) and not _is_open(place):
        remarks.append(
            "control/rcpthosts is missing, which would take mail for every domain: write the "
            "domains of this host into it, or `glass serve` refuses to start"
        )
    remarks += _of_domains(place)
    if not os.path.exists(place.tcp_rules):
        remarks.append(
            "there are no rules for clients, so that nobody relays: write them into "
            'control/tcp.smtp, as in `127.:allow,RELAYCLIENT=""`'
        )
    if not os.path.exists(place.path("control", "defaultdelivery")):
        remarks.append(
            "mail of users without a .qmail file goes to ./Maildir/; if qmail was started with "
            "another instruction, write that into control/defaultdelivery"
        )
    if not os.path.exists(place.path("control", "smtpauth")):
        remarks.append("nobody logs in yet: write `vpopmail` into control/smtpauth, for example")
    if os.path.exists(place.assign) and _is_older(place.assign_cdb, place.assign):
        remarks.append("users/cdb is missing or older than users/assign: run qmail-newu")
    return remarks


def _is_open(place: Place) -> bool:
    return Controls(place.control).snapshot().flag("openrelay")


def _of_domains(place: Place) -> list[str]:
    """Tell where new domains will be made when users/assign has one that lies elsewhere."""
    home = os.path.join(home_of(place), "domains")
    inside = os.path.realpath(home) + os.sep
    for entry in domain_files.entries(place):
        if not os.path.realpath(entry.directory).startswith(inside):
            name = entry.domain.decode("utf-8", "backslashreplace")
            told = (
                f"{name} lies in {entry.directory}, new domains will be made in {home}: write "
                "vpopmail's home into control/vpopmailhome if that is another one"
            )
            return [told]
    return []


def _waiting(source: str) -> int:
    """Count the messages of a queue of qmail's (INTERNALS: queue/mess/SPLIT/NUMBER)."""
    count = 0
    for _directory, _names, files in os.walk(os.path.join(source, "queue", "mess")):
        count += len(files)
        if count >= WAITING_SHOWN_MAX:
            break
    return count


def _is_older(path: str, other: str) -> bool:
    try:
        return os.stat(path).st_mtime_ns < os.stat(other).st_mtime_ns
    except FileNotFoundError:
        return True
