"""Accounts move between vpasswd and a data base, whatever happens on the way."""

import os

import pytest

from glassmail.admin import convert, mailboxes, virtual_domains
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.admin.virtual_domains import NewDomain
from glassmail.core.model.trail import NO, YES
from glassmail.stations.accounts import VKind, vdelivermail
from glassmail.store import edit
from glassmail.store.accounts import Mailboxes
from tests.admin.killing import KillPoints, tree
from tests.admin.site import make
from tests.store.sql.connections import forget
from tests.store.sql.servers import PASSWORD, server

NAME = b"example.test"


@pytest.fixture(autouse=True)
def _connections_end():
    yield
    forget()


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def use(place, kind):
    line = "sqlite" if kind == "sqlite" else server(kind).fresh()
    with open(place.path("control", "accountsdb"), "w", encoding="ascii") as file:
        file.write(line + "\n")
    path = place.path("users", "accountsdb.password")
    with open(path, "w", encoding="utf-8") as file:
        file.write(PASSWORD)
    os.chmod(path, 0o600)


def directory(place):
    return os.path.join(place.domains, NAME.decode())


def state(place):
    with open(os.path.join(directory(place), "vpasswd"), "rb") as file:
        return file.read()


def look(place, name):
    return Mailboxes().find(os.fsencode(directory(place)), name).answer


@pytest.mark.covers("control/accountsdb")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_there_and_back(place, kind):
    use(place, kind)
    before = state(place)
    site, changes = Site.at(place), Changes()
    convert.to_database(site, changes, NAME)
    assert convert.place_of(site.domain(NAME)) == convert.DATABASE
    assert "mailboxes moved into the data base" in changes.told[0]
    assert changes.undo == ["glass domain convert example.test --to vpasswd"]
    assert not os.path.exists(os.path.join(directory(place), "vpasswd.cdb"))
    # the same changes as ever, and what a delivery decides
    mailboxes.add(site, changes, NAME, [NewMailbox(b"new", b"secret1")])
    mailboxes.remove(site, changes, site.domain(NAME), b"bob")
    assert (look(place, b"tammy"), look(place, b"new"), look(place, b"bob")) == (YES, YES, NO)
    decided = vdelivermail(os.fsencode(directory(place)), b"new", NAME, b"delete")
    assert decided.kind is VKind.MAILDIR
    assert decided.target == os.fsencode(directory(place)) + b"/new/Maildir/"
    with pytest.raises(AccountError, match="in the data base already"):
        convert.to_database(site, changes, NAME)
    convert.to_files(site, changes, NAME)
    assert convert.place_of(site.domain(NAME)) == convert.FILES
    after = state(place)
    assert {line for line in before.split(b"\n") if line[:4] != b"bob:"} <= set(after.split(b"\n"))
    assert (look(place, b"tammy"), look(place, b"new"), look(place, b"bob")) == (YES, YES, NO)
    assert not os.path.exists(os.path.join(directory(place), convert.FORMER))
    with pytest.raises(AccountError, match="in vpasswd already"):
        convert.to_files(site, changes, NAME)
    convert.to_database(site, changes, NAME)
    assert look(place, b"new") == YES
    site.writer.database().close()


def test_refusals(place):
    site = Site.at(place)
    with pytest.raises(AccountError, match="names no data base"):
        convert.to_database(site, Changes(), NAME)
    with pytest.raises(AccountError, match="does not exist"):
        convert.to_database(site, Changes(), b"none.test")
    use(place, "sqlite")
    with open(os.path.join(directory(place), "vpasswd"), "ab") as file:
        file.write(b"zoe:broken\n")
    with pytest.raises(AccountError, match=r"vpasswd:\d+: .*write the line anew"):
        convert.to_database(site, Changes(), NAME)
    assert look(place, b"tammy") == YES
    assert convert.place_of(site.domain(NAME)) == convert.FILES


