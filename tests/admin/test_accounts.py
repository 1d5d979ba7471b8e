import os
from pathlib import Path

import pytest

from glassmail.admin import accounts
from glassmail.admin.accounts import AccountError, NewMailbox, Site
from glassmail.core.formats import vpasswd
from glassmail.store import passwords
from glassmail.store.accounts import Mailboxes
from glassmail.store.cdb import Cdb
from tests.admin.site import make


@pytest.fixture
def site(tmp_path):
    return Site.at(make(tmp_path))


def read(site, *parts):
    return Path(site.place.path(*parts)).read_bytes()


def test_the_lines_that_vadddomain_writes(site):
    accounts.add_domain(site, b"Another.test", b"delete")
    root = os.fsencode(site.place.root)
    ids = b"%d:%d" % site.owner
    assert read(site, "users", "assign") == b"".join(
        b"+%s-:%s:%s:%s/domains/%s:-::\n" % (domain, domain, ids, root, domain)
        for domain in (b"another.test", b"example.test", b"example2.test")
    ) + b".\n"  # fmt: skip
    assert b"another.test:another.test\n" in read(site, "control", "virtualdomains")
    assert read(site, "control", "rcpthosts").split() == [
        b"another.test", b"example.test", b"example2.test", b"mx.example.test"
    ]  # fmt: skip
    assert read(site, "domains", "another.test", ".qmail-default") == b"| vdelivermail '' delete\n"
    found = Cdb(site.place.assign_cdb).find(b"!another.test-")
    assert found is not None
    assert found.startswith(b"another.test\0")


def test_a_domain_leaves_locals(site):
    assert read(site, "control", "locals") == b"mx.example.test\n"
    accounts.add_domain(site, b"mx.example.test")
    assert read(site, "control", "locals") == b""


def test_without_locals_the_host_is_local_by_me(site):
    os.unlink(site.place.path("control", "locals"))
    accounts.add_domain(site, b"further.test")
    assert not os.path.exists(site.place.path("control", "locals"))
    accounts.add_domain(site, b"mx.example.test")
    assert read(site, "control", "locals") == b""


def test_a_domain_is_made_once(site):
    with pytest.raises(AccountError, match="exists already"):
        accounts.add_domain(site, b"EXAMPLE.test")


def test_fifty_domains_and_then_morercpthosts(site):
    lines = b"".join(b"d%d.test\n" % number for number in range(60))
    Path(site.place.path("control", "rcpthosts")).write_bytes(lines)
    accounts.add_domain(site, b"fresh.test")
    assert read(site, "control", "rcpthosts") == lines
    assert read(site, "control", "morercpthosts") == b"fresh.test\n"
    assert Cdb(site.place.path("control", "morercpthosts.cdb")).find(b"fresh.test") == b""


def test_lines_of_others_keep_their_order(site):
    path = Path(site.place.path("control", "rcpthosts"))
    path.write_bytes(b"# ours\nzebra.test\n.sub.test\nalpha.test")
    accounts.add_domain(site, b"middle.test")
    assert path.read_bytes() == b"# ours\nmiddle.test\nzebra.test\n.sub.test\nalpha.test\n"


def test_a_mailbox(site):
    new = NewMailbox(b"Carl", b"pass:word", b"1MB", b"Carl C.")
    accounts.add_mailbox(site, b"example.test", new)
    directory = os.fsencode(site.place.path("domains", "example.test"))
    account = Mailboxes().find(directory, b"carl").account
    assert passwords.verify(b"pass:word", account.crypted)
    assert account.directory == directory + b"/carl"
    assert (account.quota, account.gecos, account.clear) == (b"1048576S", b"Carl C.", b"")
    for part in ("", "/cur", "/new", "/tmp"):
        mode = os.stat(os.fsdecode(account.directory) + "/Maildir" + part).st_mode & 0o7777
        assert mode == 0o700
    names = [line.split(b":")[0] for line in read(site, "domains", "example.test", "vpasswd")
             .splitlines()]  # fmt: skip
    assert names == [b"bob", b"carl", b"tammy"]
    assert os.stat(directory + b"/vpasswd").st_mode & 0o777 == 0o600


