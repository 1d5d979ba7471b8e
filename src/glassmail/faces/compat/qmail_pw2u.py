"""qmail-pw2u < PASSWD > ASSIGN: make lines of users/assign from a passwd file (qmail-pw2u.c).

Nothing is printed unless everything went well, so that a half list never reaches users/assign.
"""

import getopt
import os
import sys

from glassmail.core.formats import pw2u
from glassmail.core.formats.control import Table, parse_list, parse_map
from glassmail.core.formats.pw2u import Account, Lists, NoSuchUserError, Options
from glassmail.faces.compat.missing_root import tell_person
from glassmail.settings.place import find_root
from glassmail.stations.system_users import ALIAS_NAME
from glassmail.store.control import ControlError, read_file


class _FatalError(Exception):
    """The command ends with this text."""


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    arguments = sys.argv if argv is None else argv
    try:
        pairs, _ = getopt.getopt(arguments[1:], "/ohHuUc:C")
    except getopt.GetoptError:
        return 100
    options = _options(pairs)
    try:
        output = _run(options)
    except _FatalError as error:
        sys.stderr.buffer.write(b"qmail-pw2u: fatal: " + error.args[0] + b"\n")
        sys.stderr.buffer.flush()
        return 111
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return 0


def _options(pairs: list[tuple[str, str]]) -> Options:
    options = Options()
    for name, value in pairs:
        match name:
            case "-/":
                options = options._replace(dash=b"-/")
            case "-o" | "-h" | "-H":
                options = options._replace(home_rule={"-o": 2, "-h": 1, "-H": 0}[name])
            case "-u" | "-U":
                options = options._replace(skips_upper=name == "-U")
            case _:
                options = options._replace(break_character=os.fsencode(value)[:1])
    return options


def _run(options: Options) -> bytes:
    root = find_root(None)
    try:
        os.chdir(root)
    except OSError:
        tell_person("qmail-pw2u", root)
        raise _FatalError(b"unable to chdir") from None
    lists = Lists(_table("include"), _table("exclude"), _table("mailnames", is_map=True))
    accounts = []
    out = []
    for line in sys.stdin.buffer.read().split(b"\n"):
        account = pw2u.read_account(line, options, lists)
        if account is None or not _home_counts(account, options):
            continue
        accounts.append(account)
        out.append(pw2u.account_lines(account, ALIAS_NAME, options, lists))
    if not any(account.name == ALIAS_NAME for account in accounts):
        raise _FatalError(b"unable to find " + ALIAS_NAME + b" user")
    try:
        out.append(pw2u.subuser_lines(_read("subusers") or b"", accounts, options))
    except NoSuchUserError as error:
        raise _FatalError(b"unable to find " + error.name + b" user for subuser") from None
    out.append(_read("append") or b"")
    return b"".join(out) + b".\n"


def _home_counts(account: Account, options: Options) -> bool:
    """Judge the home: 2 skips a missing one, 1 stops at it, 0 does not look."""
    if not options.home_rule:
        return True
    try:
        owner = os.stat(account.home).st_uid
    except FileNotFoundError:
        if options.home_rule == 1:
            raise _FatalError(b"unable to stat " + account.home) from None
        return False
    except OSError:
        raise _FatalError(b"unable to stat " + account.home) from None
    return owner == account.uid_number


def _table(name: str, *, is_map: bool = False) -> Table:
    data = _read(name)
    return (parse_map if is_map else parse_list)(f"users/{name}", data)


def _read(name: str) -> bytes | None:
    try:
        return read_file(f"users/{name}")
    except ControlError:
        raise _FatalError(b"unable to read controls") from None
