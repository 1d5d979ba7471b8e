"""qmail-getpw and qmail-pw2u."""

import io
import os
import sys

import pytest

from glassmail.faces.compat import qmail_getpw, qmail_pw2u
from glassmail.stations import system_users
from glassmail.stations.system_users import Account


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("users", "control"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GLASSMAIL_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Standard:
    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)


@pytest.fixture
def run(monkeypatch, capfdbinary):
    def call(main, *arguments, data=b""):
        monkeypatch.setattr(sys, "stdin", Standard(data))
        code = main(["program", *arguments])
        out = capfdbinary.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    home = os.fsencode(tmp_path)
    # The home belongs to whoever runs the tests; root's uid 0 would not count as an account.
    owner = os.stat(tmp_path).st_uid or 65_533
    if os.geteuid() == 0:
        os.chown(tmp_path, owner, -1)
    found = {
        b"joe": Account(b"joe", owner, 100, home),
        b"alias": Account(b"alias", 7, 8, b"/var/qmail/alias"),
    }
    monkeypatch.setattr(system_users, "look_up", found.get)
    return found


@pytest.mark.covers("command/qmail-getpw")
@pytest.mark.covers("qmail-getpw/exit 0", "qmail-getpw/exit 100")
def test_getpw(root, run, accounts):
    joe = accounts[b"joe"]
    head = b"joe\0%d\000100\0%s\0" % (joe.uid, joe.home)
    assert run(qmail_getpw.main, "joe") == (0, head + b"\0\0", b"")
    assert run(qmail_getpw.main, "Joe-A-b") == (0, head + b"-\0A-b\0", b"")
    alias = b"alias\0007\0008\0/var/qmail/alias\0-\0"
    assert run(qmail_getpw.main, "nobody-x") == (0, alias + b"nobody-x\0", b"")
    assert run(qmail_getpw.main) == (100, b"", b"")


@pytest.mark.covers("control/breakcharacter")
def test_getpw_breaks_where_the_site_says(root, run, accounts):
    (root / "control/breakcharacter").write_bytes(b"+\n")
    assert run(qmail_getpw.main, "joe+x")[1].endswith(b"\0-\0x\0")


def test_getpw_names_the_alias_user_that_deliveries_take(root, run, accounts):
    (root / "users").mkdir(exist_ok=True)
    (root / "users/daemons").write_bytes(b"alias:70:80\n")
    expected = b"alias\00070\00080\0%s/alias\0-\0nobody-x\0" % os.fsencode(root)
    assert run(qmail_getpw.main, "nobody-x") == (0, expected, b"")
    (root / "users/daemons").write_bytes(b"alias:x:80\n")
    assert run(qmail_getpw.main, "nobody-x") == (118, b"", b"")


@pytest.mark.covers("qmail-getpw/exit 116")
def test_getpw_without_alias(root, run, accounts):
    del accounts[b"alias"]
    assert run(qmail_getpw.main, "nobody") == (116, b"", b"")


PASSWD = b"""\
root:x:0:0::/root:/bin/sh
alias:x:7:8::/nowhere/alias:/bin/sh
joe:x:503:78:Joe:/nowhere/joe:/bin/sh
Upper:x:504:78::/nowhere/u:/bin/sh
short:x:505
"""


@pytest.mark.covers("command/qmail-pw2u")
@pytest.mark.covers(
    "qmail-pw2u/-H", "qmail-pw2u/-U", "qmail-pw2u/exit 0",
)  # fmt: skip
def test_pw2u(root, run):
    lines = [
        b"+:alias:7:8:/nowhere/alias:-::",
        b"=alias:alias:7:8:/nowhere/alias:::",
        b"+alias-:alias:7:8:/nowhere/alias:-::",
        b"=joe:joe:503:78:/nowhere/joe:::",
        b"+joe-:joe:503:78:/nowhere/joe:-::",
        b".",
        b"",
    ]
    assert run(qmail_pw2u.main, "-H", data=PASSWD) == (0, b"\n".join(lines), b"")


