"""Users and dot-qmail files as found on the disk; the answers of the real qmail-local."""

import os
import tempfile
from pathlib import Path

import pytest

from glassmail.core.formats import assign, cdb
from glassmail.core.formats.dot_qmail import Kind
from glassmail.core.model.outcome import Outcome
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.route.dot_qmail import refusal
from glassmail.core.route.users import User
from glassmail.settings.place import Place
from glassmail.stations import system_users, users
from glassmail.stations.resolve import find_dot_qmail, find_owner_files, find_user, sources_of
from glassmail.stations.rights import as_user
from glassmail.stations.system_users import Account
from tests.shared import SAMPLES

SOMEBODY = 65_533  # neither root nor us
is_root = os.geteuid() == 0
only_root = pytest.mark.skipif(not is_root, reason="only root can change its rights")


@pytest.fixture
def home():
    # pytest's own temporary directories are closed to all but their owner.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = Path(directory) / "home"
        path.mkdir(mode=0o755)
        yield path


def user_at(home, dash=b"-", ext=b""):
    return User(b"user", os.getuid(), os.getgid(), os.fsencode(home), dash, ext)


def instructions(found):
    return [(i.kind.value, i.argument) for i in found.dot_qmail.instructions]


# ---- the probe: one home, many extensions ------------------------------------------------------

FILES = {
    "a-b": b"./a-b/\n",
    "a-default": b"./a-default/\n",
    "default": b"./default/\n",
    "x:y": b"./x:y/\n",
    "kinds": b"# c\n&fwd@x.test\nplain@x.test\n./mb\n./md/\n|prog arg\n& space@x.test\n",
    "empty": b"",
    "blankfirst": b"\n./x/\n",
    "exec": b"&a@x.test\n./x/\n",
    "fwdexec": b"&a@x.test\n",
    "writable": b"./x/\n",
    "nonl": b"./nl",
    "grp": b"./gw/\n",
    "noperm": b"./x/\n",
}
MODES = {"exec": 0o700, "fwdexec": 0o700, "writable": 0o646, "grp": 0o664, "noperm": 0o000}


@pytest.fixture
def probe_home(home):
    for name, data in FILES.items():
        path = home / f".qmail-{name}"
        path.write_bytes(data)
        path.chmod(MODES.get(name, 0o644))
    (home / ".qmail-dir").mkdir()
    os.mkfifo(home / ".qmail-fifo")
    os.chown(home, SOMEBODY if is_root else -1, -1)
    for path in home.iterdir():
        os.chown(path, SOMEBODY if is_root else -1, -1)
    return home


def local_n(home, dash, ext):
    """Print what `qmail-local -n` prints."""
    user = user_at(home, dash, ext)
    found = find_dot_qmail(user, True, b"./DEFAULT/")
    if found.report is not None:
        return found.report.text, {Outcome.DEFERRAL: 111, Outcome.FAILURE: 100}[
            found.report.outcome
        ]
    out, counts = b"", {"file": 0, "forward": 0, "program": 0}
    for instruction in found.dot_qmail.instructions:
        text = refusal(instruction, found.is_executable)
        if text:
            return out + text, 111
        kind = instruction.kind.value
        counts["file" if kind in ("maildir", "mbox") else kind] += 1
        out += kind.encode() + b" " + instruction.argument + b"\n"
    return out + b"did %d+%d+%d\n" % tuple(counts.values()), 0


PROBE_EXTENSIONS = [
    *("a-b", "A-B", "a-c", "a-b-c", "a", "zzz", "x.y", "X.Y", "q-default", "kinds", "empty"),
    *("blankfirst", "exec", "fwdexec", "writable", "dir", "nonl", "grp", "noperm"),
]


def sample_blocks():
    """Split the sample into {title: (output, exit code)}."""
    blocks = {}
    for block in (SAMPLES / "probe-dot-qmail.txt").read_bytes().split(b"== ")[1:]:
        title, _, rest = block.partition(b"\n")
        output, _, code = rest.rpartition(b"rc=")
        blocks[title.decode()] = (output, int(code))
    return blocks


@pytest.mark.parametrize("ext", PROBE_EXTENSIONS)
@pytest.mark.covers(
    "dot-qmail rule/file writable",
    "dot-qmail rule/x bit",
    "dot-qmail rule/first line blank",
)
def test_probe(probe_home, ext):
    if not (SAMPLES / "probe-dot-qmail.txt").exists():
        pytest.skip("the reference material does not lie beside the checkout")
    with as_user(SOMEBODY, SOMEBODY):
        got = local_n(probe_home, b"-", ext.encode())
    assert got == sample_blocks()[f"ext={ext}"]


