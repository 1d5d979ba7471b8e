import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from glassmail.admin import reach
from glassmail.admin.init import InitError, SiteExistsError
from glassmail.admin.site_layout import DIRECTORIES
from glassmail.core.formats import daemons, tcp_rules
from glassmail.store.control import Controls
from tests.admin.site import make
from tests.sandbox import NEEDS, can_have_private_etc, run_in_private_etc

INIT = [sys.executable, "-c", "from glassmail.faces.cli.init import init; init()"]


def test_the_settings_of_a_new_site(tmp_path):
    place = make(tmp_path)
    settings = Controls(place.control).snapshot()
    assert settings.line("me") == b"mx.example.test"
    assert set(settings.table("locals").entries) == {b"mx.example.test"}
    assert set(settings.table("rcpthosts").entries) == {
        b"mx.example.test", b"example.test", b"example2.test"
    }  # fmt: skip
    assert settings.table("virtualdomains").entries[b"example2.test"].value == b"example2.test"
    assert settings.flag("checkrecipients")
    assert settings.line("defaultdelivery") == b"./Maildir/\n"
    rules = tcp_rules.parse(Path(place.tcp_rules).read_bytes(), "tcp.smtp")
    assert rules is not None
    ids = (os.geteuid(), os.getegid())
    table = daemons.parse(Path(place.daemons).read_bytes())
    assert table == dict.fromkeys(daemons.ROLES, ids)
    assert Path(place.path("control", "listen")).read_bytes() == (
        b"smtp 127.0.0.1:2525\nsubmission 127.0.0.1:2587\nsubmissions 127.0.0.1:2465\n"
    )


def test_paths_in_files_are_the_final_ones(tmp_path):
    place = make(tmp_path)
    for path in (place.assign, place.path("domains", "example.test", "vpasswd")):
        text = Path(path).read_text()
        assert f"{place.root}/domains/example.test" in text
        assert ".new." not in text
    assert os.listdir(tmp_path) == ["site"]


def test_every_directory_has_its_mode(tmp_path):
    place = make(tmp_path)
    for directory in DIRECTORIES:
        mode = stat.S_IMODE(os.stat(place.path(directory.path)).st_mode)
        assert mode == directory.mode, directory.path


def test_required_aliases_lead_to_the_first_mailbox(tmp_path):
    place = make(tmp_path, aliases=[(b"root@mx.example.test", b"bob@example.test")])
    for name in ("postmaster", "mailer-daemon", "abuse"):
        assert Path(place.alias, f".qmail-{name}").read_bytes() == b"tammy@example.test\n"
    assert Path(place.alias, ".qmail-root").read_bytes() == b"bob@example.test\n"
    for domain in ("example.test", "example2.test"):
        path = Path(place.domains, domain, ".qmail-postmaster")
        assert path.read_bytes() == b"tammy@example.test\n"


def test_a_postmaster_mailbox_gets_no_alias_over_it(tmp_path):
    place = make(tmp_path, mailboxes=[(b"Postmaster@example.test", b"x")], aliases=[])
    assert not os.path.exists(place.path("domains", "example.test", ".qmail-postmaster"))
    assert os.path.exists(place.path("domains", "example.test", ".qmail-abuse"))


def test_mailboxes_at_the_host_itself(tmp_path):
    place = make(tmp_path, mailboxes=[(b"tammy@mx.example.test", b"x")], aliases=[])
    settings = Controls(place.control).snapshot()
    assert not settings.table("locals").entries
    assert b"mx.example.test" in settings.table("virtualdomains").entries


def test_an_existing_site_is_never_touched(tmp_path):
    place = make(tmp_path)
    before = sorted(os.listdir(place.control))
    with pytest.raises(SiteExistsError, match="holds a site already; nothing was changed"):
        make(tmp_path)
    assert sorted(os.listdir(place.control)) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(SiteExistsError, match="not empty"):
        make(tmp_path, root=str(tmp_path / "other"))


def test_an_empty_directory_is_used(tmp_path):
    (tmp_path / "site").mkdir()
    assert os.path.exists(make(tmp_path).control)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": b"nodots"},
        {"mailboxes": [(b"nodomain", b"x")]},
        {"mailboxes": [(b"a b@example.test", b"x")]},
        {"mailboxes": [(b"a@example.test", b"x")] * 2},
        {"listeners": ["smtp everywhere"]},
        {"listeners": ["gopher 127.0.0.1:70"]},
        {"aliases": [(b"x@example.test", b"nobody")]},
        {"catch_alls": [(b"example.test", b"nonsense")]},
        {"mailboxes": [(b"a@example.test", b"")]},
        {"domains": [b"-_-"]},
    ],
)
def test_what_cannot_be_leaves_nothing(tmp_path, changes):
    with pytest.raises(InitError):
        make(tmp_path, **changes)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("call", ["rename", "mkdir", "chmod", "fsync"])
@pytest.mark.parametrize("count", [3, 20])
def test_killed_half_way_there_is_no_site(tmp_path, call, count):
    program = (
        "import os, signal, sys\n"
        "from tests.admin.site import make\n"
        f"real, left = os.{call}, [{count}]\n"
        "def die(*args, **kwargs):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*args, **kwargs)\n"
        f"os.{call} = die\n"
        f"make({str(tmp_path)!r})\n"
    )
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, check=False, timeout=30)
    if done.returncode == 0:
        pytest.skip(f"a site takes fewer than {count} calls of {call}")
    assert not (tmp_path / "site").exists()
    assert make(tmp_path)


