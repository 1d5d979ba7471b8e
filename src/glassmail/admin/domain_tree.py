"""The directory of a virtual domain: made whole under another name, put in its place, taken away.

What stands in it is its owner's, and is made with the owner's rights. A domain that is brought
back keeps what it had; accounts that a data base kept lie in `vpasswd.removed` meanwhile.
"""

import os
from collections.abc import Sequence

from glassmail.admin import aside, mailbox_files
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import RecordError
from glassmail.core.model.trail import NO
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.account_writer import AccountChangeError, Domain
from glassmail.store.control import ControlError, read_file

DIRECTORY_MODE = 0o700
SECRET_MODE = 0o600
CATCH_ALL_NAME = ".qmail-default"
_EXPORT_NAME = "vpasswd.removed"


def stage(domain: Domain, catch_all: bytes, mailboxes: Sequence[bytes]) -> str:
    """Make a domain's directory under a name that nobody looks for; return its path.

    Args:
        domain: the domain; its directory's parent is there.
        catch_all: the line of `.qmail-default`.
        mailboxes: names of mailboxes to make in it, without accounts yet.

    Raises:
        EditError: it cannot be made.
    """
    parent = os.path.dirname(domain.directory)
    path = os.path.join(parent, f".new.{os.fsdecode(domain.name)}.{os.getpid()}")
    aside.purge(path)  # of a killed command with our process's number
    edit.make_directory(path, DIRECTORY_MODE, domain.owner)
    with as_user(*domain.owner):
        default = os.path.join(path, CATCH_ALL_NAME)
        edit.replace(default, catch_all, SECRET_MODE, domain.owner)
        staged = domain._replace(directory=path)
        for name in mailboxes:
            directory = os.path.join(path, os.fsdecode(name))
            made = mailbox_files.stage(staged, name, directory, "")
            mailbox_files.put_in_place(made, directory, staged)
    return path


def put_in_place(site: Site, domain: Domain, staged: str, line: bytes) -> None:
    """Give a staged directory its name, and the domain its accounts; may be done again.

    Args:
        site: the site.
        domain: the domain.
        staged: where its directory is; nothing there means that it was renamed already.
        line: the line of vpasswd of its first mailbox, empty for none.

    Raises:
        AccountError, EditError: it cannot be done.
    """
    try:
        if staged != domain.directory and os.path.lexists(staged):
            os.rename(staged, domain.directory)
            edit.sync_directory(os.path.dirname(domain.directory))
            edit.sync_directory(os.path.dirname(staged))
    except OSError as error:
        raise edit.because(domain.directory, error) from error
    try:
        with as_user(*domain.owner):
            site.writer.create(domain)
            _bring_back(site, domain)
            name, _colon, rest = line.partition(b":")
            if name and site.writer.find(domain, name).answer == NO:
                site.writer.add(domain, [vpasswd.parse_record(name, rest)])
    except (AccountChangeError, RecordError) as error:
        raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error


def take_away(site: Site, domain: Domain, target: str) -> None:
    """Move a domain's directory aside, and forget its accounts; may be done again.

    Args:
        site: the site.
        domain: the domain.
        target: where to; empty when the directory stays.

    Raises:
        AccountError, EditError: it cannot be done.
    """
    try:
        if not site.writer.is_in_directory:
            with as_user(*domain.owner):
                _export(site, domain)
            site.writer.drop(domain)
    except AccountChangeError as error:
        raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error
    if target:
        aside.move(domain.directory, target, domain.owner)


def _export(site: Site, domain: Domain) -> None:
    accounts = site.writer.read(domain).accounts.values()
    if accounts and os.path.isdir(domain.directory):
        path = os.path.join(domain.directory, _EXPORT_NAME)
        edit.replace(path, vpasswd.render(accounts), SECRET_MODE, domain.owner)


def _bring_back(site: Site, domain: Domain) -> None:
    path = os.path.join(domain.directory, _EXPORT_NAME)
    try:
        data = read_file(path)
    except ControlError as error:
        raise AccountError(str(error)) from error
    if data is None:
        return
    accounts = [
        account
        for account in vpasswd.parse(data, path).accounts.values()
        if site.writer.find(domain, account.name).answer == NO
    ]
    if accounts:
        site.writer.add(domain, accounts)
    aside.purge(path)
