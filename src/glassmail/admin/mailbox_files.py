"""The directory of one mailbox: made before its account, moved aside after it.

Called with the rights of the domain's owner. A new directory is made under a name that nobody
looks for, `.new.NAME.PID`; a killed command leaves such a one at most, without mail.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from glassmail.admin import aside, journal
from glassmail.admin.account_error import AccountError
from glassmail.admin.journal import Journal, Task
from glassmail.admin.site import Site
from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Account, RecordError
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import YES
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.stations.rights import as_user
from glassmail.store import edit, lastauth
from glassmail.store.account_writer import AccountChangeError, Domain

DIRECTORY_MODE = 0o700
SECRET_MODE = 0o600
JOURNAL_NAME = ".glass-pending"
ACCOUNT_SUFFIX = ".account"  # beside a removed mailbox: its line of vpasswd
_ACCOUNT_BYTES_MAX = 4_096
_MAILDIR = ("Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp")


def directory_of(site: Site, domain: Domain, account: Account) -> str:
    """Return where a mailbox is."""
    named = site.actual(os.fsdecode(account.directory.rstrip(b"/")))
    return named or os.path.join(domain.directory, os.fsdecode(account.name))


def is_below(directory: str, domain: Domain) -> bool:
    """Tell whether a mailbox lies in its domain's directory; others are left alone."""
    parts = directory.split("/")
    return directory.startswith(domain.directory.rstrip("/") + "/") and ".." not in parts


def stays(directory: str, domain: Domain) -> str:
    """Say why a removed mailbox's directory cannot be moved aside; nothing when it can."""
    if not is_below(directory, domain):
        return f"not below {domain.directory}"
    return "a mount point" if os.path.ismount(directory) else ""


def refuse_existing(directory: str, source: str) -> None:
    """Refuse a mailbox whose directory exists, since its mail may be somebody else's."""
    if source and not os.path.isdir(source):
        raise AccountError(f"{source}: no such directory")
    if os.path.lexists(directory) and directory != source:
        raise AccountError(
            f"{directory} is there already, perhaps with somebody's mail: move it away, or take "
            f"it over by glass user add --from {directory}",
            Fault.USER_DIRECTORY_EXISTS,
        )


def stage(domain: Domain, name: bytes, directory: str, source: str) -> str:
    """Make a new mailbox's directory, or bring a former one back to its place; return its path.

    Raises:
        EditError: it cannot be made.
    """
    try:
        if source:
            if source != directory:
                edit.make_directory(os.path.dirname(directory), DIRECTORY_MODE, domain.owner)
                os.rename(source, directory)
                edit.sync_directory(domain.directory)
            return directory
        path = os.path.join(domain.directory, f".new.{os.fsdecode(name)}.{os.getpid()}")
        aside.purge(path)  # of a killed command with our process's number
        edit.make_directory(path, DIRECTORY_MODE, domain.owner)
        for part in _MAILDIR:
            edit.make_directory(os.path.join(path, part), DIRECTORY_MODE, domain.owner)
        never = os.path.join(path, os.fsdecode(lastauth.NAME))
        edit.replace(never, lastauth.NEVER, SECRET_MODE, domain.owner)
    except OSError as error:
        raise edit.because(directory, error) from error
    return path


def put_back(staged: str, source: str) -> None:
    """Undo `stage`, when there is to be no account after all."""
    if not source:
        aside.purge(staged)
    elif source != staged:
        os.rename(staged, source)


def put_in_place(staged: str, directory: str, domain: Domain) -> None:
    """Give the directory its name; raises EditError."""
    if staged == directory:
        return
    try:
        os.rename(staged, directory)
        edit.sync_directory(domain.directory)
    except OSError as error:
        if os.path.isdir(os.path.join(directory, "Maildir")):
            aside.purge(staged)  # a delivery has made the mailbox meanwhile
            return
        raise edit.because(directory, error) from error


def former_account(source: str) -> Account | None:
    """Read the account that a removed mailbox had; None when that is not known."""
    try:
        with open(source + ACCOUNT_SUFFIX, "rb") as file:
            name, _colon, rest = file.read(_ACCOUNT_BYTES_MAX).rstrip(b"\n").partition(b":")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AccountError(f"{error.filename}: {words_of(error)}: run this as root") from error
    try:
        return vpasswd.parse_record(name, rest)
    except RecordError as error:
        raise AccountError(f"{source}{ACCOUNT_SUFFIX}: {error}") from error


def forget_former(source: str) -> None:
    """Remove the note of a former account, which is an account again."""
    if source:
        aside.purge(source + ACCOUNT_SUFFIX)


def forget_sums(directory: str) -> None:
    """Let the next delivery count the mailbox anew, since its quota has changed."""
    path = os.path.join(directory, "Maildir", "maildirsize")
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # there were no sums
    except OSError as error:
        raise edit.because(path, error) from error


def removal(domain: Domain, account: Account, directory: str) -> Task:
    """Describe a removal for the journal; the directory is empty when it stays."""
    name = os.fsdecode(account.name)
    return {
        "name": name,
        "directory": directory,
        "target": aside.choose(domain.directory, name),
        "line": os.fsdecode(vpasswd.render_line(account)),
    }


def finish_removal(domain: Domain, task: Task) -> None:
    """Move a removed mailbox's mail aside, its former account beside it; raises EditError."""
    target = task["target"]
    aside.prepare(target, domain.owner)
    line = os.fsencode(task["line"]) + b"\n"
    edit.replace(target + ACCOUNT_SUFFIX, line, SECRET_MODE, domain.owner)
    if task["directory"]:
        aside.move(task["directory"], target, domain.owner)


@contextmanager
def alone(site: Site, domain: Domain) -> Iterator[None]:
    """Change a domain's mailboxes as its owner, one command at a time, after what was killed.

    Raises:
        AccountError, EditError: the files cannot be changed.
    """
    # vpopmail's own lock is taken and given back by each step; this one spans them.
    with as_user(*domain.owner), edit.alone_in(domain.directory):
        finish(site, domain)
        yield


def finish(site: Site, domain: Domain) -> None:
    """Finish what a killed command began in a domain, and remove what it left."""
    kept = journal_of(domain)
    task = kept.unfinished()
    if task is not None:
        if site.writer.find(domain, os.fsencode(task["name"])).answer != YES:
            finish_removal(domain, task)
        kept.end()
    try:
        site.writer.create(domain)
    except AccountChangeError as error:
        raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error
    journal.sweep(domain.directory)
    journal.sweep(os.path.join(domain.directory, aside.NAME))


def journal_of(domain: Domain) -> Journal:
    """Return the journal of a domain's mailboxes."""
    return Journal(os.path.join(domain.directory, JOURNAL_NAME), domain.owner)
