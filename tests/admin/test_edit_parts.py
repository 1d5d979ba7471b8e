"""The parts of an edit: journal, what is moved aside, the hook, limits on the disk."""

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from glassmail.admin import aside, journal, limits_files, onchange
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.journal import Journal
from glassmail.admin.site import Site
from glassmail.core.formats.domain_limits import NAMES, Limits
from glassmail.store.edit import EditError
from tests.admin.site import make

OWNER = (os.getuid(), os.getgid())


@pytest.fixture
def site(tmp_path):
    return Site.at(make(tmp_path))


def test_a_journal_is_there_between_begin_and_end(tmp_path):
    kept = Journal(str(tmp_path / "pending"))
    assert kept.unfinished() is None
    kept.begin({"do": "add", "name": "b\udcff"})
    assert (tmp_path / "pending").stat().st_mode & 0o777 == 0o600
    assert kept.unfinished() == {"do": "add", "name": "b\udcff"}
    kept.end()
    kept.end()
    assert kept.unfinished() is None


@pytest.mark.parametrize("text", ["", "[]", "{", "\0"])
def test_a_journal_that_is_none(tmp_path, text):
    (tmp_path / "pending").write_text(text)
    with pytest.raises(AccountError, match="look at it, then remove it"):
        Journal(str(tmp_path / "pending")).unfinished()


def test_only_what_dead_processes_left_is_swept(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead, alive = gone.pid, os.getpid()
    for name in (f"vpasswd.tmp.{dead}", f"vpasswd.tmp.{alive}", "letter.tmp.x", f"other.{dead}"):
        (tmp_path / name).touch()
    (tmp_path / f".new.bob.{dead}").mkdir()
    (tmp_path / f".new.bob.{dead}" / "Maildir").mkdir()
    (tmp_path / f"letter.tmp.{dead}").mkdir()  # a mailbox of that name
    (tmp_path / "vpasswd.tmp.9999999999").touch()
    journal.sweep(str(tmp_path))
    left = {f"vpasswd.tmp.{alive}", "letter.tmp.x", f"other.{dead}", f"letter.tmp.{dead}"}
    assert set(os.listdir(tmp_path)) == left
    journal.sweep(str(tmp_path / "nothing"))


def test_moved_aside_under_a_name_of_its_own(tmp_path):
    names = set()
    for number in range(3):
        (tmp_path / "bob").mkdir()
        (tmp_path / "bob" / str(number)).touch()
        target = aside.choose(str(tmp_path), "bob")
        assert aside.move(str(tmp_path / "bob"), target, OWNER)
        names.add(target)
    assert len(names) == 3
    assert not aside.move(str(tmp_path / "bob"), aside.choose(str(tmp_path), "bob"), OWNER)


def test_a_link_in_the_place_of_removed_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".removed").symlink_to("elsewhere")
    (tmp_path / "bob").mkdir()
    with pytest.raises(EditError):
        aside.move(str(tmp_path / "bob"), aside.choose(str(tmp_path), "bob"), OWNER)
    assert (tmp_path / "bob").exists()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_purging_removes_links_and_not_what_they_name(tmp_path):
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "file").touch()
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "link").symlink_to(tmp_path / "keep")
    aside.purge(str(tmp_path / "bob"))
    aside.purge(str(tmp_path / "bob"))
    assert not (tmp_path / "bob").exists()
    assert (tmp_path / "keep" / "file").exists()


def hook(site, text, mode=0o755):
    path = Path(site.etc("onchange"))
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)
    return path


def test_the_hook_is_told(site, tmp_path):
    changes = Changes()
    onchange.call(site, changes, "add_user", b"bob@example.test")
    hook(site, f'echo "$#:$@" > {tmp_path}/told; exit 2\n')
    onchange.call(site, changes, "add_user", b"bob@example.test")
    assert (tmp_path / "told").read_text() == "2:add_user bob@example.test\n"
    assert changes.notes[-1].endswith("onchange add_user: it ended with 2")
    hook(site, "", 0o644)
    onchange.call(site, Changes(), "add_user", b"bob@example.test")


def test_a_hook_that_cannot_run_is_a_note(site, monkeypatch):
    path = hook(site, "sleep 60\n")
    monkeypatch.setattr(onchange, "SECONDS_MAX", 0.05)
    changes = Changes()
    onchange.call(site, changes, "add_user", b"x")
    assert "timed out" in changes.notes[0]
    path.write_bytes(b"\x7fELF nothing")
    onchange.call(site, changes, "add_user", b"x")
    assert "Exec format error" in changes.notes[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_runs_nothing_that_others_write(site, tmp_path):
    path = hook(site, f"id -u > {tmp_path}/told\n", 0o757)
    changes = Changes()
    onchange.call(site, changes, "add_user", b"x")
    assert not (tmp_path / "told").exists()
    assert "root does not run it" in changes.notes[0]
    os.chown(path, 54_321, 54_321)
    path.chmod(0o755)
    onchange.call(site, changes, "add_user", b"x")
    told = tmp_path / "told"
    assert not told.exists() or told.read_text() == "54321\n"


def test_limits_that_are_closed_to_the_caller(site, monkeypatch):
    def refuse(path, _mode):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    domain = site.domain(b"example.test")
    monkeypatch.setattr("glassmail.store.control.open", refuse, raising=False)
    expected = "limits: Permission denied: ask as root or as the domain's owner"
    with pytest.raises(AccountError, match=expected):
        limits_files.read(site, domain)


def test_limits(site):
    domain = site.domain(b"example.test")
    assert limits_files.read(site, domain) == Limits()
    limits_files.change_default(site, Changes(), lambda _: Limits(maxpopaccounts=9))
    assert limits_files.read(site, domain).maxpopaccounts == 9
    changes = Changes()
    limits_files.change(site, changes, domain, lambda _: Limits(maxaliases=3))
    assert changes.undo == ["glass domain set example.test --default-limits"]
    assert limits_files.read(site, domain) == Limits(maxaliases=3)
    assert limits_files.remove(site, Changes(), domain)
    assert not limits_files.remove(site, Changes(), domain)
    Path(site.etc("vlimits.default")).write_text("quota: x\n")
    with pytest.raises(AccountError, match=r"vlimits.default:1: x is no number"):
        limits_files.read(site, domain)


def test_a_site_without_domains(tmp_path):
    place = make(tmp_path)
    os.rename(place.domains, place.path("else"))
    Path(place.control, "vpopmailhome").write_text("/nowhere\n")
    with pytest.raises(AccountError, match="name vpopmail's home in control/vpopmailhome"):
        Site.at(place)


def test_changes_of_limits_at_once_lose_none(site):
    """Each reads what the one before has written."""
    domain = site.domain(b"example.test")
    names = [name for name in NAMES if name.startswith(("max", "perm_"))]
    children = []
    for name in names:
        child = os.fork()
        if not child:
            alter = lambda now, name=name: replace(now, **{name: 3})  # noqa: E731
            limits_files.change(site, Changes(), domain, alter)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    found = limits_files.read(site, domain)
    assert [getattr(found, name) for name in names] == [3] * len(names)
