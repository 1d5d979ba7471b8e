import pytest

from glassmail.core.formats.database_address import AddressError, DatabaseAddress, Kind, parse


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (b"sqlite", DatabaseAddress(Kind.SQLITE)),
        (b"sqlite:/a/b.db", DatabaseAddress(Kind.SQLITE, "/a/b.db")),
        (b"sqlite:///a/b.db", DatabaseAddress(Kind.SQLITE, "/a/b.db")),
        (
            b"postgresql://glass@db.test:5433/mail",
            DatabaseAddress(Kind.POSTGRESQL, "", "db.test", 5433, "glass", "mail"),
        ),
        (
            b"postgres://[2001:db8::1]/mail",
            DatabaseAddress(Kind.POSTGRESQL, "", "2001:db8::1", 5432, "", "mail"),
        ),
        (b"mysql:///mail", DatabaseAddress(Kind.MARIADB, "", "", 3306, "", "mail")),
        (
            b"mariadb://m@/run/x.sock/mail",
            DatabaseAddress(Kind.MARIADB, "", "/run/x.sock", 3306, "m", "mail"),
        ),
    ],
)
def test_addresses(line, address):
    assert parse(line) == address
    assert parse(str(address).encode()) == address


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "write sqlite"),
        (b"oracle://x/y", "write sqlite"),
        (b"sqlite:relative.db", "path from /"),
        (b"postgresql://u:secret@h/n", "accountsdb.password"),
        (b"postgresql://h/", "name of the data base"),
        (b"postgresql://h:70000/n", "not a port"),
        (b"postgresql://h:1_0/n", "not a port"),
        (b"sqlite:/a\x01", "control characters"),
        (b"sqlite:/\xff", "not UTF-8"),
    ],
)
def test_what_names_none(line, told):
    with pytest.raises(AddressError, match=told) as caught:
        parse(line)
    assert "secret" not in str(caught.value)
