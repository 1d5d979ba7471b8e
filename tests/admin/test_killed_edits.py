"""A kill at any call of an edit leaves each file old or new, and the next command finishes."""

import os
from pathlib import Path

import pytest

from glassmail.admin import aliases, mailboxes, virtual_domains
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.admin.virtual_domains import NewDomain
from glassmail.core.formats import assign, vpasswd
from glassmail.core.model.trail import NO, YES
from glassmail.settings.place import Place
from glassmail.store.accounts import Mailboxes
from glassmail.store.cdb import Cdb
from tests.admin.killing import KillPoints, tree
from tests.admin.site import make

HASH = b"$6$abcdefgh$abcdefgh"
NEW = NewMailbox(b"postmaster", crypted=HASH)
FILES = (
    "control/virtualdomains", "control/rcpthosts", "control/locals", "users/assign", "users/cdb",
)  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return make(tmp_path).root


def site(root):
    return Site.at(Place(root))


def add_domain(root):
    virtual_domains.add(site(root), Changes(), NewDomain(b"fresh.test", postmaster=NEW))


def remove_domain(root):
    virtual_domains.remove(site(root), Changes(), b"example.test")


def finished(root):
    """What the next command does first, whatever it is asked for."""
    with pytest.raises(AccountError):
        virtual_domains.remove(site(root), Changes(), b"nobody.test")


def files(root):
    return {name: (Path(root) / name).read_bytes() for name in FILES}


def leads_to(root, domain):
    """Which of the files lead mail for a domain on."""
    at = Place(root)
    assign.parse(Path(at.assign).read_bytes())
    found = Cdb(at.assign_cdb).find(b"!" + domain + b"-") is not None
    return {
        "rcpthosts": domain in Path(at.control, "rcpthosts").read_bytes().split(b"\n"),
        "virtualdomains": domain + b":" in Path(at.control, "virtualdomains").read_bytes(),
        "assign": found,
        "directory": Path(at.domains, os.fsdecode(domain), "vpasswd.cdb").exists(),
    }


def test_a_domain_is_added_whole_or_not_at_all(root):
    points = KillPoints(root, lambda: add_domain(root))
    old = files(root)
    assert points.run(10_000)
    new, whole = files(root), tree(root)
    count = 0
    for number in points.each():
        count += 1
        for name, data in files(root).items():
            assert data in (old[name], new[name]), (number, name)
        led = leads_to(root, b"fresh.test")
        if led["rcpthosts"]:
            assert all(led.values()), number
        if led["virtualdomains"]:
            assert led["assign"]
            assert led["directory"]
        finished(root)
        led = leads_to(root, b"fresh.test")
        assert len(set(led.values())) == 1, (number, led)
        if not led["assign"]:
            add_domain(root)
        assert tree(root) == whole, number
    assert count > 60


def test_a_domain_is_removed_whole_or_not_at_all(root):
    points = KillPoints(root, lambda: remove_domain(root))
    old = files(root)
    assert points.run(10_000)
    new = files(root)
    mail = {name for name in tree(points.spare) if name.startswith("domains/example.test/")}
    for number in points.each():
        for name, data in files(root).items():
            assert data in (old[name], new[name]), (number, name)
        led = leads_to(root, b"example.test")
        if led["rcpthosts"]:
            assert all(led.values()), number
        finished(root)
        led = leads_to(root, b"example.test")
        assert len(set(led.values())) == 1, (number, led)
        if led["assign"]:
            remove_domain(root)
        assert files(root) == new
        [aside] = os.listdir(Path(root, "domains", ".removed"))
        kept = {name.replace(f".removed/{aside}", "example.test") for name in tree(root)}
        assert mail <= kept, number
        assert not Path(root, "users", ".glass-pending").exists()


def test_a_mailbox_is_added_whole_or_not_at_all(root):
    def add():
        mailboxes.add(site(root), Changes(), b"example.test", [NewMailbox(b"carl", crypted=HASH)])

    directory = Path(root, "domains", "example.test")
    points = KillPoints(root, add)
    old = (directory / "vpasswd").read_bytes()
    assert points.run(10_000)
    new, whole = (directory / "vpasswd").read_bytes(), tree(directory)
    for number in points.each():
        assert (directory / "vpasswd").read_bytes() in (old, new)
        found = Mailboxes().find(os.fsencode(directory), b"carl")
        assert found.answer in (YES, NO)
        assert Mailboxes().find(os.fsencode(directory), b"bob").answer == YES
        if found.answer == NO:
            add()
            assert {n: d for n, d in tree(directory).items() if ".new." not in n} == whole, number
        else:  # what a delivery would make is missing at most
            assert mailboxes.find(site(root), site(root).domain(b"example.test"), b"carl")


def test_a_mailbox_is_removed_whole_or_not_at_all(root):
    def remove():
        at = site(root)
        mailboxes.remove(at, Changes(), at.domain(b"example.test"), b"bob")

    directory = Path(root, "domains", "example.test")
    letter = directory / "bob" / "Maildir" / "new" / "1.2.3"
    letter.write_bytes(b"mail")
    points = KillPoints(root, remove)
    for number in points.each():
        found = Mailboxes().find(os.fsencode(directory), b"bob").answer
        at = site(root)
        other = NewMailbox(b"other", crypted=HASH)
        mailboxes.add(at, Changes(), b"example.test", [other])  # the next command in the domain
        assert Mailboxes().find(os.fsencode(directory), b"bob").answer == found
        if found == YES:
            assert letter.exists(), number
            remove()
        assert not (directory / "bob").exists(), number
        [kept] = [p for p in (directory / ".removed").iterdir() if p.suffix != ".account"]
        assert (kept / "Maildir" / "new" / "1.2.3").read_bytes() == b"mail"
        table = vpasswd.parse((directory / "vpasswd").read_bytes())
        assert set(table.accounts) == {b"other", b"tammy"}


@pytest.mark.parametrize("what", ["password", "alias"])
def test_a_change_of_one_file(root, what):
    def change():
        at = site(root)
        domain = at.domain(b"example.test")
        if what == "alias":
            aliases.add_lines(at, Changes(), domain, b"sales", [b"bob@example.test"])
            return
        alter = lambda account: account._replace(crypted=HASH)  # noqa: E731
        mailboxes.change(at, Changes(), domain, [b"bob"], alter)

    name = ".qmail-sales" if what == "alias" else "vpasswd"
    path = Path(root, "domains", "example.test", name)
    points = KillPoints(root, change)
    old = path.read_bytes()
    assert points.run(10_000)
    new = path.read_bytes()
    seen = set()
    for _ in points.each():
        seen.add(path.read_bytes())
        found = Mailboxes().find(os.fsencode(path.parent), b"bob")
        assert found.answer == YES
        if what == "password":
            assert (found.account.crypted == HASH) == (path.read_bytes() == new)
        change() if path.read_bytes() == old else None
        assert path.read_bytes() == new
    assert seen == {old, new}
