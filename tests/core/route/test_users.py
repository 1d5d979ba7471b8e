"""Who takes mail for a local part: users/cdb and the cuts of qmail-getpw."""

import pytest

from glassmail.core.formats import assign, cdb
from glassmail.core.model.trail import NO, YES
from glassmail.core.route.users import (
    BrokenAssignError,
    Cut,
    User,
    cuts,
    find_assigned,
    scan_number,
)


class Lookup:
    def __init__(self, data):
        self.data = data
        self.asked = []

    def find(self, key):
        self.asked.append(key)
        return cdb.find(self.data, key)


def lookup(text):
    return Lookup(cdb.render(assign.records(assign.parse(text))))


ASSIGN = b"""\
=joe:joe:503:78:/home/joe:::
+joe-:joe:503:78:/home/joe:-::
+joe-list.:lists:504:78:/home/lists:-:l-:
=Joe:second:1:1:/home/second:::
+UP:up:505:78:/home/up:-:::
+:alias:600:79:/var/alias:-::
.
"""


@pytest.mark.parametrize(
    ("local", "user", "key"),
    [
        (b"joe", User(b"joe", 503, 78, b"/home/joe", b"", b""), "=joe"),
        (b"JOE", User(b"joe", 503, 78, b"/home/joe", b"", b""), "=joe"),
        (b"joe-X.y", User(b"joe", 503, 78, b"/home/joe", b"-", b"X.y"), "+joe-"),
        (b"joe-", User(b"joe", 503, 78, b"/home/joe", b"-", b""), "+joe-"),
        (b"Joe-List.A", User(b"lists", 504, 78, b"/home/lists", b"-", b"l-A"), "+joe-list."),
        (b"joex", User(b"alias", 600, 79, b"/var/alias", b"-", b"joex"), "+"),
    ],
)
@pytest.mark.covers(
    "users/exact",
    "users/wildcard",
    "users/catch-all",
    "users/first duplicate",
    "users/case",
)
def test_find(local, user, key):
    found, step = find_assigned(local, lookup(ASSIGN))
    assert found == user
    assert step == ("routing.assign", local, YES, f"users/cdb {key}")


@pytest.mark.covers("users/capital at the end")
def test_a_prefix_with_a_final_capital_never_matches():
    found, _ = find_assigned(b"upper", lookup(ASSIGN))
    assert found is not None
    assert found.name == b"alias"  # QUIRK: its last character is stored as written


def test_only_prefixes_with_known_ends_are_looked_up():
    file = lookup(b"+joe-:joe:1:1:/h:-::\n.\n")
    assert find_assigned(b"some-long-name", file)[0] is None
    assert file.asked == [b"", b"!some-long-name\0", b"!some-long-", b"!some-", b"!"]


def test_nothing_found():
    found, step = find_assigned(b"x", lookup(b".\n"))
    assert found is None
    assert step.answer is NO


@pytest.mark.parametrize(
    ("records", "is_record"),
    [([(b"!x\0", b"a\01\01\0/h\0-\0")], False), ([(b"", b""), (b"!x\0", b"a\0b")], True)],
)
def test_broken(records, is_record):
    with pytest.raises(BrokenAssignError) as caught:
        find_assigned(b"x", Lookup(cdb.render(records)))
    assert caught.value.is_record is is_record


@pytest.mark.covers("users/cut")
def test_cuts():
    assert list(cuts(b"Joe-a-b", b"-")) == [
        Cut(b"joe-a-b", b"", b""),
        Cut(b"joe-a", b"-", b"b"),
        Cut(b"joe", b"-", b"a-b"),
    ]
    assert list(cuts(b"a+b", b"+")) == [Cut(b"a+b", b"", b""), Cut(b"a", b"-", b"b")]
    assert list(cuts(b"-x", b"-")) == [Cut(b"-x", b"", b""), Cut(b"", b"-", b"x")]
    assert list(cuts(b"a-b", b"")) == [Cut(b"a-b", b"", b"")]


@pytest.mark.covers("users/long name")
def test_names_of_32_bytes_are_no_accounts():
    assert [cut.account for cut in cuts(b"x" * 31 + b"-y", b"-")] == [b"x" * 31]
    assert list(cuts(b"x" * 32 + b"-y", b"-")) == []


def test_scan_number():
    assert scan_number(b"503x") == 503
    assert scan_number(b"") == 0
    assert scan_number(b"-1") == 0
