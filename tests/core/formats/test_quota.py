import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import quota
from glassmail.core.formats.quota import NO_QUOTA, Quota, QuotaError


@pytest.mark.parametrize(
    ("text", "expected", "stored"),
    [
        (b"NOQUOTA", NO_QUOTA, b"NOQUOTA"),
        (b"", NO_QUOTA, b"NOQUOTA"),
        (b"20000S", Quota(20_000, 0), b"20000S"),
        (b"1000000S,1000C", Quota(1_000_000, 1_000), b"1000000S,1000C"),
        (b"10C", Quota(0, 10), b"10C"),
        (b"1MB", Quota(1_048_576, 0), b"1048576S"),  # vpopmail-commands.txt
        (b"10M", Quota(10_485_760, 0), b"10485760S"),
        (b"2k", Quota(2_048, 0), b"2048S"),
        (b"1000000", Quota(1_000_000, 0), b"1000000S"),
    ],
)
def test_forms(text, expected, stored):
    assert quota.parse(text) == expected
    assert quota.render(expected) == stored


@pytest.mark.parametrize("text", [b"x", b"-5", b"1_0", b"5Q", b",", b"1S,", "\u0661S".encode()])
def test_refuses_the_rest(text):
    with pytest.raises(QuotaError, match="is no quota: write"):
        quota.parse(text)


@given(st.integers(0, 10**12), st.integers(0, 10**9))
def test_round_trip(size, count):
    assert quota.parse(quota.render(Quota(size, count))) == Quota(size, count)
