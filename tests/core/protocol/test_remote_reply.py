import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.protocol.remote_reply import ReplyError, ReplyReader, code_of


def _read(data):
    return [tuple(reply) for reply in ReplyReader().feed(data)]


def test_one_line():
    assert _read(b"250 ok\r\n") == [(250, b"250 ok\n")]
    assert _read(b"250\r\n") == [(250, b"250\n")]
    assert _read(b"250 bare lf\n") == [(250, b"250 bare lf\n")]


def test_several_lines_are_one_reply_with_the_first_line_s_code():
    assert _read(b"550-no\r\n250 really\r\n") == [(550, b"550-no\n250 really\n")]


def test_cr_is_left_out_and_8_bit_bytes_stay():
    assert _read(b"250 a\rb\xff\0\r\n") == [(250, b"250 ab\xff\0\n")]


@pytest.mark.parametrize(
    ("line", "is_permanent"),
    [(b"hello", True), (b"", True), (b"2", True), (b"  0", True), (b"4x0", True), (b"25", False)],
)
def test_garbage_has_a_code_by_value(line, is_permanent):
    assert (code_of(line) >= 500) == is_permanent


def test_digits_of_other_scripts_are_garbage():
    assert code_of("٢٥٠ ok".encode()) >= 500


def test_a_long_reply_is_cut_at_qmail_s_limit():
    data = b"250-" + b"x" * 3000 + b"\r\n"
    [(code, text)] = _read(data * 3 + b"250 end\r\n")
    assert code == 250
    assert len(text) == 5000
    [(code, text)] = _read(b"550 " + b"y" * 100_000 + b"\r\n")
    assert (code, len(text)) == (550, 5000)


@pytest.mark.parametrize("piece", [b"x" * 65536, b"250-on and on\r\n" * 4096])
def test_a_reply_without_end_is_an_error_and_takes_no_memory(piece):
    reader = ReplyReader()

    def feed_all():
        for _ in range(1000):
            reader.feed(piece)
            assert len(reader._partial) + len(reader._text) < 80_000

    with pytest.raises(ReplyError):
        feed_all()


def test_between():
    reader = ReplyReader()
    assert reader.is_between
    reader.feed(b"250-a\r\n")
    assert not reader.is_between
    reader.feed(b"250 b\r\n2")
    assert not reader.is_between
    reader.feed(b"50 c\r\n")
    assert reader.is_between


@given(st.lists(st.binary(max_size=12), max_size=8), st.data())
def test_any_split_gives_the_same_replies(parts, data):
    text = b"".join(parts).replace(b"x", b"\r\n") + b"\r\n250-a\r\n250 b\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    reader = ReplyReader()
    replies = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        replies += reader.feed(text[start:end])
    assert replies == ReplyReader().feed(text)
