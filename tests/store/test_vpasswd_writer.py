import errno
import os
from pathlib import Path

import pytest

from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store import edit
from glassmail.store.account_writer import (
    AccountChangeError,
    AccountWriter,
    Domain,
    MissingError,
    TakenError,
    TooManyError,
)
from glassmail.store.accounts import Mailboxes
from glassmail.store.vpasswd_writer import VpasswdWriter

ANN = Account(b"ann", b"$6$a$b", b"1", 0, b"Ann", b"/v/ann", b"20000S", b"clear")
BOB = Account(b"bob", b"$6$c$d", b"1", 2, b"bob", b"/v/bob", b"NOQUOTA")


@pytest.fixture
def domain(tmp_path):
    return Domain(b"example.test", str(tmp_path), (os.getuid(), os.getgid()))


@pytest.fixture
def writer(domain):
    made: AccountWriter = VpasswdWriter()
    made.create(domain)
    made.add(domain, [BOB])
    return made


def text(domain):
    with open(os.path.join(domain.directory, "vpasswd"), "rb") as file:
        return file.read()


def test_a_line_goes_where_it_sorts(writer, domain):
    carl = BOB._replace(name=b"carl")
    writer.add(domain, [carl, ANN])
    assert text(domain).split(b"\n") == [
        b"ann:$6$a$b:1:0:Ann:/v/ann:20000S:clear",
        b"bob:$6$c$d:1:2:bob:/v/bob:NOQUOTA",
        b"carl:$6$c$d:1:2:bob:/v/bob:NOQUOTA",
        b"",
    ]
    assert list(writer.read(domain).accounts) == [b"ann", b"bob", b"carl"]
    assert writer.count(domain) == 3
    with open(os.path.join(domain.directory, ".dir-control"), "rb") as file:
        assert file.read() == b"3\n0 3\n0 0 0\n61 61 61\n0 2 4\n0 0 0\n\n"
    for name in ("vpasswd", "vpasswd.cdb", ".dir-control"):
        assert os.stat(os.path.join(domain.directory, name)).st_mode & 0o7777 == 0o600


def test_all_or_none(writer, domain):
    before = text(domain)
    with pytest.raises(TakenError, match="bob: the mailbox exists already"):
        writer.add(domain, [ANN, BOB])
    with pytest.raises(TooManyError, match="1 mailboxes are there and 1 are allowed"):
        writer.add(domain, [ANN], 1)
    with pytest.raises(MissingError, match="nobody"):
        writer.change(domain, [b"bob", b"nobody"], lambda a: a._replace(flags=9))
    with pytest.raises(MissingError):
        writer.remove(domain, b"nobody")
    assert text(domain) == before
    writer.add(domain, [ANN], 2)


def test_changes(writer, domain):
    writer.add(domain, [ANN])
    [changed] = writer.change(domain, [b"bob"], lambda a: a._replace(flags=0))
    assert changed == (BOB, BOB._replace(flags=0))
    assert writer.find(domain, b"bob").account.flags == 0
    both = writer.change(domain, None, lambda a: a._replace(quota=b"1S"))
    assert [c.after.name for c in both] == [b"ann", b"bob"]
    assert writer.change(domain, None, lambda a: a._replace(quota=b"1S")) == []
    assert writer.remove(domain, b"ann") == ANN._replace(quota=b"1S")
    assert writer.find(domain, b"ann").answer == NO


def test_a_failing_change_changes_nothing(writer, domain):
    before = text(domain)

    def fail(_account):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        writer.change(domain, None, fail)
    assert text(domain) == before


def test_broken_lines_stay_and_can_be_removed(writer, domain):
    path = os.path.join(domain.directory, "vpasswd")
    with open(path, "ab") as file:
        file.write(b"zoe:x:1\nno colon\n")
    writer.add(domain, [ANN])
    assert text(domain).endswith(b"no colon\nzoe:x:1\n")
    found = writer.find(domain, b"zoe")
    assert found.answer == UNKNOWN
    assert f"{path}:4: 3 fields" in found.source
    with pytest.raises(AccountChangeError, match="vpasswd:4: 3 fields"):
        writer.change(domain, [b"zoe"], lambda a: a)
    assert len(writer.change(domain, None, lambda a: a._replace(flags=5))) == 2
    with pytest.raises(TakenError):
        writer.add(domain, [ANN._replace(name=b"zoe")])
    assert writer.remove(domain, b"zoe").name == b"zoe"
    assert writer.find(domain, b"zoe").answer == NO


