"""The tables of accounts, and how older ones become the present ones.

    schema_version  version
    domain          name
    mailbox         domain, name, crypted, uid_field, flags, gecos, directory, quota, clear, changed

`mailbox` holds the fields of vpasswd (core.formats.database_text turns their bytes into text);
`changed` is when a row was written, in seconds since 1970, for people.

Always:
    - A program that changes accounts brings the tables to VERSION first, one after another; two
      at once wait for each other. A program that only reads asks for exactly VERSION.
    - Each step can be done again: MariaDB ends a transaction at each CREATE.
"""

from glassmail.core.formats.database_address import Kind
from glassmail.store.sql.session import Session, SqlError

VERSION = 2

# What the three spell differently. Names are compared byte by byte.
_TYPES = {
    Kind.SQLITE: {"key": "TEXT", "text": "TEXT", "end": " WITHOUT ROWID"},
    Kind.POSTGRESQL: {"key": 'VARCHAR(255) COLLATE "C"', "text": "TEXT", "end": ""},
    Kind.MARIADB: {
        "key": "VARCHAR(255)",
        "text": "TEXT",
        "end": " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    },
}

_DOMAIN = "CREATE TABLE IF NOT EXISTS domain (name {key} NOT NULL PRIMARY KEY){end}"
_MAILBOX = (
    "CREATE TABLE IF NOT EXISTS mailbox (domain {key} NOT NULL, name {key} NOT NULL, "
    "crypted {text} NOT NULL, uid_field {text} NOT NULL, flags BIGINT NOT NULL, "
    "gecos {text} NOT NULL, directory {text} NOT NULL, quota {text} NOT NULL, "
    "clear {text} NOT NULL, PRIMARY KEY (domain, name), "
    "FOREIGN KEY (domain) REFERENCES domain (name)){end}"
)
_CHANGED = "ALTER TABLE mailbox ADD COLUMN {if_not_exists}changed BIGINT NOT NULL DEFAULT 0"
_STEPS = ((_DOMAIN, _MAILBOX), (_CHANGED,))


def version(session: Session) -> int:
    """Return the version of the tables, 0 when there are none; raises SqlError."""
    try:
        found = session.rows("SELECT version FROM schema_version")
    except SqlError as error:
        if error.is_gone:
            raise
        return 0  # no such table: each says that in other words
    return int(found[0][0]) if found else 0


def check(session: Session) -> None:
    """Raise SqlError unless the tables are of the present version."""
    found = version(session)
    if found != VERSION:
        raise SqlError(_wrong(found))


def migrate(session: Session, kind: Kind, target: int = VERSION) -> None:
    """Make the tables, or bring older ones up to date; raises SqlError."""
    if version(session) == target:
        return
    session.begin("schema")
    try:
        session.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        found = version(session)
        if found > VERSION:
            raise SqlError(_wrong(found))
        words = {**_TYPES[kind], "if_not_exists": "" if kind is Kind.SQLITE else "IF NOT EXISTS "}
        for number in range(found, target):
            for statement in _STEPS[number]:
                session.run(statement.format(**words))
        session.run("DELETE FROM schema_version")
        session.run("INSERT INTO schema_version (version) VALUES (?)", (target,))
        session.commit()
    except SqlError:
        session.rollback()
        raise


def _wrong(found: int) -> str:
    if not found:
        return "the tables of accounts are not there: glass domain convert makes them"
    if found > VERSION:
        return f"the tables are of version {found}, newer than this program, which knows {VERSION}"
    return f"the tables are of version {found}: any change of an account brings them to {VERSION}"
