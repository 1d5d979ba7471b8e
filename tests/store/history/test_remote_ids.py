import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.store.history.remote_ids import IDS_MAX, ids_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"x accepted.\nRemote host said: 250 2.0.0 Ok: queued as 4XyZ12abc\n", b"4XyZ12abc"),
        (b"Remote host said: 250 ok 1795187041 qp 4711\n", b"qp 4711"),
        (b"Remote host said: 250 OK id=1rAbCd-0000Ab-2X\n", b"1rAbCd-0000Ab-2X"),
        (b"Remote host said: 250 OK  17000 d2e1a7-20ab.123 - gsmtp\n", b"d2e1a7-20ab.123"),
        (b"127.0.0.1_accepted_message./Remote_host_said:_250_2.0.0_queued_as_ABC123/", b"ABC123"),
    ],
)
def test_ids_of_other_servers(text, expected):
    assert expected in ids_in(text)


@pytest.mark.parametrize("text", [b"", b"Remote host said: 250 2.0.0 ok\n", b"192.0.2.1 said: no"])
def test_no_ids(text):
    assert ids_in(text) == ()


@given(st.binary(max_size=2_000))
def test_any_bytes(text):
    assert len(ids_in(text)) <= IDS_MAX
