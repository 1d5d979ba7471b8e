import os

import pytest

from glassmail.store import maildir, maildir_folders
from glassmail.store.letter import Letter
from glassmail.store.maildir import (
    CANNOT_ENTER,
    CANNOT_READ,
    TEMPORARY,
    Folders,
    MaildirError,
    already,
    commit,
    final_name,
    publish,
    stage,
)

LETTER = Letter(b"Head: x\n", b"\nbody\n", -1, 14)


@pytest.fixture
def path(tmp_path):
    maildir.make(os.fsencode(tmp_path / "Maildir"))
    return os.fsencode(tmp_path / "Maildir") + b"/"


@pytest.fixture
def folders():
    kept = Folders()
    yield kept
    kept.close()


def files(path, part):
    return sorted(os.listdir(path + part))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_file_goes_through_tmp_to_new(path, folders):
    staged = stage(folders.open(path), b"name", b"Top: y\n", LETTER)
    assert files(path, b"new") == []
    assert len(files(path, b"tmp")) == 1
    publish(staged)
    staged.close()
    assert files(path, b"tmp") == []
    with open(path + b"new/name", "rb") as file:
        assert file.read() == b"Top: y\nHead: x\n\nbody\n"
    assert os.stat(path + b"new/name").st_mode & 0o777 == 0o600


def test_commit_syncs_data_before_it_moves_and_directories_after(path, folders, monkeypatch):
    order = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor):
        order.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}").split("/")[-2:][0]))
        real_fsync(descriptor)

    def rename(*arguments, **options):
        order.append(("rename", ""))
        real_rename(*arguments, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    staged = [stage(folders.open(path), b"n%d" % n, b"", LETTER) for n in range(3)]
    assert commit(staged) == [None] * 3
    assert [what for what, _where in order] == ["fsync"] * 3 + ["rename"] * 3 + ["fsync"]
    assert [where for _what, where in order[:3]] == ["tmp"] * 3
    assert order[-1][1] == "Maildir"  # .../Maildir/new
    for each in staged:
        each.close()
    assert files(path, b"new") == [b"n0", b"n1", b"n2"]


def test_a_file_that_cannot_be_synced_is_never_moved(path, folders, monkeypatch):
    staged = [stage(folders.open(path), b"n%d" % n, b"", LETTER) for n in range(2)]
    bad = staged[0].descriptor
    real = os.fsync

    def fsync(descriptor):
        if descriptor == bad:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    errors = commit(staged)
    assert errors[0] is not None
    assert errors[0].text == TEMPORARY
    assert errors[1] is None
    assert files(path, b"new") == [b"n1"]
    assert files(path, b"tmp") == []
    for each in staged:
        each.close()


def test_a_directory_that_cannot_be_synced_is_no_success(path, folders, monkeypatch):
    folder = folders.open(path)
    staged = stage(folder, b"name", b"", LETTER)
    real = os.fsync

    def fsync(descriptor):
        if descriptor == folder.new:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert commit([staged])[0].text == TEMPORARY
    staged.close()


def test_what_is_there_already_is_found_in_new_and_in_cur(path, folders):
    folder = folders.open(path)
    name = final_name(b"1.M5R0", b"host", 10, 12)
    assert not folder.is_there(name)
    open(path + b"new/" + name, "wb").close()
    assert folder.is_there(name)
    os.rename(path + b"new/" + name, path + b"cur/" + name + b":2,S")
    assert folder.is_there(name)
    assert not folder.is_there(name.replace(b"M5", b"M6"))
    staged = already(folder, name)
    publish(staged)
    assert commit([staged]) == [None]
    staged.close()


def test_cur_is_listed_once_while_it_does_not_change(path, folders, monkeypatch):
    folder = folders.open(path)
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda where: listed.append(where) or real(where))
    for number in range(5):
        assert not folder.is_there(b"1.M%d" % number)
    assert len(listed) == 1
    monkeypatch.setattr(maildir_folders, "NAMES_KEPT_MAX", -1)
    os.utime(path + b"cur", (1, 1))
    for number in range(3):
        assert not folder.is_there(b"1.M%d" % number)
    assert len(listed) == 4


def test_a_missing_maildir(tmp_path, folders):
    with pytest.raises(MaildirError) as error:
        folders.open(os.fsencode(tmp_path) + b"/none/")
    assert error.value.text == CANNOT_ENTER


@pytest.mark.parametrize("part", ["tmp", "new"])
def test_a_missing_part(path, folders, part):
    os.rmdir(path + part.encode())
    with pytest.raises(MaildirError) as error:
        folders.open(path)
    assert error.value.text == TEMPORARY