def test_a_mount_point_gets_control_last(tmp_path, monkeypatch):
    (tmp_path / "site" / "lost+found").mkdir(parents=True)
    moved = []
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda a, b: (moved.append(b), real(a, b)))
    place = make(tmp_path)
    assert moved[-1] == place.control
    assert min(os.listdir(place.root)) == "alias"
    assert ".new" not in " ".join(os.listdir(place.root))
    assert stat.S_IMODE(os.stat(place.queue_drop).st_mode) == 0o1733


def closed_to_others():
    ids = {"smtpd": (65_534, 65_534)}
    return reach.first_closed(reach.needed_paths(tempfile.gettempdir()), ids)


@pytest.fixture
def open_directory():
    """A directory that other users reach, which tmp_path is not."""
    path = Path(tempfile.mkdtemp(prefix="glassmail-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


ROOT_INIT = [
    "--host", "mx.example.test", "--mailbox", "tammy@example.test=secret",
    "--alias", "info@mx.example.test=tammy@example.test", "--json",
]  # fmt: skip


@pytest.mark.skipif(not can_have_private_etc(), reason=NEEDS)
def test_as_root_with_users_of_its_own(open_directory, tmp_path):
    if closed_to_others() is not None:
        pytest.skip(f"the checkout is closed to other users: {closed_to_others()}")
    before = Path("/etc/passwd").read_bytes()
    root = open_directory / "site"
    users = ("alias", "qmaild", "qmaill", "qmails", "qmailr", "vpopmail")
    run_in_private_etc(["true"], tmp_path)
    forget(tmp_path / "etc", {*users, "qmail", "nofiles", "vchkpw", "glass"})
    done = run_in_private_etc([*INIT, "--root", str(root), *ROOT_INIT], tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert sorted(text.split()[1] for text in made["users_made"] if text.startswith("user ")) == (
        sorted(users)
    )
    assert Path("/etc/passwd").read_bytes() == before
    passwd = (tmp_path / "etc" / "passwd").read_text()
    ids = {line.split(":")[0]: tuple(map(int, line.split(":")[2:4]))
           for line in passwd.splitlines()}  # fmt: skip
    table = daemons.parse((root / "users" / "daemons").read_bytes())
    assert table["smtpd"] == ids["qmaild"]
    assert table["keeper"] == ids["vpopmail"]
    assert table["local"] == (0, 0)
    assert len({table[role][0] for role in ("smtpd", "queue", "remote", "log", "keeper")}) == 5
    check_owners(root, ids)
    again = run_in_private_etc([*INIT, "--root", str(open_directory / "b"), *ROOT_INIT], tmp_path)
    assert json.loads(again.stdout)["users_made"] == []


def forget(etc, names):
    """Take users and groups out of a private /etc: the machine may have them already."""
    for file in ("passwd", "shadow", "group", "gshadow"):
        lines = (etc / file).read_text().splitlines(keepends=True)
        (etc / file).write_text("".join(x for x in lines if x.split(":")[0] not in names))


def check_owners(root, ids):
    def owner(*parts):
        status = os.stat(os.path.join(root, *parts))
        return status.st_uid, status.st_gid

    assert owner("queue") == owner("queue", "drop") == ids["qmails"]
    assert owner("log")[0] == owner("history")[0] == ids["qmaill"][0]
    assert owner("alias") == owner("alias", ".qmail-info") == ids["alias"]
    assert owner("control") == owner("control", "me") == owner("run") == (0, 0)
    domain = ("domains", "example.test")
    for name in ("", "vpasswd", "vpasswd.cdb", ".qmail-default", ".vpasswd.lock", "tammy"):
        assert owner(*domain, name) == ids["vpopmail"], name
    assert owner(*domain, "tammy", "Maildir", "new") == ids["vpopmail"]


@pytest.mark.skipif(not can_have_private_etc(), reason=NEEDS)
def test_as_root_in_a_closed_place(tmp_path):
    root = tmp_path / "closed" / "site"
    root.parent.mkdir(mode=0o700)
    done = run_in_private_etc([*INIT, "--root", str(root), *ROOT_INIT], tmp_path)
    assert done.returncode == 111
    assert "is closed to uid" in done.stderr
    assert "chmod a+x" in done.stderr
    assert not root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_without_root(open_directory):
    if closed_to_others() is not None:
        pytest.skip(f"the checkout is closed to other users: {closed_to_others()}")
    os.chown(open_directory, 54_321, 54_321)
    root = open_directory / "site"
    done = subprocess.run(
        [*INIT, "--root", str(root), *ROOT_INIT],
        check=False, capture_output=True, text=True, timeout=60, user=54_321, group=54_321,
        extra_groups=[], cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = daemons.parse((root / "users" / "daemons").read_bytes())
    assert table == dict.fromkeys(daemons.ROLES, (54_321, 54_321))
    assert os.stat(root / "queue").st_uid == 54_321
