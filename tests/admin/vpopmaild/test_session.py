"""The conversations of the sample, and what nobody may do."""

import os
import re

import pytest

from glassmail.admin import aliases, limits_files, mailboxes, virtual_domains
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild.session import Session
from glassmail.core.formats.domain_limits import Limits
from glassmail.core.formats.vpasswd import Flag
from glassmail.settings.place import Place
from glassmail.store import lastauth
from tests.admin.site import make
from tests.shared import SAMPLES

NAME = b"example.com"
SAMPLE = SAMPLES / "vpopmaild-session.txt"
PASSWORDS = {b"ann": b"annpw1secret", b"bad..user": b"x", b"bob": b"newbobpw1",
             b"postmaster": b"pmpw1secret"}  # fmt: skip


@pytest.fixture
def site(tmp_path):
    """The site of the sample: example.com with two alias domains, virt.test."""
    root = make(tmp_path, mailboxes=[], aliases=[], catch_alls=[]).root
    with open(os.path.join(root, "control", "clearpasswords"), "w", encoding="ascii") as file:
        file.write("1\n")
    made, changes = Site.at(Place(root)), Changes()
    for name in (NAME, b"virt.test"):
        virtual_domains.add(made, changes, virtual_domains.NewDomain(name))
    for alias in (b"alias.example.com", b"alias2.example.com"):
        virtual_domains.add_alias(made, changes, alias, NAME)
    domain = made.domain(NAME)
    gecos = {b"ann": b"Ann Quota", b"postmaster": b"Postmaster"}
    quotas = {b"ann": b"1048576S", b"bob": b"20000S", b"bad..user": b"10485760S"}
    for name, password in PASSWORDS.items():
        plain = name.replace(b"..", b".")
        new = NewMailbox(plain, password, quotas.get(name, b"NOQUOTA"), gecos.get(name, name))
        mailboxes.add(made, changes, NAME, [new])
    give(made, b"bob", Flag.DOMAIN_ADMIN)
    give(made, b"postmaster", Flag.SYSTEM_ADMIN)
    aliases.add_lines(made, changes, domain, b"prog", [b"|/bin/true"])
    aliases.add_lines(made, changes, domain, b"sales", [b"bob@example.com"])
    limits = Limits(maxpopaccounts=11, default_quota=10_485_760)
    limits_files.change(made, changes, domain, lambda _: limits)
    bob = os.path.join(domain.directory, "bob")
    lastauth.record(os.fsencode(bob), b"127.0.0.6")
    os.utime(os.path.join(bob, "lastauth"), (1_795_187_451, 1_795_187_451))
    for number, size in enumerate((337, 321, 334, 442)):
        with open(os.path.join(bob, "Maildir", "new", f"{number},S={size}"), "wb"):
            pass
    return made


def give(site, name, flag):
    alter = lambda old: old._replace(flags=int(flag))  # noqa: E731
    mailboxes.change(site, Changes(), site.domain(NAME), [name], alter)


def conversations():
    """Parse the sample: title -> list of (line said, lines answered)."""
    text = SAMPLE.read_text()
    found = {}
    for line in text.splitlines():
        if line.startswith("## "):
            turns = found[line[3:]] = [("", [])]
        elif line.startswith("C: "):
            turns.append((line[3:], []))
        elif line.startswith("S: "):
            turns[-1][1].append(line[3:])
    return found


def normal(lines, site=None):
    """Lines without what differs from site to site: hashes, paths, uids."""
    shown = []
    for line in lines:
        text = re.sub(r"\$6\$\S+", "HASH", line)
        if site is not None:
            text = text.replace(site.home, "/home/vpopmail")
        text = re.sub(r"^(uid|gid) \d+", r"\1 N", text)
        text = text.replace("bad..user", "bad.user").replace("| /home/vpopmail/bin/", "| ")
        text = text.replace("'' delete", "'' bounce-no-mailbox")
        shown.append(text)
    return shown