@pytest.mark.parametrize("part", ["tmp", "new"])
def test_a_part_that_is_a_link_is_refused_and_its_target_untouched(path, folders, part, tmp_path):
    (tmp_path / "target").mkdir()
    os.rmdir(path + part.encode())
    os.symlink(tmp_path / "target", path + part.encode())
    before = descriptors()
    with pytest.raises(MaildirError) as error:
        folders.open(path)
    assert error.value.text == TEMPORARY
    assert list((tmp_path / "target").iterdir()) == []
    assert descriptors() == before


def test_the_maildir_itself_may_be_a_link(path, folders, tmp_path):
    os.symlink(path, tmp_path / "link")
    staged = stage(folders.open(os.fsencode(tmp_path / "link") + b"/"), b"name", b"", LETTER)
    publish(staged)
    staged.close()
    assert files(path, b"new") == [b"name"]


def test_a_replaced_maildir_is_noticed(path, folders):
    first = folders.open(path)
    assert folders.open(path) is first
    os.rename(path[:-1], path[:-1] + b".old")
    maildir.make(path[:-1])
    staged = stage(folders.open(path), b"name", b"", LETTER)
    publish(staged)
    staged.close()
    assert files(path, b"new") == [b"name"]


def test_replaced_parts_are_noticed_after_a_moment(path, folders, monkeypatch):
    first = folders.open(path)
    os.rename(path + b"new", path + b"older")
    os.mkdir(path + b"new")
    assert folders.open(path) is first
    monkeypatch.setattr(maildir_folders, "FOLDER_CHECK_S", 0)
    assert folders.open(path) is not first


def test_few_maildirs_are_kept_open_and_all_are_closed(tmp_path):
    before = descriptors()
    kept = Folders(most=3)
    for number in range(6):
        path = os.fsencode(tmp_path / str(number))
        maildir.make(path)
        staged = stage(kept.open(path + b"/"), b"name", b"", LETTER)
        publish(staged)
        staged.close()
    assert descriptors() == before + 3 * 2 + 1  # and one for the filesystem
    kept.close()
    assert descriptors() == before


def test_a_dropped_maildir_stays_open_for_its_staged_file(tmp_path):
    kept = Folders(most=1)
    paths = [os.fsencode(tmp_path / name) + b"/" for name in ("a", "b")]
    for path in paths:
        maildir.make(path[:-1])
    staged = stage(kept.open(paths[0]), b"name", b"", LETTER)
    kept.open(paths[1])
    publish(staged)
    staged.close()
    assert files(paths[0], b"new") == [b"name"]
    kept.close()


def test_too_many_open_files_are_synced_at_once(path, folders, monkeypatch):
    monkeypatch.setattr(maildir, "OPEN_FILES_MAX", 1)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    staged = [stage(folders.open(path), b"n%d" % n, b"", LETTER) for n in range(3)]
    assert [each.descriptor >= 0 for each in staged] == [True, False, False]
    assert len(synced) == 2
    assert commit(staged) == [None] * 3
    for each in staged:
        each.close()


def test_nothing_stays_after_a_failed_write(path, folders, monkeypatch):
    before = descriptors()
    folder = folders.open(path)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(MaildirError) as error:
        stage(folder, b"name", b"", LETTER)
    assert error.value.text == TEMPORARY
    short = Letter(b"", None, os.open("/dev/null", os.O_RDONLY), 5)
    with pytest.raises(MaildirError) as error:
        stage(folder, b"name", b"", short)
    assert error.value.text == CANNOT_READ
    short.release()
    assert files(path, b"tmp") == []
    assert descriptors() == before + 3


def test_a_short_write_is_completed(path, folders, monkeypatch):
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, parts: real(fd, [b"".join(parts)[:9]]))
    staged = stage(folders.open(path), b"name", b"Top: y\n", LETTER)
    publish(staged)
    staged.close()
    with open(path + b"new/name", "rb") as file:
        assert file.read() == b"Top: y\nHead: x\n\nbody\n"


def test_names_hold_no_slash_and_no_colon():
    assert final_name(b"1.M2R0", b"a/b:c", 3, 4) == b"1.M2R0.a\\057b\\072c,S=3,W=4"


def test_a_mailbox_is_made_once(tmp_path):
    directory = os.fsencode(tmp_path / "joe")
    maildir.make_mailbox(directory)
    maildir.make_mailbox(directory)
    assert sorted(os.listdir(directory + b"/Maildir")) == [b"cur", b"new", b"tmp"]
    assert os.stat(directory).st_mode & 0o777 == 0o700
