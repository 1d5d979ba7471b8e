import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.msgpack_small import NESTING_MAX, MsgpackError, decode, encode
from glassmail.net import messages

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=20).map(tuple),
    max_leaves=30,
)


def as_tuples(value):
    return tuple(as_tuples(item) for item in value) if isinstance(value, list) else value


def depth(value):
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


@given(VALUES)
def test_msgspec_reads_what_is_written_and_the_other_way_round(value):
    assert as_tuples(msgspec.msgpack.decode(encode(value))) == value
    if depth(value) <= NESTING_MAX:
        assert decode(msgspec.msgpack.encode(value)) == value


@pytest.mark.parametrize(
    "value", [b"x" * 255, b"x" * 256, b"x" * 65_535, b"x" * 65_536, "x" * 31, "x" * 32,
              "x" * 65_536, (1,) * 15, (1,) * 16, (1,) * 65_535, (1,) * 65_536]
)  # fmt: skip
def test_lengths(value):
    assert encode(value) == msgspec.msgpack.encode(value)
    assert decode(encode(value)) == value


@given(st.binary())
def test_anything_else_is_refused(data):
    try:
        value = decode(data)
    except MsgpackError:
        return
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\xc1", b"\xca\0\0\0\0", b"\x01\x02", b"\xc4\x05ab",
             b"\xdd\xff\xff\xff\xff", b"\xa1\xff", b"\x91" * (NESTING_MAX + 1) + b"\xc0"]
)  # fmt: skip
def test_faults(data):
    with pytest.raises(MsgpackError):
        decode(data)


def test_too_large_a_number():
    with pytest.raises(MsgpackError):
        encode(2**64)


def test_the_messages_of_a_hand_in():
    enqueue = ("enqueue", 1, b"s", (b"r",), b"", b"body", 0, 4, 0, 0, b"", "user", None)
    decoder = msgspec.msgpack.Decoder(messages.Enqueue | messages.Hello | messages.OpenBody)
    assert decoder.decode(encode(enqueue)) == messages.Enqueue(*enqueue[1:])
    assert decoder.decode(encode(("hello", "client", 9))) == messages.Hello("client", 9)
    assert decoder.decode(encode(("open_body", 1))) == messages.OpenBody(1)
    assert decode(messages.encode(messages.Enqueued(1, 2**40))) == ("enqueued", 1, 2**40)
    assert decode(messages.encode(messages.BodyOpened(1, 7))) == ("body_opened", 1, 7)
    declined = messages.Declined(1, "Z", 53, b"text")
    assert decode(messages.encode(declined)) == ("declined", 1, "Z", 53, b"text")
