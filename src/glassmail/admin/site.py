"""A site as the commands that change accounts see it: where things lie, and whose they are."""

import os
from dataclasses import dataclass, field

from glassmail.admin import domain_files
from glassmail.admin.account_error import AccountError
from glassmail.core.formats.control import parse_line
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.settings.place import Place
from glassmail.store.account_writer import AccountWriter, Domain
from glassmail.store.control import ControlError, read_file
from glassmail.store.sql.choice import SiteAccounts
from glassmail.store.vpasswd_writer import VpasswdWriter


@dataclass(frozen=True, slots=True)
class Site:
    """Where accounts live and whose they are.

    Attributes:
        place: where the files are.
        owner: (uid, gid) of the virtual domains, vpopmail's own user and group.
        shown_root: ROOT as files shall name it; differs while a new site is being made aside.
        home: the directory that holds `domains` and `etc`, vpopmail's home; ROOT for new sites.
        writer: what keeps the accounts: vpasswd, or for a site in use where each domain does.
    """

    place: Place
    owner: tuple[int, int]
    shown_root: str = ""
    home: str = ""
    writer: AccountWriter = field(default_factory=VpasswdWriter)

    @classmethod
    def at(cls, place: Place) -> "Site":
        """Return the site at a place; its domains belong to the owner of HOME/domains.

        Raises:
            AccountError: when there is no such directory.
        """
        home = home_of(place)
        try:
            status = os.stat(os.path.join(home, "domains"))
        except OSError as error:
            raise AccountError(
                f"{home}/domains: {words_of(error)}: make it, owned by the user of the virtual "
                "domains, or name vpopmail's home in control/vpopmailhome",
                Fault.BAD_DOMAIN_DIRECTORY,
            ) from error
        owner = (status.st_uid, status.st_gid)
        return cls(place, owner, "", home, SiteAccounts(place.root))

    @property
    def domains(self) -> str:
        """The directory of the virtual domains."""
        return os.path.join(self.home or self.place.root, "domains")

    def etc(self, name: str) -> str:
        """Name a file that vpopmail keeps in its `etc`: vlimits.default, onchange, open-smtp."""
        return os.path.join(self.home or self.place.root, "etc", name)

    def shown(self, path: str) -> bytes:
        """Return a path below ROOT as users/assign and vpasswd shall name it."""
        if self.shown_root:
            path = self.shown_root + path[len(self.place.root) :]
        return os.fsencode(path)

    def actual(self, path: str) -> str:
        """Return where a path that users/assign or vpasswd names really is."""
        if self.shown_root and path.startswith(self.shown_root + "/"):
            return self.place.root + path[len(self.shown_root) :]
        return path

    def entries(self) -> list[domain_files.Entry]:
        """List the virtual domains; raises AccountError when users/assign cannot be read."""
        try:
            return domain_files.entries(self.place)
        except ControlError as error:
            raise AccountError(str(error), Fault.CANNOT_READ_ASSIGN) from error

    def find(self, domain: bytes) -> domain_files.Entry | None:
        """Return a domain's entry, alias domains included; None when there is none."""
        try:
            return domain_files.find(self.place, domain.lower())
        except ControlError as error:
            raise AccountError(str(error), Fault.CANNOT_READ_ASSIGN) from error

    def domain(self, name: bytes) -> Domain:
        """Return the real domain behind a name; raises AccountError when there is none."""
        entry = self.find(name)
        if entry is None:
            shown = name.decode("utf-8", "backslashreplace")
            raise AccountError(
                f"{shown}: the domain does not exist: glass domain list shows those that do, "
                f"glass domain add {shown} makes it",
                Fault.DOMAIN_DOES_NOT_EXIST,
            )
        return Domain(entry.real, self.actual(entry.directory), entry.ids)


def home_of(place: Place) -> str:
    """Find vpopmail's home: as control/vpopmailhome says, else as users/assign shows, else ROOT.

    ROOT it is, too, when a domain of users/assign lies there beside others that do not.

    Raises:
        AccountError: one of the two files cannot be read.
    """
    try:
        named = read_file(os.path.join(place.control, "vpopmailhome"))
        if named is not None and parse_line(named):
            return os.fsdecode(parse_line(named))
        parted = [entry.directory.rpartition("/domains/") for entry in domain_files.entries(place)]
    except ControlError as error:
        raise AccountError(str(error), Fault.CANNOT_READ_ASSIGN) from error
    homes = list(dict.fromkeys(home for home, found, _rest in parted if found and home))
    own = os.path.realpath(place.domains)
    if not homes or any(os.path.realpath(os.path.join(home, "domains")) == own for home in homes):
        return place.root
    return homes[0]