def say(session, line):
    answer = session.answer(line.encode() if isinstance(line, str) else line)
    assert answer == b"" or answer.endswith(b"\r\n")
    return answer.decode().split("\r\n")[:-1]


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"needs {SAMPLE.name}")
def test_the_sample(site):
    found = conversations()
    assert list(found) == ["not logged in", "user w/ domain admin", "sysadmin"]
    for title, turns in found.items():
        session = Session(site)
        for said, expected in turns[1:]:
            if session.is_over:
                assert expected == []
                break
            answered = normal(say(session, said), site)
            wanted = normal(expected)
            if title.startswith("user"):  # passwords of a system administrator are not told
                wanted = _without_secrets(wanted)
            if said == "get_user_size bob@example.com":  # the sample's 0 is a fault of vpopmaild
                wanted[1:3] = ["size 1434", "count 4"]
            assert answered == wanted, said
        assert session.is_over


def _without_secrets(lines):
    if "name postmaster" not in lines or "name ann" not in lines:
        return lines
    at = lines.index("name postmaster")
    head, tail = lines[:at], lines[at:]
    tail[4], tail[5] = "encrypted_password ", "clear_text_password "
    return head + tail


def logged_in(site, name, verb="slogin"):
    session = Session(site)
    password = PASSWORDS[name].decode()
    assert say(session, f"{verb} {name.decode()}@example.com {password}")[0].startswith("+OK")
    return session


def test_an_alias_domain_is_the_real_one(site):
    session = Session(site)
    assert say(session, "slogin ann@alias.example.com annpw1secret") == ["+OK "]
    assert "name ann" in say(session, "user_info ann@alias2.example.com")


@pytest.mark.parametrize(
    "command",
    ["user_info bob@example.com", "user_info nobody@none.test", "list_users example.com",
     "add_user x@example.com secret1", "del_user ann@example.com",
     "add_alias x@example.com a@b.test", "list_domains",
     "read_file example.com/.qmail-default", "read_file bob@example.com/lastauth",
     "list_dir example.com/", "write_file example.com/.qmail-x", "mod_user bob@example.com",
     "set_limits example.com", "get_limits example.com", "del_domain example.com"],
)  # fmt: skip
def test_what_a_user_may_not(site, command):
    session = logged_in(site, b"ann")
    assert say(session, command)[0].startswith("-ERR ")


def test_a_user_and_himself(site):
    session = logged_in(site, b"ann")
    assert "name ann" in say(session, "user_info ann@example.com")
    for line, wanted in (
        ("comment New Name", "+OK "),
        ("clear_text_password newpw1secret", "+OK "),
        ("user_flag_1 1", "+OK "),
        ("quota NOQUOTA", "-ERR 6.520 Not authorized"),
        ("no_pop 0", "+OK "),
        ("no_pop 1", "-ERR 6.520 Not authorized"),
        ("domain_admin_privileges 1", "-ERR 6.520 Not authorized"),
        ("gidflags 65536", "-ERR 6.520 Not authorized"),
        ("colour red", "-ERR 9.504 Invalid Option"),
        ("no_pop 2", "-ERR 9.505 Invalid Option"),
    ):
        assert say(session, "mod_user ann@example.com") == ["+OK "]
        assert say(session, line) == []
        assert say(session, ".") == [wanted], line
    assert say(Session(site), "slogin ann@example.com newpw1secret") == ["+OK "]
    assert mailboxes.find(site, site.domain(NAME), b"ann").gecos == b"New Name"
    give(site, b"ann", Flag.NO_PASSWORD_CHANGE)
    say(session, "mod_user ann@example.com")
    say(session, "clear_text_password other1secret")
    assert say(session, ".") == ["-ERR 6.520 Not authorized"]