@pytest.mark.parametrize(
    "change",
    [lambda site: virtual_domains.add(site, Changes(), NewDomain(b"new.test")),
     lambda site: virtual_domains.remove(site, Changes(), NAME)],
    ids=["add", "remove"],
)  # fmt: skip
def test_a_data_base_that_is_down_holds_up_no_other_domain(place, change):
    use(place, "sqlite")
    site = Site.at(place)
    convert.to_database(site, Changes(), NAME)
    site.writer.database().close()
    with open(place.path("control", "accountsdb"), "w", encoding="ascii") as file:
        file.write("postgresql://glass@127.0.0.1:1/mail\n")
    before = tree(place.root)
    with pytest.raises(AccountError, match=r"127\.0\.0\.1:1"):
        change(Site.at(place))
    assert tree(place.root) == before
    virtual_domains.add_alias(Site.at(place), Changes(), b"alias.test", NAME)
    virtual_domains.remove(Site.at(place), Changes(), b"example2.test")


@pytest.mark.parametrize("way", ["to_database", "to_files"])
def test_a_kill_leaves_the_old_or_the_new(place, way):
    use(place, "sqlite")
    if way == "to_files":
        site = Site.at(place)
        convert.to_database(site, Changes(), NAME)
        site.writer.database().close()
    change = getattr(convert, way)
    points = KillPoints(place.root, lambda: change(Site.at(place), Changes(), NAME))
    for _number in points.each():
        forget()
        assert (look(place, b"tammy"), look(place, b"none")) == (YES, NO)
        forget()
        site = Site.at(place)
        mailboxes.find(site, site.domain(NAME), b"bob")
        told = "already"
        try:  # it goes on from there
            change(site, Changes(), NAME)
        except AccountError as error:
            told = str(error)
        assert "already" in told
        site.writer.database().close()
        assert (look(place, b"tammy"), look(place, b"none")) == (YES, NO)
        forget()


@pytest.mark.parametrize("way", ["to_database", "to_files"])
def test_a_command_that_changes_accounts_is_waited_for(place, way, monkeypatch):
    use(place, "sqlite")
    site = Site.at(place)
    if way == "to_files":
        convert.to_database(site, Changes(), NAME)
    before = convert.place_of(site.domain(NAME))
    monkeypatch.setattr(edit, "LOCK_WAIT_S", 0.0)
    busy = edit.alone_in(directory(place))
    with busy, pytest.raises(AccountError, match="somebody else has held this lock"):
        getattr(convert, way)(site, Changes(), NAME)
    assert convert.place_of(site.domain(NAME)) == before
    getattr(convert, way)(site, Changes(), NAME)
    site.writer.database().close()


@pytest.mark.parametrize("way", ["to_database", "to_files"])
def test_two_conversions_at_once(place, way, monkeypatch):
    use(place, "sqlite")
    site = Site.at(place)
    if way == "to_files":
        convert.to_database(site, Changes(), NAME)
    alone_in = edit.alone_in

    def after_another(path):
        monkeypatch.setattr(edit, "alone_in", alone_in)
        getattr(convert, way)(site, Changes(), NAME)
        return alone_in(path)

    monkeypatch.setattr(edit, "alone_in", after_another)
    with pytest.raises(AccountError, match="already"):
        getattr(convert, way)(site, Changes(), NAME)
    site.writer.database().close()
    assert (look(place, b"tammy"), look(place, b"none")) == (YES, NO)


def test_an_edit_that_waited_for_the_lock_does_not_bring_vpasswd_back(place):
    use(place, "sqlite")
    site = Site.at(place)
    domain = site.domain(NAME)
    files = site.writer.files
    convert.to_database(site, Changes(), NAME)
    account = site.writer.find(domain, b"bob").account
    with pytest.raises(Exception, match="in the data base now: try again"):
        files.add(domain, [account._replace(name=b"late")])
    assert look(place, b"bob") == YES
    site.writer.database().close()


