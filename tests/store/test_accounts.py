import os

import pytest

from glassmail.core.formats import cdb, vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store.accounts import Mailboxes

BOB = Account(b"bob", b"$6$x", b"1", 0, b"Bob", b"/d/bob", b"NOQUOTA")
ANN = BOB._replace(name=b"ann", directory=b"/d/ann")


@pytest.fixture
def directory(tmp_path):
    return os.fsencode(tmp_path)


def write_text(directory, *accounts, at=None):
    path = os.path.join(directory, b"vpasswd")
    with open(path, "wb") as file:
        file.write(vpasswd.render(accounts))
    if at:
        os.utime(path, ns=(at, at))


def record(account):
    return account.name, vpasswd.render_record(account)


def write_cdb(directory, *accounts, at=None, data=None):
    path = os.path.join(directory, b"vpasswd.cdb")
    with open(path + b".new", "wb") as file:
        file.write(cdb.render(map(record, accounts)) if data is None else data)
    if at:
        os.utime(path + b".new", ns=(at, at))
    os.rename(path + b".new", path)


def test_the_cdb_is_used_unless_it_is_older(directory):
    mailboxes = Mailboxes()
    write_text(directory, BOB, at=2_000_000_000)
    write_cdb(directory, ANN, at=2_000_000_000)
    assert mailboxes.find(directory, b"ann").answer == YES
    assert mailboxes.find(directory, b"bob").answer == NO
    write_text(directory, BOB, at=3_000_000_000)
    found = mailboxes.find(directory, b"bob")
    assert (found.answer, found.account) == (YES, BOB)
    assert found.source.endswith("/vpasswd")
    assert mailboxes.find(directory, b"ann").answer == NO


def test_text_alone_and_its_changes(directory):
    mailboxes = Mailboxes()
    assert mailboxes.find(directory, b"bob").source.endswith("vpasswd (no such file)")
    write_text(directory, BOB)
    assert mailboxes.find(directory, b"bob").account == BOB
    write_text(directory, BOB, ANN)
    assert mailboxes.find(directory, b"ann").account == ANN


def test_a_replaced_cdb_is_seen(directory):
    mailboxes = Mailboxes()
    write_cdb(directory, BOB)
    assert mailboxes.find(directory, b"bob").account == BOB
    write_cdb(directory, ANN)
    assert mailboxes.find(directory, b"bob").answer == NO
    assert mailboxes.find(directory, b"ann").account == ANN


def test_disorder_is_cannot_tell(directory):
    mailboxes = Mailboxes()
    with open(os.path.join(directory, b"vpasswd"), "wb") as file:
        file.write(b"bob:x\n" + vpasswd.render([ANN]))
    found = mailboxes.find(directory, b"bob")
    assert found.answer == UNKNOWN
    assert "vpasswd:1: 2 fields" in found.source
    assert mailboxes.find(directory, b"ann").answer == YES
    write_cdb(directory, data=b"damaged")
    assert mailboxes.find(directory, b"ann").answer == UNKNOWN
    write_cdb(directory, data=cdb.render([(b"bob", b"x:1")]))
    found = mailboxes.find(directory, b"bob")
    assert (found.answer, "vpasswd:1: 2 fields" in found.source) == (UNKNOWN, True)


def test_only_so_many_domains_stay_open(tmp_path):
    mailboxes = Mailboxes(domains_most=2)
    for name in ("a", "b", "c", "a"):
        (tmp_path / name).mkdir(exist_ok=True)
        directory = os.fsencode(tmp_path / name)
        write_text(directory, BOB)
        assert mailboxes.find(directory, b"bob").answer == YES
    assert len(mailboxes._domains) == 2