def test_a_taken_name_changes_nothing(site):
    before = read(site, "domains", "example.test", "vpasswd")
    wanted = [NewMailbox(b"new", b"x"), NewMailbox(b"bob", b"x")]
    with pytest.raises(AccountError, match="bob: the mailbox exists already"):
        accounts.add_mailboxes(site, b"example.test", wanted)
    assert read(site, "domains", "example.test", "vpasswd") == before
    assert not os.path.exists(site.place.path("domains", "example.test", "new"))


def test_broken_lines_survive_an_edit(site):
    path = Path(site.place.path("domains", "example.test", "vpasswd"))
    path.write_bytes(path.read_bytes() + b"broken:line\n")
    accounts.add_mailbox(site, b"example.test", NewMailbox(b"carl", b"x"))
    table = vpasswd.parse(path.read_bytes())
    assert set(table.broken) == {b"broken"}
    assert set(table.accounts) == {b"bob", b"carl", b"tammy"}
    with pytest.raises(AccountError, match="nobody can tell whether the mailbox exists"):
        accounts.add_mailbox(site, b"example.test", NewMailbox(b"broken", b"x"))


@pytest.mark.parametrize(
    "new",
    [
        NewMailbox(b"", b"x"),
        NewMailbox(b"../x", b"x"),
        NewMailbox(b"a/b", b"x"),
        NewMailbox(b".hidden", b"x"),
        NewMailbox(b"a:b", b"x"),
        NewMailbox(b"x" * 65, b"x"),
        NewMailbox(b"a", b""),
        NewMailbox(b"a", b"x", b"lots"),
        NewMailbox(b"a", b"x", b"", b"a:b"),
        NewMailbox(b"a", b"x", b"", b"a\nb"),
    ],
)
def test_mailboxes_that_cannot_be(site, new):
    with pytest.raises(AccountError):
        accounts.add_mailbox(site, b"example.test", new)


@pytest.mark.parametrize("domain", [b"", b"local", b"a..b", b".test", b"a_b.test", b"a/b.test"])
def test_domains_that_cannot_be(site, domain):
    with pytest.raises(AccountError):
        accounts.add_domain(site, domain)


def test_an_alias(site):
    accounts.add_alias(site, b"example.test", b"first.last", [b"a@b.test", b"|x@b.test"])
    accounts.add_alias(site, b"example.test", b"First.Last", [b"c@b.test"])
    # The file that valias writes has no `&` (vpopmail-commands.txt); a dot becomes a colon.
    written = read(site, "domains", "example.test", ".qmail-first:last")
    assert written == b"a@b.test\n&|x@b.test\nc@b.test\n"


@pytest.mark.parametrize("target", [b"", b"nobody", b"a@", b"@b", b"a b@c.test", b"a@b\n|x"])
def test_targets_that_cannot_be(site, target):
    with pytest.raises(AccountError):
        accounts.add_alias(site, b"example.test", b"x", [target])


def test_catch_alls(site):
    for argument, word in (
        (b"delete", b"delete"),
        (b"x@y.test", b"x@y.test"),  # as vadddomain -e writes it
        (b"/srv/mail", b"/srv/mail"),
        (b"o*x@y.test", b"'o*x@y.test'"),
    ):
        accounts.set_catch_all(site, b"example.test", argument)
        line = read(site, "domains", "example.test", ".qmail-default")
        assert line == b"| vdelivermail '' " + word + b"\n"
    for argument in (b"nonsense", b"x'y@z.test", b"/a b", b"a@b.test\n", b"/srv/../etc"):
        with pytest.raises(AccountError):
            accounts.set_catch_all(site, b"example.test", argument)


def test_an_unknown_domain(site):
    with pytest.raises(AccountError, match="does not exist"):
        accounts.set_catch_all(site, b"unknown.test", b"delete")


@pytest.mark.covers("control/passwordhash")
def test_passwords_are_hashed_as_the_setting_says(site):
    Path(site.place.control, "passwordhash").write_text("argon2id\n")
    accounts.add_mailbox(site, b"example.test", NewMailbox(b"ann", b"a secret"))
    assert b"\nann:$argon2id$" in b"\n" + read(site, "domains", "example.test", "vpasswd")
    Path(site.place.control, "passwordhash").unlink()
    accounts.add_mailbox(site, b"example.test", NewMailbox(b"zoe", b"a secret"))
    assert b"\nzoe:$6$" in read(site, "domains", "example.test", "vpasswd")
