import os
import sys

import pytest

from glassmail.admin import reach
from glassmail.admin.reach import Closed, closed_directory

OTHER = (54_321, 54_321)


@pytest.fixture
def tree(tmp_path):
    """Directories a/b/c, all open; what lies above counts as open as well."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    for directory in (inner, inner.parent, inner.parent.parent):
        directory.chmod(0o755)
    return inner



@pytest.fixture(autouse=True)
def open_above(tmp_path, monkeypatch):
    real = reach._directories
    monkeypatch.setattr(
        reach, "_directories",
        lambda *paths: [d for d in real(*paths) if d.startswith(str(tmp_path) + "/")],
    )  # fmt: skip


def test_an_open_way(tree):
    assert closed_directory(str(tree), *OTHER) is None
    assert closed_directory(str(tree / "file"), *OTHER) == str(tree / "file")
    (tree / "file").write_text("")
    (tree / "file").chmod(0o600)  # only directories are looked at
    assert closed_directory(str(tree / "file"), *OTHER) is None


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o754, 0o000])
def test_a_directory_closed_to_others(tree, mode):
    tree.parent.chmod(mode)
    assert closed_directory(str(tree), *OTHER) == str(tree.parent)
    assert closed_directory(str(tree), 0, 0) is None


def test_owner_and_group_have_bits_of_their_own(tree):
    status = os.stat(tree)
    tree.parent.chmod(0o070)
    assert closed_directory(str(tree), OTHER[0], status.st_gid) is None
    if status.st_uid:
        assert closed_directory(str(tree), status.st_uid, 1) == str(tree.parent)
    tree.parent.chmod(0o701)
    assert closed_directory(str(tree), OTHER[0], status.st_gid) == str(tree.parent)


def test_both_ways_of_a_link(tree):
    link = tree.parent.parent / "link"
    link.symlink_to(tree)
    assert closed_directory(str(link), *OTHER) is None
    tree.parent.chmod(0o700)
    assert closed_directory(str(link), *OTHER) == str(tree.parent)


def test_the_first_closed_of_all(tree):
    tree.chmod(0o700)
    found = reach.first_closed([str(tree.parent), str(tree)], {"local": (0, 0), "smtpd": OTHER})
    assert found == Closed("smtpd", OTHER[0], str(tree), str(tree))
    assert f"{tree} is closed to uid 54321 (smtpd), who needs {tree}: chmod a+x" in found.sentence
    assert reach.first_closed([str(tree.parent)], {"smtpd": OTHER}) is None


def test_what_daemons_need():
    paths = reach.needed_paths("/root-of-site")
    assert paths[0] == "/root-of-site"
    assert sys.executable in paths
    assert any(path.endswith("glassmail") for path in paths)
