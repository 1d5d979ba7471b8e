import os
from pathlib import Path

import pytest

from glassmail.admin import domain_files
from glassmail.admin.domain_files import Entry
from glassmail.core.formats.assign import AssignError
from glassmail.settings.place import Place
from glassmail.store.cdb import Cdb

ASSIGN = (  # vpopmail-commands.txt, after two alias domains
    b"=exact:quser:1001:1001:/home/quser:::\n"
    b"+example.com-:example.com:989:993:/v/example.com:-::\n"
    b"+alias.example.com-:example.com:989:993:/v/example.com:-::\n"
    b"+virt.test-:virt.test:989:993:/v/virt.test:-::\n"
    b".\n"
)


@pytest.fixture
def place(tmp_path):
    """A site with vpopmail's files."""
    for name in ("users", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "users" / "assign").write_bytes(ASSIGN)
    return Place(str(tmp_path))


def announce(place, ids):
    entry = Entry(b"other.test", b"other.test", ids, "/v/other.test", 0)
    return domain_files.announce(place, entry)


def test_a_line_goes_where_vpopmail_puts_it(place):
    announce(place, (989, 993))
    lines = Path(place.assign).read_bytes().split(b"\n")
    assert lines[:3] == ASSIGN.split(b"\n")[:3]
    assert lines[3] == b"+other.test-:other.test:989:993:/v/other.test:-::"
    assert lines[4:] == ASSIGN.split(b"\n")[3:]


def test_the_directory_of_a_domain(place):
    assert domain_files.directory_of(place, b"alias.example.com") == "/v/example.com"
    assert domain_files.directory_of(place, b"exact") is None
    assert domain_files.directory_of(place, b"example") is None


@pytest.mark.parametrize("number", [b"4294967295", b"99999999999", b"-1", b"x", b""])
def test_a_line_with_the_number_of_nobody_is_no_domains(place, number):
    line = b"+odd.test-:odd.test:%s:0:/v/odd.test:-::\n" % number
    Path(place.assign).write_bytes(line + ASSIGN)
    assert [entry.domain for entry in domain_files.entries(place)] == [
        b"example.com", b"alias.example.com", b"virt.test"
    ]  # fmt: skip


def test_a_broken_assign_stays_as_it_is(place):
    Path(place.assign).write_bytes(b"+broken\n.\n")
    with pytest.raises(AssignError):
        domain_files.add_assignments(place, [b"+a.test-:a.test:1:1:/a:-::"])
    assert Path(place.assign).read_bytes() == b"+broken\n.\n"
    assert not os.path.exists(place.assign_cdb)


def test_the_same_line_twice_is_one(place):
    for _ in range(2):
        announce(place, (1, 1))
    assert Path(place.assign).read_bytes().count(b"other.test-") == 1
    assert Path(place.path("control", "rcpthosts")).read_bytes() == b"other.test\n"
    assert Path(place.path("control", "virtualdomains")).read_bytes() == b"other.test:other.test\n"


def test_entries_are_those_that_vdominfo_shows(place):
    found = domain_files.entries(place)
    assert [(e.domain, e.real, e.is_alias) for e in found] == [
        (b"example.com", b"example.com", False),
        (b"alias.example.com", b"example.com", True),
        (b"virt.test", b"virt.test", False),
    ]
    assert found[0].ids == (989, 993)
    assert found[2].line == 4
    odd = b"+odd-:u:1:1:/h:-::\n+a.test:u:1:1:/h:-::\n+b.test-:u:x:1:/h\n.\n"
    Path(place.assign).write_bytes(odd)
    assert domain_files.entries(place) == []


def test_withdrawn_lines_are_gone_and_others_stay(place):
    control = Path(place.control)
    (control / "rcpthosts").write_bytes(b"# ours\nzebra.test\nother.test\n")
    (control / "virtualdomains").write_bytes(b"joe@other.test:joe\nother.test:someone\n")
    before = {p.name: p.read_bytes() for p in control.iterdir()}
    told = announce(place, (1, 1))
    assert "control/virtualdomains: added other.test:other.test" in told
    gone = domain_files.withdraw(place, [b"OTHER.test"])
    assert Path(place.assign).read_bytes() == ASSIGN
    assert (control / "virtualdomains").read_bytes() == before["virtualdomains"]
    assert (control / "rcpthosts").read_bytes() == b"# ours\nzebra.test\n"
    assert "control/rcpthosts: removed other.test" in gone
    assert domain_files.withdraw(place, [b"other.test"]) == []


def test_morercpthosts_loses_a_domain_too(place):
    control = Path(place.control)
    (control / "rcpthosts").write_bytes(b"".join(b"d%d.test\n" % n for n in range(50)))
    announce(place, (1, 1))
    assert (control / "morercpthosts").read_bytes() == b"other.test\n"
    domain_files.withdraw(place, [b"other.test"])
    assert (control / "morercpthosts").read_bytes() == b""
    assert Cdb(str(control / "morercpthosts.cdb")).find(b"other.test") is None