@pytest.mark.covers(
    "qmail-pw2u/-u", "qmail-pw2u/-/", "qmail-pw2u/-c", "qmail-pw2u/-C", "qmail-pw2u/exit 100",
)  # fmt: skip
def test_pw2u_options(root, run):
    out = run(qmail_pw2u.main, "-Hu/c+", data=PASSWD)[1]
    assert b"+:alias:7:8:/nowhere/alias:-/::\n" in out
    assert b"+Upper+:Upper:504:78:/nowhere/u:-/::\n" in out
    out = run(qmail_pw2u.main, "-HC", data=PASSWD)[1]
    assert b"+joe" not in out
    assert run(qmail_pw2u.main, "-z", data=PASSWD)[0] == 100


@pytest.mark.covers(
    "qmail-pw2u/users/exclude",
    "qmail-pw2u/users/mailnames",
    "qmail-pw2u/users/subusers",
    "qmail-pw2u/users/append",
    "qmail-pw2u/users/include",
    "qmail-pw2u/unable to find user for subuser",
)
def test_pw2u_files(root, run):
    (root / "users/exclude").write_bytes(b"upper\n")
    (root / "users/mailnames").write_bytes(b"joe:j:Joe.Shmoe::\n")
    (root / "users/subusers").write_bytes(b"sales:joe:s:\nignored\n")
    (root / "users/append").write_bytes(b"+x:y:1:1:/:-::\n")
    assert run(qmail_pw2u.main, "-Hu", data=PASSWD)[1].splitlines()[3:] == [
        b"=j:joe:503:78:/nowhere/joe:::",
        b"+j-:joe:503:78:/nowhere/joe:-::",
        b"=Joe.Shmoe:joe:503:78:/nowhere/joe:::",
        b"+Joe.Shmoe-:joe:503:78:/nowhere/joe:-::",
        b"=sales:joe:503:78:/nowhere/joe:-:s:",
        b"+sales-:joe:503:78:/nowhere/joe:-:s-:",
        b"+x:y:1:1:/:-::",
        b".",
    ]
    (root / "users/include").write_bytes(b"ALIAS\n")
    assert run(qmail_pw2u.main, "-H", data=PASSWD)[2] == (
        b"qmail-pw2u: fatal: unable to find joe user for subuser\n"
    )


@pytest.mark.covers(
    "qmail-pw2u/-o", "qmail-pw2u/-h", "qmail-pw2u/unable to stat", "qmail-pw2u/exit 111",
)  # fmt: skip
def test_pw2u_homes(root, run):
    home = root / "joe"
    home.mkdir()
    owner = home.stat().st_uid or 65_533
    if os.geteuid() == 0:
        os.chown(home, owner, -1)
    alias = b"alias:x:%d:8::%s:/bin/sh\n" % (owner, os.fsencode(home))
    line = b"joe:x:%d:8::%s:/bin/sh\n" % (owner, os.fsencode(home))
    assert b"=joe:" in run(qmail_pw2u.main, data=alias + line)[1]
    other = b"joe:x:%d:8::%s:/bin/sh\n" % (owner + 1, os.fsencode(home))
    assert b"=joe:" not in run(qmail_pw2u.main, data=alias + other)[1]
    gone = b"joe:x:9:8::/nowhere/joe:/bin/sh\n"
    assert run(qmail_pw2u.main, data=alias + gone)[0] == 0
    assert run(qmail_pw2u.main, "-h", data=alias + gone) == (
        111,
        b"",
        b"qmail-pw2u: fatal: unable to stat /nowhere/joe\n",
    )


@pytest.mark.covers("qmail-pw2u/unable to find alias user")
def test_pw2u_texts(root, run):
    assert run(qmail_pw2u.main, data=b"") == (
        111,
        b"",
        b"qmail-pw2u: fatal: unable to find alias user\n",
    )
    (root / "users/subusers").write_bytes(b"sales:ghost:s:\n")
    assert run(qmail_pw2u.main, "-H", data=PASSWD) == (
        111,
        b"",
        b"qmail-pw2u: fatal: unable to find ghost user for subuser\n",
    )


@pytest.mark.covers("qmail-getpw/exit 115")
def test_getpw_with_a_home_that_cannot_be_looked_at(root, run, accounts, monkeypatch):
    def stat(_path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(system_users.os, "stat", stat)
    assert run(qmail_getpw.main, "joe") == (115, b"", b"")
