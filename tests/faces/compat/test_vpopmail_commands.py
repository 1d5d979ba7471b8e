"""Exit codes, options and refusals of the commands of vpopmail."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Flag
from glassmail.store import passwords
from glassmail.store.cdb import Cdb
from tests.covers import row
from tests.faces.compat.vpopmail_site import call, make_home


@pytest.fixture
def site(tmp_path, monkeypatch):
    place, home = make_home(tmp_path)
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root)
    monkeypatch.delenv("VPOPMAIL_DOMAIN", raising=False)
    assert call("vadddomain", "example.com", "secret") == 0
    assert call("vadduser", "bob@example.com", "bobs") == 0
    return place, home


@pytest.fixture
def run(site, capfdbinary):
    def run(*words):
        capfdbinary.readouterr()
        code = call(*words)
        told = capfdbinary.readouterr()
        return code, told.out.decode(), told.err.decode()

    return run


def account(site, name, domain="example.com"):
    data = (site[1] / "domains" / domain / "vpasswd").read_bytes()
    return vpasswd.parse(data).accounts.get(name)


LONG = "x" * 129


@pytest.mark.parametrize(
    ("code", "fault", "words"),
    [
        row("vadddomain/exit 243", 243, "Domain already exists", "vadddomain example.com x"),
        row("vadddomain/exit 244", 244, "Invalid domain name", "vadddomain nodot x"),
        row("vadddomain/exit 230", 230, "domain name too long (max=96)",
            f"vadddomain {LONG[:95]}.test x"),
        row("vadddomain/exit 229", 229, "password too long (max=128)", f"vadddomain f.test {LONG}"),
        row("vadddomain/exit 255", 255, "user nobody-here not found in /etc/passwd",
            "vadddomain -u nobody-here f.test x"),
        (255, "don't use -r option when giving password on command line", "vadddomain -r f.test x"),
        (255, "-1 is no user or group: they are 0 to 4294967294", "vadddomain -i -1 f.test x"),
        (255, "4294967295 is no user or group: they are 0 to 4294967294",
            "vadddomain -g 4294967295 f.test x"),
        (255, "Illegal username", "vadddomain -e ../../other f.test x"),
        row("vadduser/exit 255", 255, "User already exists", "vadduser bob@example.com x"),
        (255, "Domain does not exist", "vadduser x@nodomain.test y"),
        (255, "Illegal username", "vadduser a(b@example.com y"),
        (255, "Illegal username", "vadduser ..@example.com y"),
        row("vadduser/exit 231", 231, "user name too long (max=64)",
            f"vadduser {LONG[:65]}@example.com y"),
        row("vadduser/exit 236", 236, "bad character", "vadduser -c a:b x@example.com y"),
        row("vadduser/exit 228", 228, "gecos too long (max=64)",
            f"vadduser -c {LONG[:65]} x@example.com y"),
        row("vadduser/exit 227", 227, "quota too long (max=20)",
            "vadduser -q 12345678901234S,12345678901234C x@example.com y"),
        row("vdeluser/exit 246", 246, "User does not exist", "vdeluser nobody@example.com"),
        row("vdeluser/exit 245", 245, "Domain does not exist", "vdeluser nobody@nodomain.test"),
        (245, "Domain does not exist", "vdeldomain nodomain.test"),
        row("vpasswd/exit 246", 246, "User does not exist", "vpasswd nobody@example.com x"),
        row("vsetuserquota/exit 246", 246, "User does not exist",
            "vsetuserquota nobody@example.com 1M"),
        row("vsetuserquota/exit 245", 245, "Domain does not exist",
            "vsetuserquota nodomain.test 1M"),
        row("vaddaliasdomain/exit 255", 255,
            "Neither 'one.test' or 'two.test'  exist, unable to create alias.",
            "vaddaliasdomain one.test two.test"),
        (255, "Both domains already exist, unable to create alias.",
         "vaddaliasdomain example.com virt.test"),
    ],
)  # fmt: skip
def test_refusals_change_nothing(site, run, code, fault, words):
    before = files(site)
    assert run(*words.split())[:2] == (code, f"Error: {fault}\n")
    assert files(site) == before


@pytest.mark.parametrize(
    ("code", "told", "words"),
    [
        row("vuserinfo/exit 255", 255, "no such user x@example.com\n", "vuserinfo x@example.com"),
        (255, "no such user x\n", "vuserinfo x"),
        row("vmoduser/exit 255", 255, "no such user x@example.com\n", "vmoduser -p x@example.com"),
        row("vdominfo/exit 245", 245, "Invalid domain name\n", "vdominfo nodomain.test"),
        row("valias/exit 255", 255, "invalid domain, not in qmail assign file\n",
            "valias -n nodomain.test"),
        (255, "", "valias -s nobody@example.com"),
        row("vmoddomlimits/exit 255", 255,
            ("Default limits must not be deleted. If you really want to do this,\n"
             "remove the vlimits.default file.\n"
             "But be warned: this might stop vpopmail from working!!\n"),
            "vmoddomlimits -D -d"),
        (255, ("You did not use a full email address for the user name\n"
               "Only full email addresses should be used\n"), "vadduser nodomain y"),
    ],
)  # fmt: skip
def test_refusals_in_other_words(site, run, code, told, words):
    before = files(site)
    assert run(*words.split())[:2] == (code, told)
    assert files(site) == before


def files(site):
    place, home = site
    return {
        str(path): path.read_bytes()
        for root in (place.root, home)
        for path in sorted(Path(root).rglob("*"))
        if path.is_file() and path.suffix != ".lock" and path.name != ".vpasswd.lock"
    }


@pytest.mark.parametrize(
    ("command", "code"),
    [("vadddomain", 0), ("vdeldomain", 0), ("vadduser", 255), ("vdeluser", 255),
     ("vpasswd", 255), ("vsetuserquota", 255), row("valias/exit 254", "valias", 255),
     ("vuserinfo", 255),
     ("vmoduser", 255), ("vmoddomlimits", 255), ("vaddaliasdomain", 255)],
)  # fmt: skip
def test_without_arguments_the_usage_is_told(run, command, code):
    found = run(command)
    assert found[0] == code
    assert found[1].splitlines()[0].startswith((f"{command}: usage:", f"{command}: [options]"))
    wrong = run(command, "-?")
    assert wrong[0] == (254 if command == "valias" else 255)
    assert "invalid option -- '?'" in wrong[2]


@pytest.mark.parametrize(
    "command",
    [
        row("vadddomain/-v", "vadddomain"),
        row("vaddaliasdomain/-v", "vaddaliasdomain"),
        row("vdeldomain/-v", "vdeldomain"),
        row("vadduser/-v", "vadduser"),
        row("vdeluser/-v", "vdeluser"),
        row("vpasswd/-v", "vpasswd"),
        row("vsetuserquota/-v", "vsetuserquota"),
        row("valias/-v", "valias"),
        row("vuserinfo/-v", "vuserinfo"),
        row("vdominfo/-v", "vdominfo"),
        row("vmoduser/-v", "vmoduser"),
        row("vmoddomlimits/-v", "vmoddomlimits"),
    ],
)
def test_the_version(run, command):
    assert run(command, "-v", "virt.test")[1].startswith("version: glassmail ")


@pytest.mark.covers("vadduser/-q", "vadduser/-c")
def test_options_may_stand_behind_arguments(site, run):
    assert run("vadduser", "ann@example.com", "anns", "-q", "10M", "-cAnn")[0] == 0
    assert account(site, b"ann").quota == b"10485760S"
    assert account(site, b"ann").gecos == b"Ann"


@pytest.mark.covers("command/vadddomain", "vadddomain/-b", "vadddomain/-e", "vadddomain/exit 0")
def test_catch_alls_of_a_new_domain(site):
    default = lambda name: (site[1] / "domains" / name / ".qmail-default").read_text()  # noqa: E731
    program = f"| {site[1]}/bin/vdelivermail '' "
    assert call("vadddomain", "-b", "b.test", "x") == 0
    assert default("b.test") == program + "bounce-no-mailbox\n"
    assert call("vadddomain", "-e", "x@y.test", "e.test", "x") == 0
    assert default("e.test") == program + "x@y.test\n"
    assert call("vadddomain", "-e", "postmaster", "p.test", "x") == 0
    assert default("p.test") == program + f"{site[1]}/domains/p.test/postmaster\n"


@pytest.mark.covers("vadddomain/-d", "vadddomain/-q")
def test_another_directory(site, tmp_path):
    (tmp_path / "else").mkdir()
    assert call("vadddomain", "-d", str(tmp_path / "else"), "-q", "1M", "far.test", "x") == 0
    line = account((None, tmp_path / "else"), b"postmaster", "far.test")
    assert line.directory == os.fsencode(tmp_path / "else/domains/far.test/postmaster")
    assert line.quota == b"1048576S"


@pytest.mark.covers("vadddomain/-i", "vadddomain/-g")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_owner(monkeypatch, capfd):
    base = Path(tempfile.mkdtemp(prefix="glassmail-", dir="/tmp"))  # others may look into it
    try:
        base.chmod(0o755)
        monkeypatch.setenv("GLASSMAIL_ROOT", make_home(base)[0].root)
        (base / "there").mkdir()
        words = ("-i", "54321", "-g", "54322", "-d", str(base / "there"), "own.test", "x")
        assert call("vadddomain", *words) == 0
        assert call("vadduser", "ann@own.test", "x") == 0
        directory = base / "there" / "domains" / "own.test"
        names = ("", "vpasswd", "vpasswd.cdb", ".qmail-default", "ann/Maildir/new", "ann/lastauth")
        for name in names:
            status = (directory / name).stat()
            assert (status.st_uid, status.st_gid) == (54_321, 54_322), name
        (directory / "eve").symlink_to("/etc")
        assert call("vadduser", "eve@own.test", "x") == 249
        (base / "secret").write_text("root's alone\n")
        (base / "secret").chmod(0o600)
        (directory / ".qmail-spy").symlink_to(base / "secret")
        capfd.readouterr()
        assert call("valias", "-s", "spy@own.test") == 239
        (directory / ".qmailadmin-limits").symlink_to(base / "secret")
        assert call("vmoddomlimits", "-S", "own.test") == 220
        told = capfd.readouterr()
        assert "root's alone" not in told.out + told.err
        (directory / ".qmailadmin-limits").unlink()
        assert call("vdeluser", "ann@own.test") == 0
        assert call("vdeldomain", "own.test") == 0
    finally:
        shutil.rmtree(base)


@pytest.mark.covers(
    "command/vpasswd", "command/vadduser", "vpasswd/-r", "vpasswd/exit 0", "vadduser/-r",
    "vadduser/-e", "vadduser/-n", "vadduser/exit 0",
)  # fmt: skip
def test_passwords(site, run):
    first = account(site, b"bob")
    assert passwords.verify(b"bobs", first.crypted)
    assert first.clear == b"bobs"  # control/clearpasswords
    assert run("vpasswd", "bob@example.com", "another")[:2] == (0, "")
    assert passwords.verify(b"another", account(site, b"bob").crypted)
    code, told, _error = run("vpasswd", "-r", "bob@example.com")
    made = told.removeprefix("Random password: ").strip()
    assert (code, len(made)) == (0, 8)
    assert passwords.verify(made.encode(), account(site, b"bob").crypted)
    _code, told, _error = run("vadduser", "-r20", "ann@example.com")
    assert len(told.removeprefix("Random password: ").strip()) == 20
    assert run("vadduser", "-e", "$1$abc$def", "eve@example.com")[0] == 0
    assert account(site, b"eve").crypted == b"$1$abc$def"
    assert run("vadduser", "-n", "zoe@example.com")[0] == 0
    assert not passwords.verify(b"", account(site, b"zoe").crypted)


@pytest.mark.covers("control/clearpasswords")
def test_a_clear_password_does_not_outlive_its_setting(site):
    Path(site[0].control, "clearpasswords").unlink()
    call("vadduser", "new@example.com", "secret")
    assert account(site, b"new").clear == b""
    call("vpasswd", "bob@example.com", "fresh")  # whoever has one gets the new one
    assert account(site, b"bob").clear == b"fresh"


@pytest.mark.parametrize(
    ("letter", "bit"),
    [
        row("vmoduser/-d", "d", 0x1),
        row("vmoduser/-p", "p", 0x2),
        row("vmoduser/-w", "w", 0x4),
        row("vmoduser/-i", "i", 0x8),
        row("vmoduser/-b", "b", 0x10),
        row("vmoduser/-r", "r", 0x20),
        row("vmoduser/-u", "u", 0x40),
        row("vmoduser/-0", "0", 0x80),
        row("vmoduser/-1", "1", 0x100),
        row("vmoduser/-2", "2", 0x200),
        row("vmoduser/-3", "3", 0x400),
        row("vmoduser/-s", "s", 0x800),
        row("vmoduser/-a", "a", 0x1000),
        row("vmoduser/-o", "o", 0x2000),
        row("vmoduser/-f", "f", 0x4000),
        row("vmoduser/-F", "F", 0x8000),
        row("vmoduser/-m", "m", 0x40000),
    ],
)
def test_every_flag(site, letter, bit):
    assert call("vmoduser", f"-{letter}", "bob@example.com") == 0
    assert account(site, b"bob").flags == bit


@pytest.mark.covers("vmoduser/-x", "vmoduser/-S", "vmoduser/-E", "vmoduser/-n")
def test_flags_add_up_until_they_are_cleared(site):
    call("vmoduser", "-p", "bob@example.com")
    call("vmoduser", "-i", "-n", "bob@example.com")
    assert account(site, b"bob").flags == 0xA
    call("vmoduser", "-xSE", "bob@example.com")
    roots = Flag.SYSTEM_ADMIN | Flag.SYSTEM_EXPERT
    assert account(site, b"bob").flags == (roots if os.getuid() == 0 else 0)


@pytest.mark.parametrize(
    "command", [row("vmoduser/-h", "vmoduser"), row("vmoddomlimits/-h", "vmoddomlimits")]
)
def test_help(run, command):
    code, told, _error = run(command, "-h")
    assert (code, told.startswith(f"{command}: usage:")) == (0, True)


@pytest.mark.covers(
    "vmoduser/-c", "vmoduser/-q", "vmoduser/-e", "vmoduser/-D", "vmoduser/-C", "vmoduser/exit 0",
    "vmoduser/exit 236", "command/vmoduser",
)  # fmt: skip
def test_other_fields(site, run):
    words = ("-c", "Bob B", "-q", "5C", "-e", "$6$x$y", "-D", "/srv/bob")
    assert run("vmoduser", *words, "bob@example.com")[0] == 0
    found = account(site, b"bob")
    assert found[1:] == (b"$6$x$y", b"1", 0, b"Bob B", b"/srv/bob", b"5C", b"bobs")
    assert run("vmoduser", "-C", "clear", "bob@example.com")[0] == 0
    assert account(site, b"bob").clear == b"clear"
    assert run("vmoduser", "-D", "relative", "bob@example.com")[0] == 236
    assert run("vmoduser", "-w", "example.com")[0] == 0
    assert account(site, b"postmaster").flags == account(site, b"bob").flags == 4


@pytest.mark.covers("command/vsetuserquota", "vsetuserquota/exit 0")
def test_a_quota_for_a_whole_domain(site):
    assert call("vsetuserquota", "example.com", "2m") == 0
    assert account(site, b"postmaster").quota == account(site, b"bob").quota == b"2097152S"
    sums = site[1] / "domains/example.com/bob/Maildir/maildirsize"
    sums.write_text("2097152S\n1 1\n")
    assert call("vsetuserquota", "bob@example.com", "NOQUOTA") == 0
    assert account(site, b"bob").quota == b"NOQUOTA"
    assert not sums.exists()


@pytest.mark.covers(
    "command/vmoddomlimits", "vmoddomlimits/-S", "vmoddomlimits/-D", "vmoddomlimits/-d",
    "vmoddomlimits/-g", "vmoddomlimits/exit 0",
)  # fmt: skip
def test_limits(site, run):
    assert run("vmoddomlimits", "-P", "2", "-g", "pi", "-p", "cd", "-u", "a", "example.com")[0] == 0
    told = run("vmoddomlimits", "-S", "example.com")[1]
    assert "Max Pop Accounts: 2\n" in told
    assert "GID Flags:\n  NO_IMAP\n  NO_POP\nFlags (for commandline): ip\n" in told
    assert "  pop account:            DENY_CREATE  ALLOW_MODIFY DENY_DELETE  \n" in told
    assert "  mailinglist users:      DENY_CREATE  DENY_MODIFY  DENY_DELETE  \n" in told
    code, told, error = run("vadduser", "third@example.com", "x")
    assert (code, account(site, b"third")) == (255, None)
    assert "2 mailboxes are there and 2 are allowed (maxpopaccounts" in told + error
    told = run("vuserinfo", "bob@example.com")[1]
    assert "gid:    0\nflags:  10\n" in told
    assert "        pop access closed (*)\n        imap access closed (*)\n" in told
    assert told.count("* = set by domain-wide limits") == 1
    assert run("vmoddomlimits", "-D", "example.com")[1] == "Limits deleted\n"
    assert run("vmoddomlimits", "-d", "-P", "7", "-q", "1M", "-m", "5")[0] == 0
    assert "Max Pop Accounts: 7\n" in run("vmoddomlimits", "-S", "example.com")[1]
    call("vadduser", "third@example.com", "x")
    assert account(site, b"third").quota == b"1048576S,5C"


def test_limits_of_aliases_and_forwards(site, run):
    assert run("vmoddomlimits", "-A", "1", "-F", "1", "example.com")[0] == 0
    assert run("valias", "-i", "bob@example.com", "a@example.com")[0] == 0
    assert run("valias", "-i", "x@y.test", "f@example.com")[0] == 0
    for line, rule in (("bob@example.com", "maxaliases"), ("x@y.test", "maxforwards")):
        code, told, error = run("valias", "-i", line, "more@example.com")
        assert code == 255
        assert rule in told + error
    assert run("valias", "-i", "postmaster@example.com", "a@example.com")[0] == 0


@pytest.mark.covers(
    "command/valias", "valias/-i", "valias/-n", "valias/-d", "valias/exit 0", "valias/exit 222",
    "valias/exit 224",
)  # fmt: skip
def test_aliases(site, run):
    assert run("valias", "-i", "bob@example.com", "first.last@example.com")[0] == 0
    path = site[1] / "domains/example.com/.qmail-first:last"
    assert path.read_bytes() == b"bob@example.com\n"
    again = run("valias", "-i", "bob@example.com", "first.last@example.com")
    want = "Error: alias first.last@example.com -> bob@example.com already exists.\n"
    assert (again[0], again[2]) == (255, want)
    assert run("valias", "-n", "example.com")[1] == "first.last\n"
    assert run("valias", "-d", "first.last@example.com")[0] == 0
    assert not path.exists()
    assert run("valias", "-d", "first.last@example.com")[0] == 0
    assert run("valias", "-i", "a@b.test\n|sh", "x@example.com")[0] == 222
    assert run("valias", "-i", "x" * 160, "x@example.com")[0] == 224


@pytest.mark.covers("valias/exit 239")
def test_a_list_of_ezmlm_counts_once_and_is_not_changed(site, run):
    directory = site[1] / "domains/example.com"
    (directory / "list").mkdir()
    for name in ("", "-default", "-owner"):
        (directory / "list" / f"editor{name}").write_text("|ezmlm\n")
        (directory / f".qmail-list{name}").symlink_to(directory / "list" / f"editor{name}")
    assert run("valias", "-n", "example.com")[1] == "list\n"
    assert run("valias", "-i", "bob@example.com", "list@example.com")[0] == 239
    assert (directory / ".qmail-list").is_symlink()
    assert (directory / "list" / "editor").read_text() == "|ezmlm\n"


@pytest.mark.covers(
    "command/vdeldomain", "command/vaddaliasdomain", "vdeldomain/-f", "vdeldomain/exit 0",
    "vdeldomain/exit 245", "vaddaliasdomain/exit 0",
)  # fmt: skip
def test_alias_domains_go_with_their_domain(site, run):
    assert run("vaddaliasdomain", "alias.test", "example.com")[0] == 0
    code, told, _error = run("vdeldomain", "example.com")
    assert code == 0
    assert told == (
        "Warning: Alias domains exist:\n   alias.test\n"
        "   use -f to force delete of domain and all aliases\n"
    )
    assert (site[1] / "domains/example.com").exists()
    assert run("vadduser", "eve@alias.test", "x")[0] == 0
    assert account(site, b"eve").directory.endswith(b"/example.com/eve")
    assert run("vdeldomain", "-f", "example.com")[1] == (
        "Warning: Alias domains deleted:\n   alias.test\n"
    )
    assert "example.com" not in Path(site[0].assign).read_text()
    assert run("vdeldomain", "alias.test")[0] == 245


def test_an_alias_domain_goes_alone(site, run):
    call("vaddaliasdomain", "example.com", "alias.test")
    assert run("vdeldomain", "alias.test")[:2] == (0, "")
    assert (site[1] / "domains/example.com/vpasswd").exists()
    assert run("vdominfo", "-n", "example.com")[1] == "example.com\n"


@pytest.mark.covers("command/vdeluser", "vdeluser/exit 0")
def test_mail_of_a_removed_mailbox_is_kept(site, run):
    letter = site[1] / "domains/example.com/bob/Maildir/new/1"
    letter.write_text("mail")
    assert run("vdeluser", "bob@example.com")[:2] == (0, "")
    assert account(site, b"bob") is None
    [kept] = (site[1] / "domains/example.com/.removed").glob("bob.*/Maildir/new/1")
    assert kept.read_text() == "mail"
    assert run("vadduser", "bob@example.com", "x")[0] == 0
    assert not letter.exists()


@pytest.mark.covers("vadduser/exit 249")
def test_a_directory_that_is_there_already_is_not_taken(site, run):
    (site[1] / "domains/example.com/ann/Maildir/new").mkdir(parents=True)
    assert run("vadduser", "ann@example.com", "x")[:2] == (
        249, "Error: User's directory already exists\n"
    )  # fmt: skip


@pytest.mark.covers("vuserinfo/-D")
def test_broken_lines_are_told_with_their_number(site, run):
    path = site[1] / "domains/example.com/vpasswd"
    path.write_bytes(path.read_bytes() + b"broken:x:1\n")
    code, told, error = run("vuserinfo", "-D", "example.com")
    assert (code, told.count("name:")) == (0, 2)
    assert "vpasswd:3: 3 fields, there must be 7 or 8" in error
    assert run("vadduser", "new@example.com", "x")[0] == 0
    assert account(site, b"new") is not None
    assert b"broken:x:1\n" in path.read_bytes()
    code, told, error = run("vuserinfo", "broken@example.com")
    assert code == 239
    assert re.search(r"vpasswd:\d: 3 fields", error)
    code, told, error = run("vadduser", "broken@example.com", "x")
    assert (code, told) == (239, "Error: Could not update file\n")
    assert re.search(r"nobody can tell whether the mailbox exists: .*vpasswd:\d: 3 fields", error)
    assert run("vpasswd", "broken@example.com", "x")[0] == 239


@pytest.mark.parametrize("words", ["vuserinfo -D example.com", "vdominfo", "vdominfo example.com",
                                   "vadduser new@example.com x", "vuserinfo bob@example.com"])
def test_accounts_that_cannot_be_read_are_told(site, run, words):
    path = site[1] / "domains/example.com/vpasswd"
    path.rename(path.with_name("elsewhere"))
    path.mkdir()
    code, told, error = run(*words.split())
    assert (code, told.splitlines()[-1]) == (239, "Error: Could not update file")
    assert "vpasswd: Is a directory" in error


def test_the_default_domain(site, run, monkeypatch):
    (site[1] / "etc" / "defaultdomain").write_text("example.com\n")
    assert run("vuserinfo", "-n", "bob")[1] == "bob\n"
    assert run("vuserinfo", "-n", "bob%example.com")[1] == "bob\n"
    monkeypatch.setenv("VPOPMAIL_DOMAIN", "virt.test")
    assert run("vuserinfo", "-n", "bob")[1] == "no such user bob@virt.test\n"


@pytest.mark.covers("vuserinfo/-l")
def test_a_login_is_told(site, run):
    path = site[1] / "domains/example.com/bob/lastauth"
    path.write_bytes(b"192.0.2.7")
    os.utime(path, (86_400, 86_400))
    told = run("vuserinfo", "-l", "bob@example.com")[1]
    assert told == f"last auth: {time.ctime(86_400)}\nlast auth ip: 192.0.2.7\n"


def test_the_hook(site, run, tmp_path):
    log = tmp_path / "log"
    hook = site[1] / "etc" / "onchange"
    hook.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    hook.chmod(0o755)
    for words in (
        ("vadddomain", "new.test", "x"), ("vadduser", "u@new.test", "x"),
        ("vaddaliasdomain", "new.test", "alias.test"), ("vmoduser", "-p", "u@new.test"),
        ("vpasswd", "u@new.test", "y"), ("valias", "-i", "u@new.test", "s@new.test"),
        ("valias", "-d", "s@new.test"), ("vdeluser", "u@new.test"),
        ("vdeldomain", "-f", "new.test"),
    ):  # fmt: skip
        assert run(*words)[0] == 0
    assert log.read_text().splitlines() == [
        "add_domain new.test", "add_user u@new.test", "add_alias_domain alias.test new.test",
        "mod_user u@new.test", "mod_user u@new.test", "insert_alias s@new.test u@new.test",
        "del_alias s@new.test", "del_user u@new.test", "del_domain new.test",
    ]  # fmt: skip
    hook.write_text("#!/bin/sh\nexit 3\n")
    code, told, error = run("vadduser", "bad@example.com", "x")
    assert (code, told) == (0, "")
    assert "onchange add_user: it ended with 3" in error


@pytest.mark.covers("command/clearopensmtp", "clearopensmtp/exit 0")
def test_old_entries_of_open_smtp_go(site, run):
    etc = site[1] / "etc"
    now = int(time.time())
    line = '{}:allow,RELAYCLIENT="",RBLSMTPD=""\t{}\n'
    (etc / "tcp.smtp").write_text("127.:allow\n")
    (etc / "open-smtp").write_text(
        line.format("192.0.2.1", now - 60) + line.format("192.0.2.2", now - 11_000) + "junk\n"
    )
    assert run("clearopensmtp") == (0, "", "")
    assert (etc / "open-smtp").read_text() == line.format("192.0.2.1", now - 60)
    found = Cdb(str(etc / "tcp.smtp.cdb"))
    assert found.find(b"192.0.2.1") is not None
    assert found.find(b"192.0.2.2") is None
    assert found.find(b"127.") is not None


def test_old_files_of_open_smtp_go(site, run):
    directory = site[1] / "osd"
    directory.mkdir()
    for name, age in (("192.0.2.1", 60), ("192.0.2.2", 20_000)):
        (directory / name).touch()
        os.utime(directory / name, (time.time() - age,) * 2)
    Path(site[0].control, "opensmtp").write_text(f"{directory}\n")
    assert run("clearopensmtp")[0] == 0
    assert os.listdir(directory) == ["192.0.2.1"]
    assert run("clearopensmtp")[0] == 0


def test_twenty_at_once_lose_none(site):
    code = "import sys; from glassmail.faces.compat.{0} import main; sys.exit(main(sys.argv))"
    started = [
        subprocess.Popen([sys.executable, "-c", code.format(command), *words])
        for number in range(10)
        for command, words in (
            ("vadduser", (f"u{number}@example.com", "x")), ("vadddomain", (f"d{number}.test", "x"))
        )
    ]  # fmt: skip
    assert [process.wait(120) for process in started] == [0] * 20
    data = (site[1] / "domains/example.com/vpasswd").read_bytes()
    found = {line.split(b":")[0] for line in data.splitlines()}
    assert found == {b"bob", b"postmaster", *(b"u%d" % number for number in range(10))}
    assign = Path(site[0].assign).read_bytes()
    for number in range(10):
        assert b"+d%d.test-:" % number in assign
        assert Cdb(site[0].assign_cdb).find(b"!d%d.test-" % number)
        for name in ("rcpthosts", "virtualdomains"):
            assert b"d%d.test" % number in Path(site[0].control, name).read_bytes()


@pytest.mark.covers("command/vuserinfo", "vuserinfo/exit 0")
@pytest.mark.parametrize(
    ("letter", "told"),
    [
        row("vuserinfo/-n", "n", "bob\n"),
        row("vuserinfo/-p", "p", "$6$x\n"),
        row("vuserinfo/-u", "u", "1\n"),
        row("vuserinfo/-g", "g", "2\n"),
        row("vuserinfo/-c", "c", "bob\n"),
        row("vuserinfo/-d", "d", "HOME/domains/example.com/bob\n"),
        row("vuserinfo/-q", "q", "1000S\n"),
        row("vuserinfo/-Q", "Q", "25%\n"),
        row("vuserinfo/-C", "C", "bobs\n"),
    ],
)
def test_fields_of_a_mailbox(site, run, letter, told):
    call("vmoduser", "-p", "-q", "1000", "-e", "$6$x", "bob@example.com")
    (site[1] / "domains/example.com/bob/Maildir/new/1,S=250").write_text("")
    found = run("vuserinfo", f"-{letter}", "bob@example.com")
    assert found[:2] == (0, told.replace("HOME", str(site[1])))


@pytest.mark.covers("vuserinfo/-a")
def test_everything_of_a_mailbox(run):
    every = run("vuserinfo", "bob@example.com")
    assert run("vuserinfo", "-n", "-a", "bob@example.com") == every
    assert every[1].startswith("name:   bob\npasswd: $6$")


@pytest.mark.covers("command/vdominfo", "vdominfo/exit 0")
@pytest.mark.parametrize(
    ("letter", "told"),
    [
        row("vdominfo/-n", "n", "example.com"),
        row("vdominfo/-u", "u", str(os.getuid())),
        row("vdominfo/-g", "g", str(os.getgid())),
        row("vdominfo/-d", "d", "HOME/domains/example.com"),
        row("vdominfo/-t", "t", "2"),
        row("vdominfo/-r", "r", "example.com"),
    ],
)
def test_fields_of_a_domain(site, run, letter, told):
    wanted = told.replace("HOME", str(site[1])) + "\n"
    assert run("vdominfo", f"-{letter}", "example.com")[:2] == (0, wanted)


@pytest.mark.covers("vdominfo/-a", "valias/-s")
def test_what_is_told_by_default(run):
    every = run("vdominfo")
    assert run("vdominfo", "-n", "-a") == every
    assert every[1].count("domain: ") == 2
    run("valias", "-i", "bob@example.com", "x@example.com")
    told = "x@example.com -> bob@example.com\n"
    assert run("valias", "example.com")[1] == run("valias", "-s", "example.com")[1] == told


@pytest.mark.parametrize(
    ("letter", "line"),
    [
        row("vmoddomlimits/-Q", "Q", "Domain Quota: 7 MB"),
        row("vmoddomlimits/-q", "q", "Default User Quota: 7 bytes"),
        row("vmoddomlimits/-M", "M", "Max Domain Messages: 7"),
        row("vmoddomlimits/-m", "m", "Default Max Messages per User: 7"),
        row("vmoddomlimits/-P", "P", "Max Pop Accounts: 7"),
        row("vmoddomlimits/-A", "A", "Max Aliases: 7"),
        row("vmoddomlimits/-F", "F", "Max Forwards: 7"),
        row("vmoddomlimits/-R", "R", "Max Autoresponders: 7"),
        row("vmoddomlimits/-L", "L", "Max Mailinglists: 7"),
    ],
)
def test_numbers_of_a_domain(run, letter, line):
    assert run("vmoddomlimits", f"-{letter}", "7", "example.com")[0] == 0
    assert line in run("vmoddomlimits", "-S", "example.com")[1].splitlines()
    assert run("vmoddomlimits", f"-{letter}", "many", "example.com")[0] == 255


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        row("vmoddomlimits/-p", "p", "pop account"),
        row("vmoddomlimits/-a", "a", "alias"),
        row("vmoddomlimits/-f", "f", "forward"),
        row("vmoddomlimits/-r", "r", "autoresponder"),
        row("vmoddomlimits/-l", "l", "mailinglist"),
        row("vmoddomlimits/-u", "u", "mailinglist users"),
        row("vmoddomlimits/-o", "o", "mailinglist moderators"),
        row("vmoddomlimits/-x", "x", "quota"),
        row("vmoddomlimits/-z", "z", "default quota"),
    ],
)
def test_rights_of_a_domains_administrators(run, letter, name):
    assert run("vmoddomlimits", f"-{letter}", "cm", "example.com")[0] == 0
    told = run("vmoddomlimits", "-S", "example.com")[1]
    assert told.count("DENY_") == 2
    line = f"  {name + ':':<24}DENY_CREATE  DENY_MODIFY  ALLOW_DELETE "
    assert line in told.splitlines()


@pytest.mark.covers("vadddomain/-r", "vadddomain/-O", "vadddomain/exit 242", "vadddomain/exit 239")
def test_more_ways_to_make_a_domain(site, run):
    code, told, _error = run("vadddomain", "-O", "-r", "random.test")
    assert (code, len(told.removeprefix("Random password: ").strip())) == (0, 12)
    made = account(site, b"postmaster", "random.test")
    assert passwords.verify(told.split()[-1].encode(), made.crypted)
    (site[1] / "domains/there.test").mkdir()
    assert run("vadddomain", "there.test", "x")[0] == 242
    assert run("vadddomain", "-d", "/nowhere/at/all", "far.test", "x")[0] == 239


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(
    ("opened", "told"),
    [(closed_pipe, b""),
     (lambda: os.open("/dev/full", os.O_WRONLY),
      b"vdominfo: [Errno 28] No space left on device\n")],
)  # fmt: skip
def test_what_cannot_be_printed_is_no_traceback(site, opened, told):
    code = "import sys; from glassmail.faces.compat.vdominfo import main; sys.exit(main())"
    with os.fdopen(opened(), "wb") as out:
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, check=False, stdout=out, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (111, told)


@pytest.mark.parametrize(("typed", "code"), [(b"", 255), (b"new\nnew\n", 0)])
def test_a_password_is_asked_without_a_terminal(site, typed, code):
    run = "import sys; from glassmail.faces.compat.vpasswd import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", run, "bob@example.com"], check=False, input=typed,
        capture_output=True, timeout=60, start_new_session=True,
    )  # fmt: skip
    asked = b"Please enter password for bob@example.com: "
    asked += b"enter password again: " if typed else b""
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(asked)
    assert b"arning" not in done.stderr
    assert bool(passwords.verify(b"new", account(site, b"bob").crypted)) == (code == 0)


@pytest.mark.parametrize("count", [15_420, 16_000])  # just below what is delivered, and above
def test_an_alias_with_more_than_is_delivered_loses_no_line(site, run, count):
    path = site[1] / "domains/example.com/.qmail-many"
    text = b"".join(b"u%06d@far.test\n" % number for number in range(count))
    path.write_bytes(text)
    path.chmod(0o700)  # executable: forwards alone (dot-qmail.5)
    code, _told, error = run("valias", "-i", "one@far.test", "many@example.com")
    assert (code, "262144 bytes" in error, path.read_bytes()) == (239, True, text)
    path.write_bytes(b"u@far.test\n")
    assert run("valias", "-i", "one@far.test", "many@example.com")[0] == 0
    assert path.read_bytes() == b"u@far.test\none@far.test\n"
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.covers("vadddomain/-u")
def test_the_owner_by_name(site, run):
    name = pwd.getpwuid(os.getuid()).pw_name
    there = str(site[1].parent / "there")
    os.mkdir(there)
    assert run("vadddomain", "-u", name, "-d", there, "users.test", "x")[0] == 0
    assert account((None, Path(there)), b"postmaster", "users.test") is not None


@pytest.mark.covers("vadduser/-s")
def test_an_option_that_does_nothing_any_more(site, run):
    code, _told, error = run("vadduser", "-s", "carl@example.com", "x")
    assert (code, error) == (0, "Warning: The -s option has been disabled.\n")
    assert account(site, b"carl") is not None


@pytest.mark.covers("control/vpopmailhome")
def test_vpopmails_home_is_found_by_the_domains_of_assign(site, run):
    Path(site[0].control, "vpopmailhome").unlink()
    assert run("vadddomain", "found.test", "x")[0] == 0
    assert (site[1] / "domains/found.test/vpasswd").exists()