@pytest.mark.parametrize(
    "command",
    ["user_info x@virt.test", "list_users virt.test", "add_user x@virt.test secret1",
     "add_user x@none.test secret1", "del_user postmaster@example.com",
     "add_alias x@example.com |id", "add_alias x@example.com /etc/Maildir/",
     "add_alias x@example.com |vacation -m ../bob/secret x", "add_domain new.test secret1",
     "read_file virt.test/.qmail-default", "read_file example.com/vpasswd",
     "read_file example.com/.vpasswd.lock", "read_file example.com/../virt.test/.qmail-default",
     "read_file example.com/ann%2f", "read_file /etc/passwd", "get_limits virt.test",
     "rename_file example.com/a example.com/.qmail-a", "write_file example.com/vpasswd",
     "write_file example.com/.qmailadmin-limits", "rm_file example.com/.qmailadmin-limits",
     "rename_file example.com/a example.com/.qmailadmin-limits",
     "write_file example.com/.glass-pending", "rename_file example.com/a example.com/.removed/x",
     "write_file example.com/.removed/ann.20261121T000000Z.account"],
)  # fmt: skip
def test_what_a_domain_s_administrator_may_not(site, command):
    session = logged_in(site, b"bob")
    assert say(session, command)[0].startswith("-ERR "), command


def test_a_domain_s_administrator_makes_no_system_administrator(site):
    session = logged_in(site, b"bob")
    for address, line in (
        ("ann", "system_admin_privileges 1"),
        ("ann", "gidflags 65536"),
        ("ann", "override_domain_limits 1"),
        ("postmaster", "clear_text_password mine1secret"),
        ("postmaster", "comment x"),
    ):
        say(session, f"mod_user {address}@example.com")
        say(session, line)
        assert say(session, ".") == ["-ERR 6.520 Not authorized"], line
    lines = say(session, "user_info postmaster@example.com")
    assert "clear_text_password " in lines
    assert not any("pmpw1secret" in line for line in lines)


def test_files(site):
    session = logged_in(site, b"bob")
    directory = site.domain(NAME).directory
    assert say(session, "mk_dir example.com/notes") == ["+OK "]
    assert say(session, "write_file example.com/notes/one") == ["+OK "]
    assert say(session, "first") == say(session, "") == []
    assert say(session, ".") == ["+OK "]
    assert say(session, "read_file example.com/notes/one") == ["+OK+", "first", "", "."]
    assert say(session, f"read_file {directory}/notes/one")[1] == "first"
    assert "size 7" in say(session, "stat_file example.com/notes/one")
    assert say(session, "list_dir example.com/notes/") == ["+OK+", "one file", "."]
    assert say(session, "rename_file example.com/notes/one bob@example.com/two") == ["+OK "]
    assert say(session, "read_file bob@example.com/two")[1] == "first"
    assert say(session, "rm_dir example.com/notes") == ["+OK "]
    assert say(session, "rm_file bob@example.com/two") == ["+OK "]
    assert say(session, "rm_file bob@example.com/two")[0].startswith("-ERR 21.")
    assert say(session, "rm_dir example.com/bob")[0].startswith("-ERR 22.")  # not empty
    say(session, "write_file example.com/.qmail-auto")
    say(session, "|vacation -j -m text bob")
    assert say(session, ".") == ["+OK "]
    say(session, "write_file example.com/.qmail-evil")
    say(session, "|id")
    assert say(session, ".") == ["-ERR 6.1906 Not authorized"]
    assert not os.path.exists(os.path.join(directory, ".qmail-evil"))


