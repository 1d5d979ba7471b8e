"""`glass trace` of mailboxes: every line that leads to them, and what is known of the account."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.main import glass
from glassmail.settings.place import Place
from glassmail.stations.assign_build import build
from tests.admin.site import make


@pytest.fixture
def root(tmp_path):
    return make(tmp_path).root


@pytest.fixture
def run(root):
    def run(*words, code=0):
        done = CliRunner().invoke(glass, [*words, "--root", root])
        assert done.exit_code == code, (words, done.output)
        return done.output

    return run


@pytest.fixture
def traced(run):
    def traced(address, code=0):
        text = run("trace", address, "--no-dns", "--json", code=code)
        lines = [json.loads(line) for line in text.splitlines()]
        steps = {line["question"]: line for line in lines if "question" in line}
        return steps, [line["decision"] for line in lines if "decision" in line]

    return traced


def test_every_line_on_the_way(root, run, traced):
    run("domain", "add", "alias.test", "--alias-of", "example.test")
    Path(root, "domains/example.test/bob/lastauth").write_bytes(b"192.0.2.7")
    run("user", "quota", "bob@example.test", "1000")
    Path(root, "domains/example.test/bob/Maildir/new/1,S=250").touch()
    steps, [decision] = traced("bob@alias.test")
    assert steps["routing.rcpthosts"]["source"] == "control/rcpthosts:1 alias.test"
    assert steps["routing.locals"]["answer"] == "no"
    assert steps["routing.virtualdomains"]["source"] == (
        "control/virtualdomains:1 alias.test:alias.test"
    )
    assert steps["routing.assign"]["source"] == "users/cdb +alias.test-"
    assert steps["routing.cdb_fresh"]["source"] == (
        "users/cdb is not older; it has users/assign:2 +alias.test-"
    )
    assert steps["account.exists"]["source"].endswith("/example.test/vpasswd.cdb")
    assert steps["account.login"]["answer"] == "POP3, IMAP, SMTP, webmail"
    assert "from 192.0.2.7" in steps["account.login"]["source"]
    assert steps["account.quota"]["source"] == "250 bytes, 1 messages of 1000S: 25 %"
    assert decision["state"] == "fine"


def test_what_flags_and_limits_take_away(run, traced):
    run("user", "set", "bob@example.test", "--deny", "imap")
    run("domain", "set", "example.test", "--off", "pop")
    step = traced("bob@example.test")[0]["account.login"]
    assert step["answer"] == "SMTP, webmail"
    assert step["source"].startswith("flags 0x8, 0xa with ")
    assert ".qmailadmin-limits" in step["source"]


@pytest.mark.covers("fault/mailbox_locked")
def test_a_locked_mailbox_has_its_own_remedy(run, traced):
    run("user", "set", "bob@example.test", "--deny", "mail")
    steps, [decision] = traced("bob@example.test", code=1)
    assert steps["account.takes_mail"]["answer"] == "no"
    assert decision["fault"] == "mailbox_locked"
    assert decision["command"] == "glass user set bob@example.test --allow mail"
    run(*decision["command"].split()[1:])
    assert traced("bob@example.test")[1][0]["state"] == "fine"


def test_aliases_and_the_catch_all_are_followed(traced):
    _steps, decisions = traced("sales@example.test")
    assert [d["address"] for d in decisions] == ["sales@example.test", "tammy@example.test"]
    steps, decisions = traced("nobody@example2.test")
    assert steps["account.catch_all"]["answer"] == "address"
    assert decisions[-1]["address"] == "bob@example.test"


def test_a_broken_line_cannot_be_told(root, traced):
    path = Path(root, "domains/example.test/vpasswd")
    path.write_bytes(path.read_bytes() + b"zoe:x\n")
    steps, [decision] = traced("zoe@example.test", code=3)
    assert steps["account.domain"]["source"].startswith(f"{path}:3: 2 fields")
    assert decision["state"] == "cannot tell"


@pytest.mark.covers("fault/accounts_unreadable")
def test_a_broken_line_of_vpasswd(root, traced):
    path = Path(root, "domains/example.test/vpasswd")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line.replace(b":1:0:", b":1:?:") for line in lines))
    steps, [decision] = traced("bob@example.test", code=3)
    assert "vpasswd:1: the fourth field" in steps["account.exists"]["source"]
    assert decision["fault"] == "accounts_unreadable"
    assert "write the line anew" in steps["account.domain"]["source"]


def as_stranger(question):
    """Ask in a child process that is neither root nor the domain's owner."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            os.write(writer, json.dumps(question()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = json.loads(file.read())
    os.waitpid(child, 0)
    return answer


@pytest.fixture
def open_way(root):
    """Let everybody pass to the site, whose parents are the test's own."""
    at, modes = Path(root), {}
    while at != at.parent:
        mode = at.stat().st_mode & 0o7777
        if not mode & 0o001:
            modes[at] = mode
            at.chmod(mode | 0o055)
        at = at.parent
    yield
    for path, mode in modes.items():
        path.chmod(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
@pytest.mark.parametrize("closed", ["domains/example.test/vpasswd", "domains/example.test",
                                    "domains"])  # fmt: skip
def test_what_is_closed_to_us_alone_is_no_answer_of_the_server(root, traced, open_way, closed):
    home = Path(root, "domains/example.test")
    for path in (home.parent, home, *home.rglob("*")):
        os.chown(path, 1, 1)
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name in (closed, *([closed + ".cdb"] if "vpasswd" in closed else [])):
        Path(root, name).chmod(0o700)
    assign = Path(root, "users/assign")
    ids = f":{os.geteuid()}:{os.getegid()}:".encode()
    assign.write_bytes(assign.read_bytes().replace(ids, b":1:1:"))
    build(Place(root))
    Path(root, "users/daemons").write_text("smtpd:2:2\nlocal:0:0\n")  # no longer one user's

    def ask():
        words = ["trace", "bob@example.test", "--no-dns", "--json", "--root", root]
        text = CliRunner().invoke(glass, words).output
        return [json.loads(line) for line in text.splitlines()]

    answers = as_stranger(ask)
    decision = answers[-1]["decision"]
    assert decision["sentence"].endswith("as example.test: cannot tell")
    assert (decision["fault"], decision["remedy"]) == ("ask_as", "ask again as root or as daemon")
    asked = [row["subject"] for row in answers if row.get("question") == "routing.directory"]
    assert len(asked) == len(set(asked))
    assert traced("bob@example.test")[1][0]["state"] == "fine"  # as root, with the owner's rights
