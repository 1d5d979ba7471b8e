"""Names of dot-qmail files, refusals, the loop check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.dot_qmail import Instruction, Kind
from glassmail.core.route.dot_qmail import (
    HAS_FILE_AND_X_BIT,
    HAS_PROGRAM_AND_X_BIT,
    Candidate,
    candidates,
    is_looping,
    refusal,
)


# The table stands as a comment above qmesearch() in qmail-local.c.
@pytest.mark.parametrize(
    ("dash", "ext", "names"),
    [
        (b"", b"", [b"", b"default"]),
        (b"-", b"", [b"-", b"-default"]),
        (b"-", b"a", [b"-a", b"-default"]),
        (b"-", b"a-", [b"-a-", b"-a-default", b"-default"]),
        (b"-", b"a-b", [b"-a-b", b"-a-default", b"-default"]),
        (b"-", b"a-b-", [b"-a-b-", b"-a-b-default", b"-a-default", b"-default"]),
        (b"-", b"a-b-c", [b"-a-b-c", b"-a-b-default", b"-a-default", b"-default"]),
        (b"-", b"-", [b"--", b"--default", b"-default"]),
        (b"-/", b"X.y", [b"-/x:y", b"-/default"]),
    ],
)
def test_names(dash, ext, names):
    assert [c.name for c in candidates(dash, ext)] == [b".qmail" + name for name in names]


@pytest.mark.covers("dot-qmail rule/DEFAULT")
def test_default_is_what_default_stood_for():
    assert candidates(b"-", b"A-B.c") == (
        Candidate(b".qmail-a-b:c", None),
        Candidate(b".qmail-a-default", b"B.c"),
        Candidate(b".qmail-default", b"A-B.c"),
    )


@pytest.mark.covers("dot-qmail rule/exact default")
def test_an_exact_name_that_ends_in_default_sets_it():
    assert candidates(b"-", b"Q-Default")[0] == Candidate(b".qmail-q-default", b"Default")
    assert candidates(b"-", b"default")[0] == Candidate(b".qmail-default", b"default")


@given(st.binary(max_size=20))
def test_every_name_stays_in_one_row(ext):
    found = candidates(b"-", ext)
    assert len(found) == 2 + ext.count(b"-")
    assert all(b"." not in c.name[1:] for c in found)
    assert found[-1] == Candidate(b".qmail-default", ext)
    sizes = [len(c.name) for c in found[1:]]
    assert sizes == sorted(sizes, reverse=True)


def line(kind, list_only=False):
    return Instruction(kind, b"x", 1, list_only)


def test_refusals():
    assert refusal(line(Kind.FORWARD, True), True) is None
    assert refusal(line(Kind.MAILDIR), False) is None
    assert refusal(line(Kind.MAILDIR), True) == HAS_FILE_AND_X_BIT
    assert refusal(line(Kind.MBOX, True), False) == HAS_FILE_AND_X_BIT
    assert refusal(line(Kind.PROGRAM), True) == HAS_PROGRAM_AND_X_BIT


MINE = b"Delivered-To: a@b\n"


@pytest.mark.parametrize(
    ("header", "loops"),
    [
        (MINE, True),
        (b"A: b\n" + MINE + b"C: d\n\nbody\n", True),
        (b"A: b\n\n" + MINE, False),
        (b"\n" + MINE, False),
        (b"A: b\n" + MINE[:-1], False),
        (b"A: b\n" + MINE[:-1] + b"c\n", False),
        (b"A: b\nX-" + MINE, False),
        (b"A: b\ndelivered-to: a@b\n\n", False),
        (b"", False),
        (b"A: b\n" + MINE + b"\n", True),
    ],
)
@pytest.mark.covers("dot-qmail rule/looping")
def test_is_looping(header, loops):
    assert is_looping(header, MINE) is loops


@given(st.lists(st.sampled_from([b"", b"A: b", MINE[:-1], b"x"]), max_size=6))
def test_is_looping_as_line_by_line(lines):
    header = b"".join(text + b"\n" for text in lines)
    head = lines[: lines.index(b"")] if b"" in lines else lines
    assert is_looping(header, MINE) is (MINE[:-1] in head)
