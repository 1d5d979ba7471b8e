import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.header_fields import HeaderSplitter, is_field
from glassmail.core.formats.header_identity import Identity
from glassmail.core.formats.header_inject import Injection, followup_field, message_id_field
from glassmail.core.formats.header_rewrite import HeaderError, Rewriter
from glassmail.core.model.limits import RECIPIENTS_MAX
from tests.core.formats.test_header_tokens import AWKWARD

NAMES = ("To", "Cc", "Bcc", "From", "Sender", "Reply-To", "Return-Path", "Resent-To", "Subject",
         "Errors-To", "Apparently-To", "Content-Length", "Date")  # fmt: skip


def injection(letters=b"", **environment):
    named = {name.encode(): value for name, value in environment.items()}
    return Injection(letters, Identity(named), Rewriter(b"d.test", b"h.d.test", b"p.test"))


@given(st.lists(st.tuples(st.sampled_from(NAMES), AWKWARD), max_size=4), AWKWARD, AWKWARD)
def test_any_header_comes_out_as_a_header_or_is_refused(fields, user, name):
    made = injection(USER=user.replace(b"\0", b""), NAME=name.replace(b"\0", b""))
    splitter = HeaderSplitter()
    splitter.feed(b"".join(b"%b: %b\n" % (n.encode(), v.replace(b"\n", b"\n ")) for n, v in fields))
    splitter.end_of_file()
    try:
        for field in splitter.fields:
            made.add_field(field)
        header = made.header(0, 1, b"", b"id.test")
    except HeaderError:
        return
    assert header.endswith(b"\n")
    lines = [line for line in header.split(b"\n")[:-1] if not line.startswith((b" ", b"\t"))]
    assert all(is_field(line) for line in lines)
    removed = {b"bcc", b"return-path", b"content-length", b"resent-bcc"}
    assert removed.isdisjoint(line.split(b":")[0].lower() for line in lines)
    assert made.sender is not None


def test_generated_fields():
    made = injection(USER=b"u")
    assert made.header(1_795_187_802, 10_241, b"", b"id.test") == (
        b"Date: 20 Nov 2026 15:16:42 -0000\n"
        b"Message-ID: <20261120151642.10241.qmail@id.test>\n"
        b"From: u@h.d.test\n"
        b"Cc: recipient list not shown: ;\n"
    )
    assert made.sender == b"u@h.d.test"


@pytest.mark.parametrize("name", [b"To", b"Cc", b"Bcc", b"Apparently-To", b"Resent-Cc"])
def test_recipient_fields_may_be_unreadable(name):
    made = injection(USER=b"u")
    made.add_field(name + b": (x\n")
    assert made.from_header() == []


@pytest.mark.parametrize(
    "name", [b"From", b"Sender", b"Reply-To", b"Errors-To", b"Return-Receipt-To", b"Return-Path"]
)
def test_other_fields_may_not(name):
    made = injection(USER=b"u")
    for text in (b": (x\n", b": a:b\n"):
        with pytest.raises(HeaderError) as raised:
            made.add_field(name + text)
        assert raised.value.text == b"unable to parse this line:\n" + name + text


def test_a_field_with_too_many_addresses_is_refused():
    made = injection(USER=b"u")
    with pytest.raises(HeaderError, match="more than 50000 addresses"):
        made.add_field(b"To: " + b"a," * (RECIPIENTS_MAX + 1) + b"\n")


@pytest.mark.parametrize("pattern", [b"a, ", b"<>,", b"\\a", b"(", b"a b ", b"a:;", b"@a:b,", b"<"])
def test_nothing_takes_more_than_linear_time(pattern):
    start = time.process_time()
    try:
        injection(USER=b"u").add_field(b"To: " + pattern * (250_000 // len(pattern)) + b"\n")
    except HeaderError:
        pass
    assert time.process_time() - start < 2.0


def test_message_id_and_followup():
    assert message_id_field(0, 7, b"x.y") == b"Message-ID: <19700101000000.7.qmail@x.y>\n"
    assert followup_field([b"a@b"], frozenset()) == b""
    listed = [b"c d@e", b"List@x"]
    expected = b'Mail-Followup-To: List@x,\n  "c d"@e\n'
    assert followup_field(listed, frozenset((b"list@x",))) == expected
