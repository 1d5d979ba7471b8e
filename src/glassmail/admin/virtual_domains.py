"""Add and remove virtual domains and alias domains: vadddomain, vaddaliasdomain, vdeldomain.

Always:
    - One such change at a time, by a lock of the site; each file by its own lock besides, which
      vpopmail's programs hold too.
    - A domain's directory is complete before anything leads to it; rcpthosts comes last. A
      removed domain loses its lines first, then its directory is moved to `.removed` beside it.
    - A journal lets the next command finish what a killed one began.
    - Symbolic links are moved or deleted themselves, never what they name.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glassmail.admin import account_rules as rules
from glassmail.admin import aside, domain_files, domain_tree, journal, onchange, reload
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.domain_files import Entry
from glassmail.admin.journal import Journal, Task
from glassmail.admin.mailboxes import NewMailbox, account_of
from glassmail.admin.site import Site
from glassmail.core.formats import quota, vpasswd
from glassmail.core.formats.assign import AssignError
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.core.route import mailbox
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.account_writer import AccountChangeError, Domain

POSTMASTER = b"postmaster"


@dataclass(frozen=True, slots=True)
class NewDomain:
    """A domain to be made.

    Attributes:
        name: its name.
        catch_all: what happens to mail for nobody, the argument of vdelivermail.
        postmaster: its first mailbox; None for none.
        parent: the directory that its own is made in; empty for the site's domains.
        ids: uid and gid; None for those of the site's domains.
        source: a directory of `.removed` that it shall have again, with its accounts.
    """

    name: bytes
    catch_all: bytes = b"bounce-no-mailbox"
    postmaster: NewMailbox | None = None
    parent: str = ""
    ids: tuple[int, int] | None = None
    source: str = ""


def add(site: Site, changes: Changes, new: NewDomain) -> Domain:
    """Make a virtual domain.

    Raises:
        AccountError: a bad name, a domain that exists, or a directory in its place.
        EditError: a file cannot be changed; the next command goes on from there.
    """
    name = rules.check_domain(new.name)
    with _alone(site, changes):
        if site.find(name) is not None:
            shown = os.fsdecode(name)
            raise AccountError(
                f"{shown}: the domain exists already", Fault.DOMAIN_ALREADY_EXISTS
            )
        parent = new.parent or site.domains
        domain = Domain(name, os.path.join(parent, os.fsdecode(name)), new.ids or site.owner)
        rules.check_directory(os.fsencode(domain.directory))
        source = os.path.abspath(new.source) if new.source else ""
        if source and not os.path.isdir(source):
            raise AccountError(f"{source}: no such directory")
        if source != domain.directory:
            _refuse_existing(domain)
        line = b""
        if new.postmaster is not None:
            account = account_of(site, domain, new.postmaster, quota.NO_QUOTA)
            line = vpasswd.render_line(account)
        argument = _catch_all_line(site, new.catch_all)
        _refuse_out_of_reach(site, domain)
        edit.make_directory(parent, domain_tree.DIRECTORY_MODE, domain.owner)
        names = [] if new.postmaster is None else [new.postmaster.name]
        staged = source or domain_tree.stage(domain, argument, names)
        task = _task("add", domain, staged=staged, account=os.fsdecode(line))
        kept = _journal(site)
        kept.begin(task)
        try:
            _finish_addition(site, changes, task)
        except (AccountError, edit.EditError):
            if os.path.lexists(staged) and site.find(name) is None:
                kept.end()  # nothing leads there yet: the next command need not try again
            raise
        kept.end()
    changes.undo_by("glass", "domain", "remove", name)
    _undo_lines(site, changes, name)
    reload.signal_queue(site.place, changes)
    onchange.call(site, changes, "add_domain", name)
    return domain


def add_alias(site: Site, changes: Changes, alias: bytes, real: bytes) -> None:
    """Let a domain have the mailboxes of another.

    Raises:
        AccountError: a bad name, one that exists already, or no such real domain.
        EditError: a file cannot be changed.
    """
    alias = rules.check_domain(alias)
    with _alone(site, changes):
        domain = site.domain(real)
        if site.find(alias) is not None:
            shown = os.fsdecode(alias)
            raise AccountError(
                f"{shown}: the domain exists already", Fault.DOMAIN_ALREADY_EXISTS
            )
        task = _task("alias", domain, alias=os.fsdecode(alias))
        kept = _journal(site)
        kept.begin(task)
        _announce(site, changes, Entry(alias, domain.name, domain.owner, domain.directory, 0))
        kept.end()
    changes.undo_by("glass", "domain", "remove", alias)
    reload.signal_queue(site.place, changes)
    onchange.call(site, changes, "add_alias_domain", alias, domain.name)


def aliases_of(site: Site, real: bytes) -> list[bytes]:
    """List the alias domains of a real domain in the order of users/assign."""
    return [e.domain for e in site.entries() if e.real == real and e.is_alias]


def remove(site: Site, changes: Changes, name: bytes, *, purge: bool = False) -> None:
    """Remove a domain with its alias domains, or an alias domain alone.

    Its directory is moved to `.removed` beside it, or deleted with all mail.

    Raises:
        AccountError: there is no such domain.
        EditError: a file cannot be changed; the next command goes on from there.
    """
    name = name.lower()
    with _alone(site, changes):
        _entry_of(site, name)
    onchange.call(site, changes, "del_domain", name)  # without our lock: it may make changes, too
    with _alone(site, changes):
        entry = _entry_of(site, name)
        domain = site.domain(name)
        aliases = [] if entry.is_alias else aliases_of(site, name)
        target = ""
        if not entry.is_alias:
            _refuse_out_of_reach(site, domain)
        if not entry.is_alias and _may_move(site, changes, domain):
            target = aside.choose(os.path.dirname(domain.directory), os.fsdecode(name))
            aside.prepare(target, domain.owner)
        task = _task(
            "remove", domain, target=target, names=" ".join(map(os.fsdecode, [name, *aliases]))
        )
        kept = _journal(site)
        kept.begin(task)
        _finish_removal(site, changes, task)
        if purge and target:
            aside.purge(target)
            changes.tell(f"{domain.directory}: deleted, with all mail")
            changes.note("the mail is deleted: there is no way back")
        kept.end()
    if entry.is_alias:
        changes.undo_by("glass", "domain", "add", name, "--alias-of", domain.name)
        return
    if purge and target:
        return
    if target:
        changes.tell(f"{domain.directory}: moved to {target}")
    is_in_place = domain.directory == os.path.join(site.domains, os.fsdecode(name))
    if target or is_in_place:
        changes.undo_by("glass", "domain", "add", name, "--from", target or domain.directory)
        for alias in aliases:
            changes.undo_by("glass", "domain", "add", alias, "--alias-of", name)


def _entry_of(site: Site, name: bytes) -> Entry:
    entry = site.find(name)
    if entry is None:
        shown = os.fsdecode(name)
        raise AccountError(f"{shown}: the domain does not exist", Fault.DOMAIN_DOES_NOT_EXIST)
    return entry


def finish(site: Site, changes: Changes) -> None:
    """Finish what a killed command began with a domain, if there is anything; raises as `add`."""
    if _journal(site).is_there():
        with _alone(site, changes):
            pass  # it is done before the block


def _finish(site: Site, changes: Changes) -> None:
    """Finish what a killed command began; called under the site's lock."""
    kept = _journal(site)
    task = kept.unfinished()
    if task is None:
        return
    domain = Domain(
        os.fsencode(task["domain"]), task["directory"], (int(task["uid"]), int(task["gid"]))
    )
    if task["do"] == "add" and _is_gone(task["staged"]) and _is_gone(domain.directory):
        kept.end()
        changes.note(f"{task['domain']} was begun by a killed command; its directory is gone")
        return
    if task["do"] == "add":
        _finish_addition(site, changes, task)
    elif task["do"] == "alias":
        alias = os.fsencode(task["alias"])
        _announce(site, changes, Entry(alias, domain.name, domain.owner, domain.directory, 0))
    else:
        _finish_removal(site, changes, task)
    kept.end()
    changes.note(f"finished what a killed command had begun with {task['domain']}")