def test_links_lead_nowhere(site, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret\n")
    directory = site.domain(NAME).directory
    os.symlink(tmp_path / "outside", os.path.join(directory, "link"))
    os.symlink(tmp_path / "outside" / "secret", os.path.join(directory, "file"))
    session = logged_in(site, b"bob")
    for command in ("read_file example.com/link/secret", "read_file example.com/file",
                    "list_dir example.com/link/", "mk_dir example.com/link/x",
                    "rm_file example.com/link/secret"):  # fmt: skip
        assert say(session, command)[0].startswith("-ERR 2"), command
    assert say(session, "write_file example.com/file") == ["+OK "]
    say(session, "mine")
    assert say(session, ".") == ["+OK "]  # the link itself was replaced
    assert (tmp_path / "outside" / "secret").read_text() == "secret\n"


def test_a_system_administrator_makes_and_removes_domains(site):
    session = logged_in(site, b"postmaster")
    assert say(session, "add_domain new.test secret1pw") == ["+OK "]
    assert say(session, "add_domain new.test secret1pw") == ["-ERR 0.199 Domain already exists"]
    assert say(session, "add_alias_domain new.test other.test") == ["+OK "]
    assert "alias other.test" in say(session, "dom_info new.test")
    assert say(session, "user_count other.test") == ["+OK+", "count 1", "."]
    assert say(Session(site), "slogin postmaster@new.test secret1pw") == ["+OK "]
    assert say(session, "set_limits new.test") == ["+OK "]
    for line in ("max_popaccounts 1", "disable_pop 1", "perm_alias 7"):
        assert say(session, line) == []
    assert say(session, ".") == ["+OK "]
    lines = say(session, "get_limits new.test")
    assert {"max_popaccounts 1", "disable_pop 1", "perm_alias 7"} <= set(lines)
    assert say(session, "add_user x@new.test secret1pw")[0].startswith("-ERR 0.199 new.test: 1 m")
    assert say(session, "del_limits new.test") == ["+OK "]
    assert "max_popaccounts -1" in say(session, "get_limits new.test")
    assert say(session, "del_domain new.test") == ["+OK "]
    assert say(session, "find_domain other.test")[0].startswith("-ERR 0.2302")
    assert say(session, "list_users example.com 1 1")[1] == "name ann"
    assert say(session, "list_users example.com 2 1")[1] == "name bad.user"


def test_lines_that_are_too_much(site):
    session = Session(site)
    assert say(session, b"x" * 5_000)[0].startswith("-ERR 1.101")
    assert session.is_over
    session = logged_in(site, b"ann")
    say(session, "mod_user ann@example.com")
    assert say(session, b"comment " + b"x" * 5_000)[0].startswith("-ERR 1.102")
    assert session.is_over
    for line in (b"", b" ", b"\xff\xfe", b"login", b"slogin @", b"slogin a@", b"user_info \xff@x"):
        session = Session(site)
        assert say(session, line)[0].startswith("-ERR ")


def test_an_account_that_is_not_there_is_told_like_a_wrong_password(site):
    answers = {
        tuple(say(Session(site), f"slogin {address} wrong"))
        for address in ("bob@example.com", "none@example.com", "none@none.test", "none", "")
    }
    assert answers == {("-ERR 8.207 Invalid Login",)}


HOSTILE = [
    b"", b" ", b"@", b"a@", b"@example.com", b"example.com", b"bob@example.com",
    b"bob@example.com bob@example.com", b"../x@example.com", b"a/b@example.com secret1pw",
    b"\xff\xfe@example.com x", b"bob@example.com \xff", b"x" * 200 + b"@example.com secret1pw",
    b"example.com -1 5", b"example.com 0 0", b"example.com 999999999999 9", b"1 x",
    b"example.com/../..", b"//", b"/", b"/etc/passwd", b"example.com/" + b"a/" * 500,
    b"example.com/" + b"n" * 300, b"a:b@example.com secret1pw", b"x@example.com a:b",
    b"none.test secret1pw", b"a..b secret1pw", b"-r@example.com secret1pw",
]  # fmt: skip


@pytest.mark.parametrize("name", [b"ann", b"bob", b"postmaster"])
def test_whatever_is_said_is_answered(site, name):
    session = logged_in(site, name)
    verbs = [*session._commands, *session._multis, b"help", b"foo", b"add_list", b"get_ip_map"]
    for verb in verbs:
        for rest in HOSTILE:
            answer = session.answer(verb + b" " + rest)
            assert answer.startswith((b"+OK", b"-ERR ")), (verb, rest)
            assert answer.endswith(b"\r\n")
            assert b"Traceback" not in answer
            if verb in session._multis and answer == b"+OK \r\n":
                for line in (b"no_pop", b"no_pop 1", b"max_aliases x", b"\xff", rest):
                    assert session.answer(line) == b""
                assert session.answer(b".").startswith((b"+OK", b"-ERR ")), (verb, rest)
            assert not session.is_over, (verb, rest)
    outside = {entry.name for entry in os.scandir(site.place.root)}
    assert outside <= {"control", "users", "alias", "domains", "queue", "log", "history", "ssl",
                       "run", "gate", "etc", "bin"}  # fmt: skip


ANSWERING = "|autorespond 10000 5 text ."


def limit(site, **fields):
    domain = site.domain(NAME)
    limits_files.change(site, Changes(), domain, lambda _: Limits(**fields))


@pytest.mark.parametrize(
    ("rule", "line"),
    [("maxaliases", "ann@example.com"), ("maxforwards", "x@y.test"),
     ("maxautoresponders", ANSWERING)],
)  # fmt: skip
@pytest.mark.parametrize("who", [b"bob", b"postmaster"])
def test_limits_of_aliases(site, who, rule, line):
    aliases.remove(site, Changes(), site.domain(NAME), b"sales")
    aliases.remove(site, Changes(), site.domain(NAME), b"prog")
    limit(site, **{rule: 1})
    session = logged_in(site, who)
    assert say(session, f"add_alias one@example.com {line}") == ["+OK "]
    assert say(session, f"add_alias one@example.com {line.replace('x@', 'z@')} ")[0][:4] in (
        "-ERR", "+OK ",
    )  # fmt: skip  # more lines of the same alias are no more aliases
    answer = say(session, f"add_alias two@example.com {line}")[0]
    assert answer.startswith("-ERR 0.199 example.com: 1 ")
    assert rule in answer
    assert say(session, "write_file example.com/.qmail-three") == ["+OK "]
    say(session, line)
    answer = say(session, ".")
    if who == b"bob":  # a system administrator's file is what he wants
        assert rule in answer[0]
    assert say(session, "delete_alias one@example.com") == ["+OK "]


@pytest.mark.parametrize(
    ("rights", "refused"),
    [
        ({"perm_account": 1}, "add_user new@example.com secret1"),
        ({"perm_account": 4}, "del_user ann@example.com"),
        ({"perm_forward": 1}, "add_alias new@example.com x@y.test"),
        ({"perm_alias": 2}, "add_alias sales@example.com ann@example.com"),
        ({"perm_forward": 1}, "add_alias sales@example.com x@y.test"),
        ({"perm_alias": 4}, "remove_alias sales@example.com bob@example.com"),
        ({"perm_alias": 4}, "delete_alias sales@example.com"),
        ({"perm_alias": 4}, "rm_file example.com/.qmail-sales"),
        ({"perm_autoresponder": 1}, f"add_alias new@example.com {ANSWERING}"),
    ],
)
def test_rights_of_administrators(site, rights, refused):
    """They bind a domain's administrators, not the postmaster, and no other command."""
    limit(site, **rights)
    session = logged_in(site, b"bob")
    assert " Not authorized" in say(session, refused)[0]
    assert say(session, "add_alias other@example.com ann@example.com") == ["+OK "]
    give(site, b"postmaster", Flag.DOMAIN_ADMIN)
    assert say(logged_in(site, b"postmaster"), refused) == ["+OK "]


@pytest.mark.parametrize(
    ("rights", "line"), [({"perm_quota": 2}, "quota 5000S"), ({"perm_account": 2}, "comment x")]
)
def test_rights_to_change_mailboxes(site, rights, line):
    limit(site, **rights)
    for who, answer in ((b"bob", "-ERR 6.520 Not authorized"), (b"postmaster", "+OK ")):
        session = logged_in(site, who)
        say(session, "mod_user ann@example.com")
        say(session, line)
        assert say(session, ".") == [answer]