def test_probe_of_the_plain_address(probe_home):
    if not (SAMPLES / "probe-dot-qmail.txt").exists():
        pytest.skip("the reference material does not lie beside the checkout")
    blocks = sample_blocks()
    with as_user(SOMEBODY, SOMEBODY):
        assert local_n(probe_home, b"", b"") == blocks["dash='' ext='' (no .qmail)"]
    (probe_home / ".qmail").write_bytes(b"./Plain/\n")
    assert local_n(probe_home, b"", b"") == blocks["dash='' ext='' with .qmail"]
    (probe_home / ".qmail").write_bytes(b"")
    assert local_n(probe_home, b"", b"") == blocks["empty .qmail"]


@pytest.mark.covers("dot-qmail rule/home writable", "dot-qmail rule/home sticky")
def test_probe_of_the_home(probe_home):
    if not (SAMPLES / "probe-dot-qmail.txt").exists():
        pytest.skip("the reference material does not lie beside the checkout")
    blocks = sample_blocks()
    user = user_at(probe_home, b"-", b"a-b")
    probe_home.chmod(0o1755)
    assert find_dot_qmail(user, False, b"").report.text == blocks["sticky real"][0]
    assert find_dot_qmail(user, True, b"").report is None
    probe_home.chmod(0o757)
    assert find_dot_qmail(user, False, b"").report.text == blocks["o+w home"][0]
    probe_home.chmod(0o775)
    assert local_n(probe_home, b"-", b"a-b") == blocks["g+w home"]
    looping = find_dot_qmail(user, False, b"", is_looping=True)
    assert (looping.report.text, 100) == blocks["loop"]


@pytest.mark.covers("dot-qmail rule/not regular")
def test_a_fifo_is_passed_over_without_waiting(probe_home):
    found = find_dot_qmail(user_at(probe_home, b"-", b"fifo"), False, b"")
    assert found.name == b".qmail-default"
    assert "no regular file" in found.steps[1].source


@pytest.mark.covers("dot-qmail rule/search")
def test_default_and_names(probe_home):
    found = find_dot_qmail(user_at(probe_home, b"-", b"A-X.y"), False, b"")
    assert (found.name, found.default) == (b".qmail-a-default", b"X.y")
    assert find_dot_qmail(user_at(probe_home, b"-", b"a-b"), False, b"").default is None


@pytest.mark.covers("dot-qmail rule/default delivery")
def test_an_empty_file_keeps_default_and_drops_the_x_bit(home):
    (home / ".qmail-default").write_bytes(b"")
    (home / ".qmail-default").chmod(0o755)
    found = find_dot_qmail(user_at(home, b"-", b"Any"), False, b"./Maildir/\n")
    assert (found.name, found.default, found.is_executable) == (
        b"control/defaultdelivery",
        b"Any",
        False,
    )
    assert instructions(found) == [("maildir", b"./Maildir/")]


@pytest.mark.covers("dot-qmail rule/no mailbox")
def test_no_mailbox(home):
    found = find_dot_qmail(user_at(home, b"-", b"a-b"), False, b"./Maildir/")
    assert found.report.outcome is Outcome.FAILURE
    assert found.report.text == b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    assert [s.subject for s in found.steps[1:]] == [
        b".qmail-a-b",
        b".qmail-a-default",
        b".qmail-default",
    ]


def test_no_default_delivery_is_a_blank_first_line(home):
    report = find_dot_qmail(user_at(home, b"", b""), False, b"").report
    assert report.text == b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("missing", b"file does not exist"),
        ("file", b"not a directory"),
    ],
)
@pytest.mark.covers("dot-qmail rule/home missing")
def test_homes_that_are_none(tmp_path, path, text):
    (tmp_path / "file").write_bytes(b"")
    place = os.fsencode(tmp_path / path)
    found = find_dot_qmail(User(b"u", 1, 1, place, b"", b""), False, b"")
    assert found.report.outcome is Outcome.DEFERRAL
    assert found.report.text == b"Unable to switch to " + place + b": " + text + b". (#4.3.0)\n"
    assert found.steps[-1].answer is NO


def test_a_relative_home_is_a_usage_error():
    found = find_dot_qmail(User(b"u", 1, 1, b"home", b"", b""), False, b"")
    assert found.report.outcome is Outcome.FAILURE
    assert found.report.text.startswith(b"qmail-local: usage: ")