def test_an_unsorted_file_is_sorted(writer, domain):
    with open(os.path.join(domain.directory, "vpasswd"), "wb") as file:
        file.write(vpasswd.render([BOB]) + vpasswd.render([ANN]))
    writer.add(domain, [BOB._replace(name=b"aaron")])
    assert [line.split(b":")[0] for line in text(domain).splitlines()] == [
        b"aaron", b"ann", b"bob",
    ]  # fmt: skip


def test_a_stale_cdb_is_made_anew(writer, domain):
    path = os.path.join(domain.directory, "vpasswd")
    edit.replace(path, vpasswd.render([ANN, BOB]), 0o600)
    os.utime(path + ".cdb", ns=(1, 1))
    writer.create(domain)
    assert os.stat(path + ".cdb").st_mtime_ns >= os.stat(path).st_mtime_ns
    assert Mailboxes().find(os.fsencode(domain.directory), b"ann").source.endswith("vpasswd.cdb")


def test_edits_within_one_tick_of_the_clock_are_seen(writer, domain, monkeypatch):
    """File times are coarse: the text must be later than the cdb of before, all the same."""
    path = os.path.join(domain.directory, "vpasswd")
    real = os.rename
    far = os.stat(path + ".cdb").st_mtime_ns + 10**15
    os.utime(path + ".cdb", ns=(far, far))

    def killed_before_the_cdb(source, target):
        if target.endswith(".cdb"):
            raise OSError("killed")
        real(source, target)

    monkeypatch.setattr(edit.os, "rename", killed_before_the_cdb)
    with pytest.raises(AccountChangeError, match="killed"):
        writer.add(domain, [ANN])
    assert Mailboxes().find(os.fsencode(domain.directory), b"ann").answer == YES


@pytest.mark.parametrize("name", ["vpasswd", ".dir-control", "vpasswd.cdb"])
def test_a_full_disk_leaves_everything_as_it_was(writer, domain, monkeypatch, name):
    """All three are written before the first is replaced: no account without its directory."""
    files = ("vpasswd", ".dir-control", "vpasswd.cdb")
    paths = [os.path.join(domain.directory, each) for each in files]
    before = [Path(path).read_bytes() for path in paths]
    real = edit.give

    def full(number, owner):
        if os.readlink(f"/proc/self/fd/{number}").endswith(f"/{name}.tmp.{os.getpid()}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number, owner)

    monkeypatch.setattr(edit, "give", full)
    with pytest.raises(AccountChangeError, match="No space left"):
        writer.add(domain, [ANN])
    assert [Path(path).read_bytes() for path in paths] == before
    assert writer.find(domain, b"ann").answer == NO
    assert not [each for each in os.listdir(domain.directory) if ".tmp." in each]


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "vpasswd").mkdir()
    domain = Domain(b"example.test", str(tmp_path), (os.getuid(), os.getgid()))
    with pytest.raises(AccountChangeError, match="vpasswd: Is a directory"):
        VpasswdWriter().read(domain)
    gone = Domain(b"example.test", str(tmp_path / "gone"), (os.getuid(), os.getgid()))
    with pytest.raises(AccountChangeError, match="No such file or directory"):
        VpasswdWriter().add(gone, [ANN])


def test_several_processes_at_once_lose_none(writer, domain):
    children = []
    for number in range(20):
        child = os.fork()
        if not child:
            VpasswdWriter().add(domain, [ANN._replace(name=b"u%02d" % number)])
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 20
    assert writer.count(domain) == 21
    assert Mailboxes().find(os.fsencode(domain.directory), b"u19").answer == YES


def test_a_domain_that_has_its_cdb_alone_loses_nothing(writer, domain):
    writer.add(domain, [ANN])
    os.unlink(os.path.join(domain.directory, "vpasswd"))
    assert list(writer.read(domain).accounts.values()) == [ANN, BOB]
    writer.create(domain)
    assert text(domain) == vpasswd.render([ANN, BOB])
    os.unlink(os.path.join(domain.directory, "vpasswd"))
    with open(os.path.join(domain.directory, "vpasswd.cdb"), "wb") as file:
        file.write(b"damaged")
    with pytest.raises(AccountChangeError, match=r"vpasswd.cdb: the file is too short"):
        writer.add(domain, [ANN])
