"""qmail-getpw LOCAL: which account takes mail for a local part (qmail-getpw.9, qmail-getpw.c)."""

import os
import sys

from glassmail.core.formats.control import parse_line
from glassmail.core.formats.daemons import DaemonsError
from glassmail.settings.place import Place, find_root
from glassmail.stations.system_users import HOME_TROUBLE, find_account, find_alias
from glassmail.stations.users import sources_of
from glassmail.store.control import ControlError, read_file

# qlx.h: what qmail-lspawn makes of each exit code.
QLX_NFS = 115
QLX_NOALIAS = 116
QLX_SYS = 118


def main(argv: list[str] | None = None) -> int:
    """Run the command: six fields on standard output, each ended by a NUL."""
    arguments = sys.argv if argv is None else argv
    if len(arguments) < 2:
        return 100
    local = os.fsencode(arguments[1])
    place = Place(find_root(None))
    try:
        data = read_file(place.path("control", "breakcharacter"))
        sources = sources_of(place)  # deliveries take the alias user of users/daemons
    except (ControlError, DaemonsError, OSError):
        return QLX_SYS
    break_character = b"-" if data is None else parse_line(data)[:1]
    user, report = find_account(local, break_character, [], skips_closed=True)
    if report is not None:
        return QLX_NFS if report is HOME_TROUBLE else QLX_SYS
    if user is None:
        user, _ = find_alias(local, sources.alias_home, sources.alias_ids)
    if user is None:
        return QLX_NOALIAS
    fields = (user.name, b"%d" % user.uid, b"%d" % user.gid, user.home, user.dash, user.ext)
    sys.stdout.buffer.write(b"".join(field + b"\0" for field in fields))
    sys.stdout.buffer.flush()
    return 0
