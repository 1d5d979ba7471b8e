import os
import threading

import pytest

from glassmail.core.formats.database_address import Kind
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store.account_writer import (
    AccountChangeError,
    Domain,
    MissingError,
    TakenError,
    TooManyError,
)
from glassmail.store.accounts import Mailboxes
from glassmail.store.sql import reader, schema
from glassmail.store.sql.choice import SiteAccounts
from glassmail.store.sql.database import address_of, open_session
from glassmail.store.sql.session import SqlError
from glassmail.store.sql.writer import SqlWriter

ODD = Account(
    b"o'dd", b"$6$x$y", b"1", 0x4_0000, b'J\xf6rg \\ "%s" ?', b"/d/\xc3\xb6", b"1S,2C", b"c:l"
)


def account(name, **changes):
    plain = Account(name, b"$6$a$b", b"1", 0, name, b"/x/" + name, b"NOQUOTA")
    return plain._replace(**changes)


@pytest.fixture
def domain(db_site):
    return Domain(b"example.com", str(db_site.directory()), db_site.owner)


@pytest.fixture
def writer(db_site, domain):
    made = SqlWriter(str(db_site.root))
    made.create(domain)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _connections_end():
    yield
    for each in reader._databases.values():
        each.close()
    reader._databases.clear()


def look_up(domain, name):
    return Mailboxes().find(os.fsencode(domain.directory), name)


def test_adding_finding_removing(writer, domain):
    assert writer.find(domain, b"bob").answer == NO
    writer.add(domain, [account(b"bob"), ODD])
    assert writer.find(domain, b"o'dd").account == ODD
    assert look_up(domain, b"o'dd").account == ODD
    assert look_up(domain, b"bob").answer == YES
    assert look_up(domain, b"bob ").answer == NO
    assert look_up(domain, b"BOB").answer == NO
    assert look_up(domain, b"nobody").answer == NO
    assert writer.count(domain) == 2
    assert list(writer.read(domain).accounts) == [b"bob", b"o'dd"]
    assert writer.remove(domain, b"bob") == account(b"bob")
    assert look_up(domain, b"bob").answer == NO
    with pytest.raises(MissingError, match="bob"):
        writer.remove(domain, b"bob")


def test_all_or_none(writer, domain):
    writer.add(domain, [account(b"bob")])
    with pytest.raises(TakenError, match="bob: the mailbox exists"):
        writer.add(domain, [account(b"ann"), account(b"bob")])
    with pytest.raises(TooManyError, match="1 mailboxes are there and 2"):
        writer.add(domain, [account(b"ann"), account(b"cid")], 2)
    assert writer.count(domain) == 1
    writer.add(domain, [account(b"ann")], 2)
    assert writer.count(domain) == 2


def test_changing(writer, domain):
    writer.add(domain, [account(b"bob"), account(b"ann")])
    (changed,) = writer.change(domain, [b"bob"], lambda old: old._replace(flags=16))
    assert (changed.before.flags, changed.after.flags) == (0, 16)
    assert look_up(domain, b"bob").account.flags == 16
    assert writer.change(domain, [b"bob"], lambda old: old) == []
    assert len(writer.change(domain, None, lambda old: old._replace(quota=b"5S"))) == 2

    def spoil(old):
        if old.name == b"bob":
            raise ValueError("no")
        return old._replace(quota=b"6S")

    with pytest.raises(ValueError, match=r"^no$"):
        writer.change(domain, None, spoil)
    assert {each.quota for each in writer.read(domain).accounts.values()} == {b"5S"}
    with pytest.raises(MissingError):
        writer.change(domain, [b"bob", b"none"], lambda old: old._replace(quota=b"7S"))
    assert writer.find(domain, b"bob").account.quota == b"5S"


def test_a_domain_that_the_tables_do_not_know(writer, domain):
    writer.add(domain, [account(b"bob")])
    writer.drop(domain)
    assert look_up(domain, b"bob").answer == UNKNOWN  # mail waits; nobody is bounced
    assert "know no domain example.com" in look_up(domain, b"bob").source
    with pytest.raises(AccountChangeError, match="no such domain"):
        writer.add(domain, [account(b"bob")])
    writer.create(domain)
    assert look_up(domain, b"bob").answer == NO


def test_edits_at_once_lose_none(db_site, domain, writer):
    failures = []

    def work(number):
        mine = SqlWriter(str(db_site.root))
        try:
            for turn in range(5):
                mine.add(domain, [account(b"u%d-%d" % (number, turn))])
                mine.change(domain, [b"shared"], lambda old: old._replace(flags=old.flags + 1))
        except AccountChangeError as error:
            failures.append(error)
        finally:
            mine.close()

    writer.add(domain, [account(b"shared")])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert writer.count(domain) == 41
    assert writer.find(domain, b"shared").account.flags == 40


def test_older_tables_are_brought_up_to_date(db_site, domain):
    address = address_of(str(db_site.root))
    session = open_session(str(db_site.root), address)
    try:
        schema.migrate(session, address.kind, 1)
        session.run("INSERT INTO domain (name) VALUES (?)", ("example.com",))
        session.run(
            "INSERT INTO mailbox (domain, name, crypted, uid_field, flags, gecos, directory, "
            "quota, clear) VALUES ('example.com', 'bob', 'x', '1', 0, '', '/x/bob', '', '')"
        )
        writer = SqlWriter(str(db_site.root))
        writer.mark(domain)
        found = look_up(domain, b"bob")
        assert found.answer == UNKNOWN
        assert "version 1" in found.source
        assert writer.find(domain, b"bob").answer == YES
        assert schema.version(session) == schema.VERSION
        writer.close()
        session.run("UPDATE schema_version SET version = 99")
        with pytest.raises(SqlError, match="newer than this program"):
            schema.migrate(session, address.kind)
    finally:
        session.close()


def test_a_step_that_was_half_done_is_done_again(db_site):
    if db_site.kind == Kind.SQLITE.value:
        pytest.skip("SQLite's steps are one transaction")
    address = address_of(str(db_site.root))
    session = open_session(str(db_site.root), address)
    try:
        schema.migrate(session, address.kind)
        session.run("UPDATE schema_version SET version = 0")
        schema.migrate(session, address.kind)
        assert schema.version(session) == schema.VERSION
    finally:
        session.close()


def test_where_a_new_domain_goes(db_site, domain):
    site = SiteAccounts(str(db_site.root))
    assert not site.is_in_directory
    site.create(domain)
    site.add(domain, [account(b"bob")])
    assert isinstance(site.of(domain), SqlWriter)
    assert not os.path.exists(os.path.join(domain.directory, "vpasswd"))
    db_site.control(None)
    assert site.is_in_directory
    other = Domain(b"other.test", str(db_site.directory("other.test")), db_site.owner)
    site.create(other)
    site.add(other, [account(b"bob")])
    assert os.path.exists(os.path.join(other.directory, "vpasswd.cdb"))
    assert isinstance(site.of(domain), SqlWriter)  # it stays where it is
    site.database().close()
    elsewhere = SiteAccounts(os.path.dirname(str(db_site.root)))
    with pytest.raises(AccountChangeError, match="another site's"):
        elsewhere.add(domain, [account(b"ann")])
