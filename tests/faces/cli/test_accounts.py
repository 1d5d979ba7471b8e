"""`glass domain`, `glass user` and `glass alias`, and the commands that undo them."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.core.formats import vpasswd
from glassmail.faces.cli.main import glass
from glassmail.store import passwords
from glassmail.store.cdb import Cdb
from tests.admin.killing import tree
from tests.admin.site import make


@pytest.fixture
def root(tmp_path):
    return make(tmp_path).root


@pytest.fixture
def run(root):
    def run(*words, code=0, text=None):
        done = CliRunner().invoke(glass, [*words[:2], "--root", root, *words[2:]], input=text)
        assert done.exit_code == code, (words, done.output, done.exception)
        return done.output

    return run


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def account(root, name, domain="example.test"):
    data = Path(root, "domains", domain, "vpasswd").read_bytes()
    return vpasswd.parse(data).accounts.get(name)


def state(root):
    """All files; what was moved aside does not count, nor what it was moved into."""
    return {name: data for name, data in tree(root).items()
            if ".removed" not in name and not name.endswith(".dir-control")}  # fmt: skip


CHANGES = [
    ["domain", "add", "fresh.test"],
    ["domain", "add", "fresh.test", "--postmaster", "tammy@example.test", "--catch-all", "delete"],
    ["domain", "add", "fresh.test", "--alias-of", "example.test"],
    ["domain", "add", "mx.example.test"],
    ["domain", "set", "example.test", "--catch-all", "tammy@example.test"],
    ["domain", "set", "example.test", "--catch-all", "/srv/mail/x"],
    ["domain", "set", "example.test", "--limit", "maxforwards=5", "--off", "pop"],
    ["domain", "quota", "example.test", "1G", "--new", "10M"],
    ["domain", "quota", "example.test", "--each", "10M"],
    ["domain", "remove", "example2.test"],
    ["domain", "remove", "example.test"],
    ["user", "add", "carl@example.test", "--password", "x"],
    ["user", "remove", "bob@example.test"],
    ["user", "set", "bob@example.test", "--deny", "imap", "--comment", "Bob B", "--quota", "1M"],
    ["user", "set", "bob@example.test", "--grant", "domain-admin", "--dir", "/srv/bob"],
    ["user", "password", "bob@example.test", "--password", "another"],
    ["user", "quota", "bob@example.test", "10M,100C"],
    ["alias", "add", "info@example.test", "bob@example.test", "x@y.test"],
    ["alias", "add", "sales@example.test", "bob@example.test"],
    ["alias", "set", "sales@example.test", "bob@example.test", "|cat"],
    ["alias", "remove", "sales@example.test"],
    ["alias", "add", "-x@example.test", "-y@example.test"],
    ["user", "add", "-x@example.test", "--password", "x"],
    ["alias", "add", "info@mx.example.test", "bob@example.test"],
    ["alias", "remove", "root@mx.example.test"],
]


def undoing(command, root):
    """The words of a `glass` command without the site, which `run` names."""
    words = shlex.split(command)
    at = words.index("--root")
    assert words[at + 1] == root
    return [*words[1:at], *words[at + 2 :]]


@pytest.mark.covers("glass/user quota", "glass/alias set", "glass/alias remove")
@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_what_was_done_can_be_undone(root, run, words):
    before = state(root)
    if any(word.startswith("-x@") for word in words):
        words = [*words[:2], *words[3:], "--", words[2]] if words[0] == "user" else [
            *words[:2], "--", *words[2:]]  # fmt: skip
    at = words.index("--") if "--" in words else len(words)
    [told] = rows(run(*words[:at], "--json", *words[at:]))
    assert told["changed"]
    assert state(root) != before
    assert told["undo"]
    for command in told["undo"]:
        arguments = shlex.split(command)
        if arguments[0] == "glass":
            run(*undoing(command, root))
        else:  # the domain's line of control/locals
            assert (arguments[0], arguments[2]) == ("echo", ">>")
            with open(arguments[3], "a") as file:
                file.write(arguments[1] + "\n")
    assert state(root) == before


@pytest.mark.covers("glass/domain set", "glass/domain show")
def test_limits_can_be_undone_by_their_numbers(run):
    def limits():
        return rows(run("domain", "show", "example.test", "--json"))[0]

    before = limits()
    [told] = rows(run(
        "domain", "set", "example.test", "--limit", "maxpopaccounts=7", "--off", "pop", "--json"
    ))  # fmt: skip
    changed = limits()
    assert changed["limits"] == ["maxpopaccounts 7"]
    assert changed["switched_off"] == ["disable_pop"]
    for command in told["undo"]:
        run(*shlex.split(command)[1:-2])
    assert limits() == before
    run("domain", "set", "example.test", "--default-limits")


BAD = [
    (["user", "add", "bad..user@example.test"], "neither `..` nor a dot in front"),
    (["user", "add", ".hidden@example.test"], "a dot in front"),
    (["user", "add", "a/b@example.test"], "may not have a slash"),
    (["user", "add", "a\tb@example.test"], r"a name may not have `\x09`"),
    (["user", "add", "a:b@example.test"], "a name may not have `:`"),
    (["user", "add", "x" * 65 + "@example.test"], "65 bytes, and a name may have 64"),
    (["user", "add", "@example.test"], "needs a name before the @"),
    (["user", "add", "bob@example.test"], "exists already"),
    (["user", "add", "bob@nowhere.test"], "the domain does not exist"),
    (["user", "add", "x@example.test", "--password", "y" * 129], "129 bytes, and may have 128"),
    (["user", "add", "x@example.test", "--password", "y", "--comment", "a:b"], "has a colon"),
    (["user", "add", "x@example.test", "--password", "y", "--comment", "y" * 65], "may have 64"),
    (["user", "add", "x@example.test", "--password", "y", "--quota", "lots"], "is no quota"),
    (["user", "add", "nodomain"], "write an address with its domain"),
    (["user", "add", "x@example.test", "--from", "/nowhere/at/all"], "no such directory"),
    (["user", "set", "bob@example.test", "--deny", "fun"], "no such right or power"),
    (["user", "set", "bob@example.test", "--flags", "many"], "flags are a number"),
    (["user", "set", "bob@example.test", "--dir", "relative"], "begins with a slash"),
    (["user", "set", "bob@example.test", "--crypted", "a:b"], "a hash has no colons"),
    (["user", "remove", "nobody@example.test"], "there is no such mailbox"),
    (["user", "quota", "bob@example.test", "1" * 12 + "S," + "1" * 12 + "C"], "may have 20 bytes"),
    (["domain", "add", "nodot"], "it needs a dot"),
    (["domain", "add", "a..b.test"], "each part between the dots has 1 to 63 bytes"),
    (["domain", "add", "--", "-a.test"], "no part begins or ends with a hyphen"),
    (["domain", "add", "a_b.test"], "letters, digits, dots and hyphens"),
    (["domain", "add", "../x.test"], "letters, digits, dots and hyphens"),
    (["domain", "add", ("a" * 40 + ".") * 3 + "test"], "and a domain may have 96"),
    (["domain", "add", "example.test"], "the domain exists already"),
    (["domain", "add", "x.test", "--catch-all", "nonsense"], "not an address"),
    (["domain", "add", "x.test", "--alias-of", "nowhere.test"], "does not exist"),
    (["domain", "remove", "nowhere.test"], "the domain does not exist"),
    (["alias", "add", "..@example.test", "a@b.test"], "neither `..` nor"),
    (["alias", "add", "x@example.test", "nonsense"], "not an address"),
    (["alias", "add", "x@example.test", "|a\nb"], "nor has it control characters"),
    (["alias", "add", "x@example.test", "|" + "x" * 160], "may have 159"),
    (["alias", "add", "sales@example.test", "tammy@example.test"], "already exists"),
    (["alias", "remove", "nobody@example.test"], "there is no such alias"),
    (["alias", "add", "default@example.test", "bob@example.test"], "the domain's catch-all"),
    (["alias", "set", "default@example.test", "bob@example.test"], "the domain's catch-all"),
    (["alias", "remove", "default@example.test"], "the domain's catch-all"),
    (["domain", "set", "example.test", "--limit", "perm_alias=8"], "0 to 7"),
    (["domain", "set", "example.test", "--limit", "maxforwards=-2"], "-1 for any number"),
    (["domain", "set", "example.test", "--limit", "quota=-1"], "0 for any"),
    (["alias", "remove", "sales@example.test", "x@y.test"], "it does not go to"),
    (["alias", "show", "nobody@example.test"], "there is no such alias"),
    (["alias", "add", "x@elsewhere.test", "a@b.test"], "the domain does not exist"),
]


@pytest.mark.parametrize(("words", "rule"), BAD, ids=lambda each: str(each)[:50])
def test_bad_input_names_the_rule_and_changes_nothing(root, run, words, rule):
    before = tree(root)
    assert rule in run(*words, code=1)
    assert tree(root) == before


def test_over_the_limits(root, run):
    run("domain", "set", "example.test", "--limit", "maxpopaccounts=2")
    before = tree(root)
    told = run("user", "add", "third@example.test", "--password", "x", code=1)
    assert "2 mailboxes are there and 2 are allowed (maxpopaccounts" in told
    assert tree(root) == before


def test_a_broken_line_is_told_and_the_others_work(root, run):
    path = Path(root, "domains", "example.test", "vpasswd")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b"broken:x", *lines[1:]]) + b"\n")
    told = run("user", "list", "example.test", code=1)
    assert "bob@example.test" in told
    assert f"{path}:2: 2 fields, there must be 7 or 8" in told
    run("user", "password", "tammy@example.test", "--password", "fresh")
    assert passwords.verify(b"fresh", account(root, b"tammy").crypted)
    assert b"broken:x\n" in path.read_bytes()
    assert "vpasswd:2: 2 fields" in run("user", "show", "broken@example.test", code=1)
    problems = rows(run("domain", "show", "example.test", "--json", code=1))[0]["problems"]
    assert any("vpasswd:2:" in problem for problem in problems)


@pytest.mark.covers("glass/user password")
def test_passwords(root, run):
    told = rows(run("user", "add", "carl@example.test", "--json"))[0]
    assert passwords.verify(told["password"].encode(), account(root, b"carl").crypted)
    run("user", "password", "carl@example.test", "--stdin", text="by input\n")
    assert passwords.verify(b"by input", account(root, b"carl").crypted)
    Path(root, "control", "passwordhash").write_text("argon2id\n")
    run("user", "password", "carl@example.test", "--password", "x")
    assert account(root, b"carl").crypted.startswith(b"$argon2id$")


@pytest.mark.covers("glass/user set", "glass/user show")
def test_rights(root, run):
    run("user", "set", "bob@example.test", "--deny", "mail", "--deny", "pop")
    assert account(root, b"bob").flags == 0x12
    run("user", "set", "bob@example.test", "--allow", "mail", "--grant", "system-admin")
    assert account(root, b"bob").flags == 0x10002
    row = rows(run("user", "show", "bob@example.test", "--json"))[0]
    assert row["rights"] == ["no pop", "system-admin"]
    assert row["flags"] == "0x10002"


@pytest.mark.covers(
    "glass/user list",
    "glass/domain list",
    "glass/alias list",
    "glass/alias show",
)
def test_lists(root, run):
    Path(root, "domains/example.test/bob/Maildir/new/1,S=2000").write_text("x")
    run("user", "quota", "bob@example.test", "20000")
    found = rows(run("user", "list", "--json"))
    assert [row["address"] for row in found] == ["bob@example.test", "tammy@example.test"]
    assert (found[0]["used"], found[0]["full"]) == ("2.0 kB, 1 message", "10 %")
    assert (found[0]["bytes"], found[0]["messages"]) == (2_000, 1)
    table = run("user", "list", "example.test").splitlines()
    assert table[0].split() == ["address", "quota", "used", "full", "last", "login", "rights"]
    assert "20000 bytes  2.0 kB, 1 message  10 %" in table[1]
    assert rows(run("domain", "list", "--json"))[0] == {
        "domain": "example.test", "alias_of": "", "mailboxes": 2, "mail_for_nobody": "bounces",
    }  # fmt: skip
    assert "goes to bob@example.test" in run("domain", "list")
    aliases = rows(run("alias", "list", "example.test", "--json"))
    assert {"alias": "sales@example.test", "goes_to": ["tammy@example.test"]} in aliases
    assert run("alias", "show", "sales@example.test") == "tammy@example.test\n"
    assert "root@mx.example.test" in run("alias", "list", "mx.example.test")


@pytest.mark.covers("glass/domain quota")
def test_quotas_of_a_domain(root, run):
    assert "none" in run("domain", "quota", "example.test")
    run("domain", "quota", "example.test", "500M", "--new", "10M", "--each", "1M")
    assert account(root, b"bob").quota == account(root, b"tammy").quota == b"1048576S"
    assert "500 MB" in run("domain", "quota", "example.test")
    run("user", "add", "new@example.test", "--password", "x")
    assert account(root, b"new").quota == b"10485760S"


def test_a_domain_with_something_amiss(root, run):
    Path(root, "control", "rcpthosts").write_text("mx.example.test\n")
    Path(root, "control", "locals").write_text("mx.example.test\nexample.test\n")
    row = rows(run("domain", "show", "example.test", "--json", code=1))[0]
    assert [problem.partition(":")[0] for problem in row["problems"]] == [
        "control/locals", "no line in control/rcpthosts",
    ]  # fmt: skip


def test_purging_follows_no_link(root, run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("keep")
    directory = Path(root, "domains/example.test")
    (directory / "bob" / "link").symlink_to(outside)
    (directory / "bob" / "Maildir" / "new" / "file").symlink_to(outside / "file")
    run("user", "remove", "bob@example.test", "--purge")
    assert not (directory / "bob").exists()
    assert list((directory / ".removed").iterdir()) == []
    (directory / "tammy").rename(directory / "elsewhere")
    (directory / "tammy").symlink_to(outside)
    run("user", "remove", "tammy@example.test", "--purge")
    assert not os.path.lexists(directory / "tammy")
    (directory / "deep").symlink_to(outside)
    run("domain", "remove", "example.test", "--purge")
    assert not directory.exists()
    assert (outside / "file").read_text() == "keep"


def test_a_domain_whose_directory_is_a_link(root, run, tmp_path):
    directory = Path(root, "domains/example.test")
    directory.rename(tmp_path / "disk2")
    directory.symlink_to(tmp_path / "disk2")
    run("domain", "remove", "example.test", "--purge")
    assert not os.path.lexists(directory)
    assert (tmp_path / "disk2" / "vpasswd").exists()


def test_a_foreign_directory_stays(root, run, tmp_path):
    run("user", "set", "bob@example.test", "--dir", str(tmp_path / "bob"), "--comment", "B B")
    shutil.rmtree(Path(root, "domains/example.test/bob"))
    (tmp_path / "bob").mkdir()
    before = account(root, b"bob")
    removed = run("user", "remove", "bob@example.test", "--purge", "--json")
    assert "stays where it is" in removed
    assert (tmp_path / "bob").exists()
    assert account(root, b"bob") is None
    for command in rows(removed)[0]["undo"]:
        run(*undoing(command, root))
    assert account(root, b"bob") == before
    assign = Path(root, "users/assign")
    assign.write_bytes(assign.read_bytes().replace(b"/domains/example2.test:", b"/domains:"))
    assert "it stays where it is" in run("domain", "remove", "example2.test")
    assert Path(root, "domains/example.test").exists()


def test_a_domain_comes_back_with_its_mail(root, run):
    letter = Path(root, "domains/example.test/bob/Maildir/new/1")
    letter.write_text("mail")
    hashed = account(root, b"bob").crypted
    [told] = rows(run("domain", "remove", "example.test", "--json"))
    assert not letter.exists()
    for command in told["undo"]:
        run(*shlex.split(command)[1:-2])
    assert letter.read_text() == "mail"
    assert account(root, b"bob").crypted == hashed
    assert Cdb(os.path.join(root, "users/cdb")).find(b"!example.test-")


def test_a_directory_in_the_way(root, run):
    Path(root, "domains/fresh.test").mkdir()
    assert "is there already, perhaps with mail" in run("domain", "add", "fresh.test", code=1)
    run("domain", "add", "fresh.test", "--from", f"{root}/domains/fresh.test")
    assert "fresh.test" in Path(root, "control/rcpthosts").read_text()


@pytest.mark.parametrize("source", ["nowhere", "domains", "file"])
def test_a_domain_that_cannot_be_brought_back_holds_up_nobody(root, run, source):
    Path(root, "file").touch()
    before = tree(root)
    told = run("domain", "add", "back.test", "--from", f"{root}/{source}", code=1)
    assert f"{root}/" in told
    assert {name: data for name, data in tree(root).items() if "/.new." not in name} == before
    run("domain", "add", "other.test")


@pytest.mark.parametrize("what", ["domain", "user"])
def test_a_mount_point_stays_where_it_is(root, run, monkeypatch, what):
    path = f"{root}/domains/example.test" + ("/tammy" if what == "user" else "")
    monkeypatch.setattr(os.path, "ismount", lambda asked: asked == path)
    name = "tammy@example.test" if what == "user" else "example.test"
    before = state(root)
    told = run(what, "remove", name, "--json")
    assert f"{path} is a mount point: it stays where it is" in told
    assert Path(path).is_dir()
    for command in rows(told)[0]["undo"]:
        run(*undoing(command, root))
    assert state(root) == before


def test_a_domain_of_which_nothing_is_left_holds_up_nobody(root, run):
    task = {"do": "add", "domain": "gone.test", "directory": f"{root}/domains/gone.test",
            "uid": str(os.getuid()), "gid": str(os.getgid()), "staged": f"{root}/domains/.new.x.1",
            "account": ""}  # fmt: skip
    Path(root, "users", ".glass-pending").write_text(json.dumps(task))
    assert "its directory is gone" in run("domain", "add", "other.test")
    assert not Path(root, "users", ".glass-pending").exists()
    assert "gone.test" not in Path(root, "users", "assign").read_text()


def test_where_no_site_is(tmp_path):
    done = CliRunner().invoke(glass, ["domain", "list", "--root", str(tmp_path)])
    assert done.exit_code == 3
    assert "does not exist: glass init" in done.output


def test_a_broken_assign_stops_every_change(root, run):
    Path(root, "users/assign").write_bytes(b"+broken\n.\n")
    before = tree(root)
    for words in (["add", "fresh.test"], ["remove", "example2.test"]):
        assert "users/assign:1:" in run("domain", *words, code=1)
        assert tree(root) == before


def test_an_unfinished_change_is_told(root, run):
    pending = Path(root, "users/.glass-pending")
    pending.write_text("{}")
    problems = rows(run("domain", "show", "example.test", "--json", code=1))[0]["problems"]
    assert problems == ["a change of a domain was killed half-way; the next one finishes it"]
    pending.rename(Path(root, "domains/example.test/.glass-pending"))
    problems = rows(run("domain", "show", "example.test", "--json", code=1))[0]["problems"]
    assert "the removal of a mailbox was killed half-way" in problems[0]


def test_twenty_at_once_lose_no_line(root):
    program = (
        "from glassmail.faces.cli.main import glass; "
        f"glass(['alias', 'add', 'all@example.test', 'u{{}}@x.test', '--root', {root!r}])"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program.format(number)], stdout=subprocess.DEVNULL
        )
        for number in range(20)
    ]
    assert [process.wait(120) for process in started] == [0] * 20
    lines = Path(root, "domains/example.test/.qmail-all").read_text().splitlines()
    assert sorted(lines) == sorted(f"u{number}@x.test" for number in range(20))


def test_mailboxes_that_vpopmail_has_spread_go_back_to_their_place(root, run):
    directory = Path(root, "domains/example.test")
    (directory / "0").mkdir()
    (directory / "bob").rename(directory / "0" / "bob")
    run("user", "set", "bob@example.test", "--dir", str(directory / "0/bob"))
    before = state(root)
    [told] = rows(run("user", "remove", "bob@example.test", "--json"))
    assert not (directory / "0" / "bob").exists()
    (directory / "0").rmdir()
    run(*shlex.split(told["undo"][0])[1:-2])
    assert state(root) == before


@pytest.mark.parametrize(
    ("words", "place"),
    [(("user", "remove", "bob@example.test"), "domains/example.test/.removed"),
     (("domain", "remove", "example.test"), "domains/.removed")],
)  # fmt: skip
def test_a_link_in_the_place_of_removed_mail(root, run, tmp_path, words, place):
    """Nothing is changed then, neither here nor where it leads."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(root, place).symlink_to(elsewhere)
    before = tree(root)
    assert ".removed" in run(*words, code=1)
    assert tree(root) == before
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("quota", "words"),
    [("500MB", "500 MB"), ("1G", "1 GB"), ("20000S", "20000 bytes"), ("5C", "5 messages"),
     ("2K,10C", "2 kB, 10 messages"), ("NOQUOTA", "none")],
)  # fmt: skip
def test_quotas_for_people(run, quota, words):
    run("user", "quota", "bob@example.test", "1T")
    run("user", "quota", "bob@example.test", quota)
    assert f"quota    {words}\n" in run("user", "quota", "bob@example.test")
    assert f"  {words}  " in run("user", "list", "example.test")


def test_an_alias_hides_a_mailbox_of_its_name(run):
    told = run("alias", "add", "bob@example.test", "tammy@example.test")
    assert "note: there is a mailbox bob@example.test, too" in told
    told = run("user", "add", "sales@example.test", "--password", "x")
    assert "goes to the alias of that name" in told
    assert "note" not in run("alias", "add", "info@example.test", "tammy@example.test")


def test_a_domain_without_postmaster_is_told(run):
    assert "alias add postmaster@one.test ADDRESS" in run("domain", "add", "one.test")
    assert "note" not in run("domain", "add", "two.test", "--postmaster", "bob@example.test")
    assert "note" not in run("domain", "add", "three.test", "--catch-all", "bob@example.test")
