"""maildirmake and maildir2mbox as commands."""

import os

import pytest

from tests.faces.compat.command import make_site, run

OLD = 1_795_187_041


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


@pytest.mark.covers(
    "command/maildirmake", "maildirmake/exit 0", "maildirmake/exit 100", "maildirmake/exit 111",
)  # fmt: skip
def test_maildirmake(root):
    target = root / "Maildir"
    done = run("maildirmake", root, str(target))
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(path.name for path in target.iterdir()) == ["cur", "new", "tmp"]
    assert {path.stat().st_mode & 0o777 for path in (target, *target.iterdir())} == {0o700}
    done = run("maildirmake", root, str(target))
    text = f"maildirmake: fatal: unable to mkdir {target}: file already exists\n"
    assert (done.returncode, done.stderr) == (111, text.encode())
    done = run("maildirmake", root)
    assert (done.returncode, done.stderr) == (100, b"maildirmake: usage: maildirmake name\n")


def put(path, text, changed):
    path.write_bytes(text)
    os.utime(path, (changed, changed))


def convert(root, **more):
    names = {
        "MAILDIR": str(root / "Maildir"),
        "MAIL": str(root / "mbox"),
        "MAILTMP": str(root / "t"),
    }
    return run("maildir2mbox", root, **{**names, **more})


@pytest.mark.covers("command/maildir2mbox", "maildir2mbox/exit 0")
def test_maildir2mbox(root):
    run("maildirmake", root, str(root / "Maildir"))
    assert convert(root).returncode == 0
    assert not (root / "mbox").exists()  # nothing to move
    maildir = root / "Maildir"
    (root / "mbox").write_bytes(b"From old\n\nold\n\n")
    put(maildir / "cur" / "2:2,S", b"Return-Path: <a b@x>\nA: b\n\nFrom c\nlast", OLD - 900_000_000)
    put(maildir / "new" / "1", b"Return-Path: <>\n\nx\n", OLD - 900_000_001)
    put(maildir / "new" / "3", b"No: path\n", OLD - 900_000_000 + 1)
    put(maildir / "new" / ".hidden", b"x", OLD - 900_000_000)
    put(maildir / "tmp" / "left", b"x", OLD - 900_000_000)
    done = convert(root)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (root / "mbox").read_bytes() == (
        b"From old\n\nold\n\n"
        b"From MAILER-DAEMON Thu May 14 23:04:00 1998\nReturn-Path: <>\n\nx\n\n"
        b"From a-b@x Thu May 14 23:04:01 1998\nReturn-Path: <a b@x>\nA: b\n\n>From c\nlast\n\n"
        b"From XXX Thu May 14 23:04:02 1998\nNo: path\n\n"
    )
    assert [path.name for path in maildir.rglob("*") if path.is_file()] == [".hidden"]


@pytest.mark.covers(
    "maildir2mbox/$MAILDIR", "maildir2mbox/$MAIL", "maildir2mbox/$MAILTMP", "maildir2mbox/exit 111",
)  # fmt: skip
def test_maildir2mbox_says_what_is_wrong(root):
    done = convert(root, MAILDIR=str(root / "none"))
    text = f"maildir2mbox: fatal: unable to chdir to {root}/none: file does not exist\n"
    assert (done.returncode, done.stderr) == (111, text.encode())
    done = run("maildir2mbox", root)
    assert (done.returncode, done.stderr) == (111, b"maildir2mbox: fatal: MAIL not set\n")