@only_root
def test_a_closed_home_cannot_be_told(home):
    home.chmod(0o700)
    with as_user(SOMEBODY, SOMEBODY):
        found = find_dot_qmail(user_at(home, b"-", b"x"), False, b"")
    assert found.steps[-1].answer is UNKNOWN
    assert found.report.text.endswith(b": access denied. (#4.3.0)\n")
    assert os.geteuid() == 0


def test_too_large(home):
    (home / ".qmail").write_bytes(b"#" * 262_145)
    found = find_dot_qmail(user_at(home, b"", b""), False, b"")
    assert found.report.text == b"Unable to open .qmail: file too big. (#4.3.0)\n"
    (home / ".qmail").write_bytes(b"#" * 262_143 + b"\n")
    assert find_dot_qmail(user_at(home, b"", b""), False, b"").report is None


def test_names_too_long_do_not_exist(home):
    (home / ".qmail-default").write_bytes(b"./x/\n")
    found = find_dot_qmail(user_at(home, b"-", b"x" * 300), False, b"")
    assert found.name == b".qmail-default"


@pytest.mark.covers("dot-qmail rule/-owner", "dot-qmail rule/-owner-default")
def test_owner_files(home):
    user = user_at(home, b"-", b"List.x")
    assert find_owner_files(user)[:3] == (False, False, None)
    (home / ".qmail-list:x-owner-default").write_bytes(b"")
    assert find_owner_files(user)[:3] == (False, False, None)
    (home / ".qmail-list:x-owner").write_bytes(b"")
    found = find_owner_files(user)
    assert found[:3] == (True, True, None)
    assert [s.answer for s in found.steps] == [YES, YES]


# ---- users ----------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path, monkeypatch):
    place = Place(str(tmp_path / "root"))
    for name in ("users", "alias", "control"):
        os.makedirs(place.path(name))
    joe = tmp_path / "joe"
    joe.mkdir()
    accounts = {
        b"joe": Account(b"joe", os.getuid() or SOMEBODY, 100, os.fsencode(joe)),
        b"gone": Account(b"gone", SOMEBODY, 100, b"/nonexistent/gone"),
        b"other": Account(b"other", SOMEBODY - 1, 100, os.fsencode(joe)),
        b"root": Account(b"root", 0, 0, b"/root"),
    }
    if is_root:
        os.chown(joe, SOMEBODY, -1)
    monkeypatch.setattr(system_users, "look_up", accounts.get)
    return place, accounts


def build(place, text):
    with open(place.assign, "wb") as file:
        file.write(text)
    with open(place.assign_cdb, "wb") as file:
        file.write(cdb.render(assign.records(assign.parse(text))))


@pytest.mark.covers("users/assign first")
def test_assign_beats_accounts(site):
    place, _ = site
    build(place, b"=joe:assigned:503:78:/h:-:x:\n.\n")
    found = find_user(b"joe", sources_of(place))
    assert found.user == User(b"assigned", 503, 78, b"/h", b"-", b"x")
    assert [s.question for s in found.steps] == ["routing.assign"]


@pytest.mark.covers("users/account", "users/alias")
def test_accounts_then_alias(site):
    place, accounts = site
    sources = sources_of(place)
    joe = accounts[b"joe"]
    found = find_user(b"Joe-List.A", sources)
    assert found.user == User(b"joe", joe.uid, 100, joe.home, b"-", b"List.A")
    assert [(s.question, s.answer) for s in found.steps] == [
        ("routing.assign", NO),
        ("routing.account", NO),
        ("routing.account", YES),
    ]
    os.chown(place.alias, SOMEBODY if is_root else -1, -1)
    for local in (b"gone", b"other-x", b"root", b"nobody-at-all"):
        found = find_user(local, sources)
        assert found.user.name == b"alias"
        assert (found.user.dash, found.user.ext) == (b"-", local)


def test_alias_by_users_daemons_and_by_account(site):
    place, accounts = site
    accounts[b"alias"] = Account(b"alias", 77, 78, b"/var/qmail/alias")
    assert find_user(b"x", sources_of(place)).user[:4] == (b"alias", 77, 78, b"/var/qmail/alias")
    with open(place.daemons, "w") as file:
        file.write("local:0:0\nsmtpd:5:5\nalias:64:65\n")
    assert find_user(b"x", sources_of(place)).user[:4] == (b"alias", 64, 65, place.alias.encode())


