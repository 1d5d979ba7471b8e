import os
from pathlib import Path

import pytest

from glassmail.admin import domain_files
from glassmail.core.formats.assign import AssignError
from glassmail.settings.place import Place

ASSIGN = (  # vpopmail-commands.txt, after two alias domains
    b"=exact:quser:1001:1001:/home/quser:::\n"
    b"+example.com-:example.com:989:993:/v/example.com:-::\n"
    b"+alias.example.com-:example.com:989:993:/v/example.com:-::\n"
    b"+virt.test-:virt.test:989:993:/v/virt.test:-::\n"
    b".\n"
)


@pytest.fixture
def place(tmp_path):
    for name in ("users", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "users" / "assign").write_bytes(ASSIGN)
    return Place(str(tmp_path))


def test_a_line_goes_where_vpopmail_puts_it(place):
    domain_files.announce(place, b"other.test", (989, 993), b"/v/other.test")
    lines = Path(place.assign).read_bytes().split(b"\n")
    assert lines[:3] == ASSIGN.split(b"\n")[:3]
    assert lines[3] == b"+other.test-:other.test:989:993:/v/other.test:-::"
    assert lines[4:] == ASSIGN.split(b"\n")[3:]


def test_the_directory_of_a_domain(place):
    assert domain_files.directory_of(place, b"alias.example.com") == "/v/example.com"
    assert domain_files.directory_of(place, b"exact") is None
    assert domain_files.directory_of(place, b"example") is None


def test_a_broken_assign_stays_as_it_is(place):
    Path(place.assign).write_bytes(b"+broken\n.\n")
    with pytest.raises(AssignError):
        domain_files.add_assignments(place, [b"+a.test-:a.test:1:1:/a:-::"])
    assert Path(place.assign).read_bytes() == b"+broken\n.\n"
    assert not os.path.exists(place.assign_cdb)


def test_the_same_line_twice_is_one(place):
    for _ in range(2):
        domain_files.announce(place, b"other.test", (1, 1), b"/v/other.test")
    assert Path(place.assign).read_bytes().count(b"other.test-") == 1
    assert Path(place.path("control", "rcpthosts")).read_bytes() == b"other.test\n"
    assert Path(place.path("control", "virtualdomains")).read_bytes() == b"other.test:other.test\n"
