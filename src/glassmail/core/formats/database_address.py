"""Where accounts are kept when not in vpasswd files: the line of control/accountsdb.

    sqlite                                  ROOT/domains/.accounts.db
    sqlite:/var/lib/accounts.db             another file
    postgresql://user@host:5432/name        a server; without host its local socket
    mariadb://user@host:3306/name           likewise

Refuses:
    A password in the line: control files are shown by many commands. It stands in
    ROOT/users/accountsdb.password, which only the owner of the domains may read. An error never
    quotes the line, for the same reason.
"""

from enum import Enum
from typing import NamedTuple

LINE_BYTES_MAX = 1_000
_PORT_DIGITS_MAX = 5
_FORMS = "write sqlite, sqlite:/FILE, postgresql://USER@HOST/NAME or mariadb://USER@HOST/NAME"


class Kind(Enum):
    """The data bases that can keep accounts."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MARIADB = "mariadb"


_SCHEMES = {
    b"postgresql": Kind.POSTGRESQL,
    b"postgres": Kind.POSTGRESQL,
    b"mariadb": Kind.MARIADB,
    b"mysql": Kind.MARIADB,
}
_PORTS = {Kind.POSTGRESQL: 5432, Kind.MARIADB: 3306}


class DatabaseAddress(NamedTuple):
    """One data base.

    Attributes:
        kind: which program.
        path: SQLite's file; empty for the site's own.
        host: name or address; empty for the local socket, or a directory (PostgreSQL) or socket
            file (MariaDB) beginning with `/`.
        port: of the server.
        user: whom we log in as; empty for the process's own name.
        name: of the data base.
    """

    kind: Kind
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.SQLITE:
            return f"sqlite:{self.path}" if self.path else "sqlite"
        user = f"{self.user}@" if self.user else ""
        return f"{self.kind.value}://{user}{self.host}:{self.port}/{self.name}"


class AddressError(ValueError):
    """A line names no data base; the text says what is wrong and what to write."""


def parse(line: bytes) -> DatabaseAddress:
    """Read the line; raises AddressError."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AddressError(f"not UTF-8: {_FORMS}") from error
    if len(line) > LINE_BYTES_MAX or not text.isprintable():
        raise AddressError(f"too long, or control characters: {_FORMS}")
    if text == "sqlite":
        return DatabaseAddress(Kind.SQLITE)
    if text.startswith("sqlite:"):
        path = text.removeprefix("sqlite:").removeprefix("//")
        if not path.startswith("/"):
            raise AddressError("name SQLite's file by a path from /")
        return DatabaseAddress(Kind.SQLITE, path)
    scheme, found, rest = text.partition("://")
    kind = _SCHEMES.get(scheme.encode())
    if kind is None or not found:
        raise AddressError(_FORMS)
    where, _slash, name = rest.rpartition("/")
    user, _at, host = where.rpartition("@")
    if ":" in user or "@" in name or "?" in rest:
        raise AddressError(
            "a password stands in the line: write it into users/accountsdb.password instead"
        )
    if not name or ":" in name:
        raise AddressError(f"the name of the data base is missing: {_FORMS}")
    host, port = _host_and_port(host, _PORTS[kind])
    return DatabaseAddress(kind, "", host, port, user, name)


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    host, colon, digits = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        return text.strip("[]"), default
    is_number = digits and digits.isascii() and digits.isdigit()
    if not is_number or len(digits) > _PORT_DIGITS_MAX or not 0 < int(digits) < 65_536:
        raise AddressError("not a port: write 1 to 65535 behind the colon")
    return host.strip("[]"), int(digits)