def _is_gone(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # nobody can tell: it is tried, and says why it fails
    return False


def _finish_addition(site: Site, changes: Changes, task: Task) -> None:
    owner = (int(task["uid"]), int(task["gid"]))
    domain = Domain(os.fsencode(task["domain"]), task["directory"], owner)
    domain_tree.put_in_place(site, domain, task["staged"], os.fsencode(task["account"]))
    with as_user(*owner):
        journal.sweep(domain.directory)
    changes.tell(f"{domain.directory}: made")
    _announce(site, changes, Entry(domain.name, domain.name, owner, domain.directory, 0))


def _finish_removal(site: Site, changes: Changes, task: Task) -> None:
    owner = (int(task["uid"]), int(task["gid"]))
    domain = Domain(os.fsencode(task["domain"]), task["directory"], owner)
    names = [os.fsencode(name) for name in task["names"].split()]
    try:
        changes.tell(*domain_files.withdraw(site.place, names))
    except AssignError as error:
        raise AccountError(f"{error}: mend it first", Fault.CANNOT_READ_ASSIGN) from error
    reload.signal_queue(site.place, changes)
    if domain.name in names:
        domain_tree.take_away(site, domain, task["target"])


def _announce(site: Site, changes: Changes, entry: Entry) -> None:
    try:
        changes.tell(*domain_files.announce(site.place, entry))
    except AssignError as error:
        raise AccountError(f"{error}: mend it first", Fault.CANNOT_READ_ASSIGN) from error


def _undo_lines(site: Site, changes: Changes, name: bytes) -> None:
    """Removing the domain would not bring back, or would take, what stood in these before."""
    files = []
    if any(text.startswith("control/locals: removed") for text in changes.told):
        files.append("locals")
    if not any("rcpthosts: added" in text for text in changes.told):
        files.append("rcpthosts")
    for file in files:
        path = shlex.quote(os.path.join(site.place.control, file))
        changes.undo.append(f"echo {os.fsdecode(name)} >> {path}")


def _refuse_existing(domain: Domain) -> None:
    with as_user(*domain.owner):
        is_there = os.path.lexists(domain.directory)
    if is_there:
        raise AccountError(
            f"{domain.directory} is there already, perhaps with mail: move it away, or take it "
            f"over by glass domain add --from {domain.directory}",
            Fault.NO_DOMAIN_DIRECTORY,
        )


def _refuse_out_of_reach(site: Site, domain: Domain) -> None:
    """Refuse to begin what a data base that is down would keep from being finished."""
    try:
        with as_user(*domain.owner):
            site.writer.reach(domain)
    except AccountChangeError as error:
        raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error


def _may_move(site: Site, changes: Changes, domain: Domain) -> bool:
    """Tell whether a directory is this domain's alone, by its name and by users/assign."""
    directory = domain.directory.rstrip("/")
    if os.path.ismount(directory):  # the system would refuse, also the next command's trial
        changes.note(f"{directory} is a mount point: it stays where it is")
        return False
    others = [e.real for e in site.entries() if e.directory.rstrip("/") == directory]
    is_own = os.path.basename(directory).lower() == os.fsdecode(domain.name)
    if is_own and all(real == domain.name for real in others):
        return True
    changes.note(f"{directory} is not this domain's alone: it stays where it is")
    return False


def _catch_all_line(site: Site, argument: bytes) -> bytes:
    return rules.catch_all_line(argument, program_of(site))


def program_of(site: Site) -> bytes:
    """Name vdelivermail as `.qmail-default` shall: vpopmail's own where it is installed."""
    path = os.path.join(site.home or site.place.root, "bin", mailbox.PROGRAM.decode())
    return os.fsencode(path) if os.access(path, os.X_OK) else mailbox.PROGRAM


@contextmanager
def _alone(site: Site, changes: Changes) -> Iterator[None]:
    with edit.locked(site.place.path("users", "domains")):
        try:
            domain_files.check_assign(site.place)
        except AssignError as error:
            raise AccountError(f"{error}: mend it first", Fault.CANNOT_READ_ASSIGN) from error
        _finish(site, changes)
        for directory in (site.place.control, site.place.path("users"), site.domains):
            journal.sweep(directory)
        yield


def _task(what: str, domain: Domain, **more: str) -> Task:
    uid, gid = domain.owner
    return {
        "do": what, "domain": os.fsdecode(domain.name), "directory": domain.directory,
        "uid": str(uid), "gid": str(gid), **more,
    }  # fmt: skip


def _journal(site: Site) -> Journal:
    return Journal(site.place.path("users", ".glass-pending"))
