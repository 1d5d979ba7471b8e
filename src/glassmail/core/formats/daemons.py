"""users/daemons: which uid and gid each process of the server runs as, `role:uid:gid` a line."""

from glassmail.core.formats.control import lines_of, show

ROLES = ("smtpd", "queue", "local", "remote", "keeper", "log", "alias")
ID_MOST = 2**32 - 2  # (uid_t) -1 means "leave as it is" to chown and setresuid


class DaemonsError(ValueError):
    """A line cannot be obeyed; the text names file, line and remedy."""


def parse(data: bytes, name: str = "users/daemons") -> dict[str, tuple[int, int]]:
    """Read the table of role -> (uid, gid).

    Raises:
        DaemonsError: at the first line that is not `role:uid:gid`, or names a role twice. A role
            this version does not know is kept, so that a newer site can be read.
    """
    table: dict[str, tuple[int, int]] = {}
    for number, line in lines_of(data):
        where = f"{name}:{number}: {show(line)}"
        fields = line.split(b":")
        if len(fields) != 3 or not fields[0].isalnum():
            raise DaemonsError(f"{where}: write `role:uid:gid`, as in `smtpd:64011:64011`")
        role = fields[0].decode("ascii")
        if role in table:
            raise DaemonsError(f"{where}: {role} has a line already: remove one")
        table[role] = (_id(fields[1], where), _id(fields[2], where))
    return table


def render(table: dict[str, tuple[int, int]]) -> bytes:
    """Write the table, one line a role."""
    lines = [f"{role}:{uid}:{gid}\n" for role, (uid, gid) in table.items()]
    return "".join(lines).encode("ascii")


def _id(text: bytes, where: str) -> int:
    if not text or len(text) > 10 or text.strip(b"0123456789") or int(text) > ID_MOST:
        raise DaemonsError(f"{where}: uid and gid must be numbers")
    return int(text)
