"""One conversation: lines in, answers out; no socket.

Always:
    - Before a login FAILED_MAX commands are answered, then the connection ends.
    - A name that does not exist costs what a wrong password costs, and is told the same.
    - A refusal of admin/ becomes `-ERR 0.PLACE` with vpopmail's words; nothing was changed then.
"""

from collections.abc import Callable

from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild import users, words
from glassmail.admin.vpopmaild.alias_commands import AliasCommands
from glassmail.admin.vpopmaild.domains import DomainCommands
from glassmail.admin.vpopmaild.files import FileCommands
from glassmail.admin.vpopmaild.rights import Who
from glassmail.admin.vpopmaild.users import UserCommands
from glassmail.admin.vpopmaild.words import Kind
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import YES
from glassmail.core.model.vpopmail_faults import TEXTS
from glassmail.stations.rights import as_user
from glassmail.store.account_writer import AccountChangeError
from glassmail.store.control import ControlError
from glassmail.store.edit import EditError
from glassmail.store.passwords import verify

GREETING = words.OK
LINE_BYTES_MAX = 4_096
LINES_MAX = 10_000  # of one mod_user, set_limits or write_file
FAILED_MAX = 3

_LOGINS = (b"login", b"clogin", b"slogin")
_ENDS = (b"quit", b"exit", b"q")
_LISTS = (b"add_list", b"mod_list", b"del_list")
_MAPS = (b"get_ip_map", b"add_ip_map", b"del_ip_map", b"show_ip_map")

Command = Callable[[bytes], bytes]


class _Multi:
    """A command whose lines come after it: a check before them, and what is done with them."""

    def __init__(
        self, check: Command, finish: Callable[[bytes, list[bytes]], bytes], rest: bytes
    ) -> None:
        self.check = check
        self.finish = finish
        self.rest = rest
        self.lines: list[bytes] = []


