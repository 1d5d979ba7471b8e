"""users/assign: parsing, faults, records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import assign
from glassmail.core.formats.assign import AssignError, Assignment

FIELD = st.binary(max_size=8).map(lambda b: b.translate(None, b":\n\0"))
LOCAL = FIELD
ASSIGNMENTS = st.lists(
    st.builds(
        Assignment,
        st.sampled_from([b"=", b"+"]),
        LOCAL,
        st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD, FIELD),
        st.just(0),
    ),
    max_size=8,
).map(lambda found: [a._replace(line=number) for number, a in enumerate(found, 1)])


@given(ASSIGNMENTS)
def test_round_trip(found):
    assert assign.parse(assign.render(found)) == found


def test_records():
    text = (
        b"=Joe:joe:1:2:/h:-:ext:ignored:too\n+joe-:joe:1:2:/h:-::\n+A.:x:1:2:/h:-::\n"
        b"+b-:x:1:2:/h:-::\n+:y:1:2:/h::q:\n."
    )
    assert list(assign.records(assign.parse(text))) == [
        (b"!joe\0", b"joe\0001\0002\0/h\0-\0ext"),
        (b"!joe-", b"joe\0001\0002\0/h\0-\0"),
        (b"!a.", b"x\0001\0002\0/h\0-\0"),
        (b"!b-", b"x\0001\0002\0/h\0-\0"),
        (b"!", b"y\0001\0002\0/h\0\0q"),
        (b"", b"-."),
    ]


@pytest.mark.covers("users/other first byte")
def test_any_other_first_byte_counts_as_exact():
    (found,) = assign.parse(b"xjoe:u:1:1:/h:::\n.\n")
    assert (found.mark, found.local, found.key) == (b"x", b"joe", b"!joe\0")


@pytest.mark.parametrize(
    "text",
    [b".\n", b".", b".whatever follows\n", b".\n=bad\n", b"=:u:1:1:/h:::\n.\n"],
)
@pytest.mark.covers("users/after the seventh colon")
def test_fine(text):
    assign.parse(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "users/assign:1:1: bad format: the last line must be a single dot"),
        (b"=a:u:1:1:/h:::\n", "users/assign:2:1: bad format: the last line"),
        (b"=a:u:1:1:/h:::\n\n.\n", "users/assign:2:1: bad format: an empty line"),
        (b"=a:u:1:1:/h::\n.\n", "users/assign:1:14: bad format: 6 colons, seven are needed"),
        (b":u:1:1:/h:::::\n.\n", "users/assign:1:1: bad format: it begins with a colon"),
        (b"=a\0:u:1:1:/h:::\n.\n", "users/assign:1:3: bad format: a NUL byte"),
        (b"=a:u:1:1:/h:::", "users/assign:1:1: bad format: the last line"),
    ],
)
@pytest.mark.covers("users/last line", "users/bad line")
def test_faults(text, where):
    with pytest.raises(AssignError) as caught:
        assign.parse(text)
    assert str(caught.value).startswith(where)


def test_the_line_of_a_key():
    data = b"=joe:x:1:1:/h:::\n+Example.com-:e:1:1:/e:-::\n+example.com-:f:1:1:/f:-::\n.\n+a-:x\n"
    assert assign.line_of(data, b"+example.com-") == 2
    assert assign.line_of(data, b"=joe") == 1
    assert assign.line_of(data, b"+a-") == 0