@pytest.mark.covers("local/no_alias")
def test_no_alias(site):
    place, _ = site
    os.rmdir(place.alias)
    found = find_user(b"x", sources_of(place))
    assert found.user is None
    assert found.report.text == b"Unable to find alias user!\n"


@pytest.mark.covers("local/not_as_root")
@pytest.mark.covers("users/no root")
def test_not_as_root(site):
    place, _ = site
    build(place, b"=x:u:0:0:/h:::\n.\n")
    found = find_user(b"x", sources_of(place))
    assert found.user is None
    assert found.report.text == b"Not allowed to perform deliveries as root.\n"
    assert found.report.outcome is Outcome.DEFERRAL
    assert found.steps[-1].question == "routing.root"


def test_a_one_user_server_delivers_as_that_user_only(site):
    place, _ = site
    with open(place.daemons, "w") as file:
        file.write("local:1000:1000\nsmtpd:1000:1000\nalias:1000:1000\n")
    build(place, b"=x:u:1001:1001:/h:::\n=y:u:1000:1000:/h:::\n.\n")
    sources = sources_of(place)
    assert sources.only_uid == 1000
    assert find_user(b"y", sources).user.uid == 1000
    found = find_user(b"x", sources)
    assert found.report.outcome is Outcome.DEFERRAL
    assert found.steps[-1].question == "routing.one_user"


@pytest.mark.covers("local/nobody")
@pytest.mark.covers("users/empty local part")
def test_mail_for_an_empty_local_part_does_not_vanish(site):
    found = find_user(b"", sources_of(site[0]))
    assert found.user is None
    assert found.report.outcome is Outcome.FAILURE
    assert found.report.text == b"Sorry, no mailbox here by that name. (#5.1.1)\n"


def test_a_missing_and_a_stale_cdb_are_told(site):
    place, _ = site
    with open(place.assign, "wb") as file:
        file.write(b"=joe:u:9:9:/h:::\n.\n")
    found = find_user(b"joe", sources_of(place))
    assert found.user.name == b"joe"  # not from users/assign: only the cdb counts
    assert found.steps[0].source == "users/cdb is missing: run qmail-newu"
    build(place, b".\n")
    os.utime(place.assign, ns=(0, os.stat(place.assign_cdb).st_mtime_ns + 1))
    found = find_user(b"joe", sources_of(place))
    assert found.steps[0].source.startswith("users/assign is newer")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", users.CDB_TROUBLE.text),
        (b"garbage" * 400, users.CDB_TROUBLE.text),
        (cdb.render([(b"!joe\0", b"x")]), users.CDB_TROUBLE.text),
        (cdb.render([(b"", b""), (b"!joe\0", b"x\0y")]), users.LSPAWN_TROUBLE.text),
    ],
)
@pytest.mark.covers("local/cdb_trouble", "local/lspawn_trouble")
@pytest.mark.covers("users/damaged cdb")
def test_damaged_cdb(site, data, text):
    place, _ = site
    with open(place.assign_cdb, "wb") as file:
        file.write(data)
    found = find_user(b"joe", sources_of(place))
    assert found.report.text == text
    assert found.steps[-1].answer is UNKNOWN


@pytest.mark.covers("local/lookup_trouble")
def test_the_password_database_in_trouble(site, monkeypatch):
    def fail(_name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(system_users, "look_up", fail)
    found = find_user(b"joe", sources_of(site[0]))
    assert found.report.text == b"Temporary failure in qmail-lspawn.\n"
    assert found.steps[-1].answer is UNKNOWN


@pytest.mark.covers("local/home_trouble")
def test_a_home_on_a_file_server_that_does_not_answer(site, monkeypatch):
    account = system_users.Account(b"joe", 65_533, 65_533, b"/far/joe")
    monkeypatch.setattr(system_users, "look_up", lambda name: account if name == b"joe" else None)
    stat_ = os.stat

    def fail(path, **options):
        if path == b"/far/joe":
            raise OSError(5, "Input/output error")
        return stat_(path, **options)

    monkeypatch.setattr(os, "stat", fail)
    found = find_user(b"joe-x", sources_of(site[0]))
    assert found.report.text == b"NFS failure in qmail-local.\n"
    assert found.steps[-1].answer is UNKNOWN


def test_break_character(site):
    place, _ = site
    found = find_user(b"joe+x", sources_of(place, b"+"))
    assert (found.user.name, found.user.dash, found.user.ext) == (b"joe", b"-", b"x")


def test_kinds_are_those_of_the_probe():
    assert {kind.value for kind in Kind} == {"maildir", "mbox", "program", "forward"}