class Session:
    """The state of a conversation.

    Attributes:
        is_over: whether the connection is to be closed after the answer.
    """

    def __init__(self, site: Site) -> None:
        self.is_over = False
        self._site = site
        self._who: Who | None = None
        self._failed = 0
        self._commands: dict[bytes, Command] = {}
        self._multis: dict[bytes, tuple[Command, Callable[[bytes, list[bytes]], bytes]]] = {}
        self._multi: _Multi | None = None

    def answer(self, line: bytes) -> bytes:
        """Answer one line, without its line end."""
        line = line.rstrip(b"\r\n")
        if self._multi is not None:
            return self._collect(line)
        if len(line) > LINE_BYTES_MAX or b"\0" in line:
            self.is_over = True
            return words.fault(Kind.TOO_LONG, 101)
        name, _, rest = line.strip(b" \t").partition(b" ")
        name = name.lower()
        if name in _ENDS:
            self.is_over = True
            return b""
        if self._who is None:
            return self._before_login(name, rest)
        if name == b"help":
            return words.listing(*self._help())
        return self._guarded(lambda: self._obey(name, rest))

    def _before_login(self, name: bytes, rest: bytes) -> bytes:
        self._failed += 1
        self.is_over = self._failed >= FAILED_MAX
        if name in _LOGINS:
            return self._guarded(lambda: self._log_in(name, rest))
        if name == b"help":
            return words.listing(*words.HELP_BEFORE)
        return words.fault(Kind.INVALID_COMMAND, 104)

    def _log_in(self, name: bytes, rest: bytes) -> bytes:
        address, _, password = rest.strip().partition(b" ")
        local, _, domain_name = address.lower().rpartition(b"@")
        who = self._checked(local, domain_name, password.strip(), is_compact=name == b"clogin")
        if who is None:
            return words.fault(Kind.INVALID_LOGIN, 207)
        self.is_over = False
        self._become(who)
        if name == b"slogin":
            return words.OK
        domain = who.domain
        home = self._site.home or self._site.place.root
        return words.listing(
            b"vpopmail_dir " + home.encode("utf-8", "surrogateescape"),
            b"domain_dir " + domain.directory.encode("utf-8", "surrogateescape"),
            b"uid %d" % domain.owner[0],
            b"gid %d" % domain.owner[1],
            *users.info_lines(who.account, who),
        )

    def _checked(
        self, local: bytes, domain_name: bytes, password: bytes, *, is_compact: bool
    ) -> Who | None:
        account: Account | None = None
        domain = None
        if self._site.find(domain_name) is not None:
            domain = self._site.domain(domain_name)
            with as_user(*domain.owner):
                found = self._site.writer.find(domain, local)
            account = found.account if found.answer == YES else None
        is_right = verify(password, account.crypted if account is not None else None)
        if account is None or domain is None or not is_right:
            return None
        return Who(account, domain, is_compact)

    def _become(self, who: Who) -> None:
        self._who = who
        user, domain = UserCommands(self._site, who), DomainCommands(self._site, who)
        files, alias = FileCommands(self._site, who), AliasCommands(self._site, who)
        self._commands = {
            b"user_info": user.user_info, b"get_lastauth": user.get_lastauth,
            b"get_user_size": user.get_user_size, b"list_dir": files.list_dir,
            b"read_file": files.read_file, b"stat_file": files.stat_file,
            b"rm_file": files.rm_file, b"mk_dir": files.mk_dir, b"rm_dir": files.rm_dir,
            b"rename_file": files.rename_file,
        }  # fmt: skip
        self._multis = {
            b"mod_user": (user.may_change, user.mod_user),
            b"write_file": (files.may_write, files.write_file),
        }
        if who.is_domain_admin:
            self._commands |= {
                b"add_user": user.add_user, b"del_user": user.del_user,
                b"list_users": user.list_users, b"user_count": user.user_count,
                b"add_alias": alias.add_alias, b"remove_alias": alias.remove_alias,
                b"delete_alias": alias.delete_alias, b"list_alias": alias.list_alias,
                b"dom_info": domain.dom_info, b"get_limits": domain.get_limits,
                b"get_domain_size": domain.get_domain_size, b"list_lists": domain.list_lists,
            }  # fmt: skip
        if who.is_system:
            self._commands |= {
                b"list_domains": domain.list_domains, b"domain_count": domain.domain_count,
                b"find_domain": domain.find_domain, b"add_domain": domain.add_domain,
                b"del_domain": domain.del_domain, b"add_alias_domain": domain.add_alias_domain,
                b"del_limits": domain.del_limits,
            }  # fmt: skip
            self._multis[b"set_limits"] = (domain.may_set_limits, domain.set_limits)

    def _obey(self, name: bytes, rest: bytes) -> bytes:
        if name in self._commands:
            return self._commands[name](rest)
        if name in self._multis:
            check, finish = self._multis[name]
            problem = check(rest)
            if problem:
                return problem
            self._multi = _Multi(check, finish, rest)
            return words.OK
        if name in _MAPS:
            return words.fault(Kind.NOT_AVAILABLE, 3004)
        if name in _LISTS:
            return words.fault(Kind.NOT_AVAILABLE, 1804)
        return words.fault(Kind.INVALID_COMMAND, 107)

    def _collect(self, line: bytes) -> bytes:
        multi = self._multi
        assert multi is not None
        if line == b".":
            self._multi = None
            return self._guarded(lambda: multi.finish(multi.rest, multi.lines))
        if len(multi.lines) >= LINES_MAX or len(line) > LINE_BYTES_MAX or b"\0" in line:
            self.is_over = True
            return words.fault(Kind.TOO_LONG, 102)
        multi.lines.append(line)
        return b""

    def _guarded(self, work: Callable[[], bytes]) -> bytes:
        try:
            return work()
        except AccountError as error:
            if error.fault is None:
                return words.refusal(199, str(error))
            place, separator = _PLACES.get(error.fault.name, (199, b"."))
            return words.refusal(place, TEXTS[error.fault], separator)
        except (AccountChangeError, EditError, ControlError) as error:
            return words.refusal(198, str(error))
        except OSError as error:
            return words.refusal(197, f"{error.filename}: {words_of(error)}")

    def _help(self) -> tuple[bytes, ...]:
        assert self._who is not None
        if self._who.is_system:
            return words.HELP_SYSTEM
        return words.HELP_DOMAIN if self._who.is_domain_admin else words.HELP_USER


# QUIRK: where vpopmaild notices these; one is written with a comma (sample).
_PLACES = {"USERNAME_EXISTS": (305, b"."), "USER_DOES_NOT_EXIST": (405, b",")}
