"""Lines of dot-qmail files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.dot_qmail import Instruction, Kind, parse


@pytest.mark.covers(
    "dot-qmail rule/comments",
    "dot-qmail rule/trailing blanks",
    "dot-qmail rule/forward with blank",
)
def test_kinds():
    # The file of the probe `ext=kinds`.
    data = (
        b"# comment\n&fwd@x.test\nplain@x.test\n\n./mb\n./md/\n"
        b"|prog arg  \t\n& space@x.test\n+other\n"
    )
    found = parse(data)
    assert not found.first_line_is_blank
    assert found.instructions == (
        Instruction(Kind.FORWARD, b"fwd@x.test", 2, False),
        Instruction(Kind.FORWARD, b"plain@x.test", 3, False),
        Instruction(Kind.MBOX, b"./mb", 5, False),
        Instruction(Kind.MAILDIR, b"./md/", 6, False),
        Instruction(Kind.PROGRAM, b"prog arg", 7, False),
        Instruction(Kind.FORWARD, b" space@x.test", 8, False),
    )


@pytest.mark.parametrize("data", [b"", b"\n", b" \t\n./x/\n", b"\n./x/\n", b"\0x\n"])
def test_first_line_blank(data):
    assert parse(data).first_line_is_blank


@pytest.mark.parametrize("data", [b"#\n", b"./x/\n\n", b"+x\n\n", b"./x"])
def test_first_line_not_blank(data):
    assert not parse(data).first_line_is_blank


@pytest.mark.covers("dot-qmail rule/+list")
def test_list():
    found = parse(b"./a/\n+list \n./b/\n&c@d\n")
    assert [i.list_only for i in found.instructions] == [False, True, True]
    assert [i.list_only for i in parse(b"+lists\n./b/\n+ list\n./c/").instructions] == [
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("line", "kind", "argument"),
    [
        (b"/var/x", Kind.MBOX, b"/var/x"),
        (b"/var/x/", Kind.MAILDIR, b"/var/x/"),
        (b".", Kind.MBOX, b"."),
        (b"./x/ \t", Kind.MAILDIR, b"./x/"),
        (b"./x\r", Kind.MBOX, b"./x\r"),  # a CR is data
        (b"&", Kind.FORWARD, b""),
        (b"|", Kind.PROGRAM, b""),
        (b" a@b", Kind.FORWARD, b" a@b"),
        (b"./a\0b/", Kind.MAILDIR, b"./a"),
    ],
)
def test_one_line(line, kind, argument):
    assert parse(line).instructions == (Instruction(kind, argument, 1, False),)


@given(st.binary(max_size=60))
def test_every_file_parses(data):
    found = parse(data)
    assert all(b"\n" not in i.argument and b"\0" not in i.argument for i in found.instructions)
    assert [i.line for i in found.instructions] == sorted({i.line for i in found.instructions})


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        (b"& a@b", 2, "a blank before the rest"),
        (b" ./Maildir/", 1, "a blank before the rest"),
        (b"Maildir/", 1, "it is taken as an address"),
        (b"&a@b c@d", 5, "one line holds one address"),
        (b"a@b,c@d", 4, "one line holds one address"),
        (b"&", 2, "no address follows"),
        (b"|", 2, "no program follows"),
        (b"+lost", 1, "an unknown word"),
        (b"./Maildir/\r", 11, "a carriage return"),
        (b"|true\0x", 6, "a NUL byte"),
    ],
)
def test_doubtful_lines(line, column, words):
    (doubt,) = parse(b"#\n" + line + b"\n").doubts
    assert (doubt.line, doubt.column) == (2, column)
    assert doubt.text.startswith(words)


def test_lines_that_are_fine():
    data = b'#x\n./Maildir/\n|cat a, b\n&a@b\na@b  \n+list\n\n/box with blanks\n"a b"@c\n'
    assert parse(data).doubts == ()
