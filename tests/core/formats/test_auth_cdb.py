import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.auth_cdb import AuthRecord, parse


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b"$6$s$h", AuthRecord(b"$6$s$h", 0, ())),
        (
            b'$6$s$h,DATABYTES="0",MAXRCPT="500"',
            AuthRecord(b"$6$s$h", 0, ((b"DATABYTES", b"0"), (b"MAXRCPT", b"500"))),
        ),
        (b'h,PASSWORD_EXPIRES="1700000000",A=""', AuthRecord(b"h", 1_700_000_000, ((b"A", b""),))),
        (b'h,A="x"junk,B="y"', AuthRecord(b"h", 0, ((b"A", b"x"),))),
        (b'h,A=x,B="y"', AuthRecord(b"h", 0, ())),
        (b'h,A B="y"', AuthRecord(b"h", 0, ())),
        (b"", AuthRecord(b"", 0, ())),
        (
            b'$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA,A="1"',
            AuthRecord(b"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", 0, ((b"A", b"1"),)),
        ),
    ],
)
def test_parse(data, record):
    assert parse(data) == record


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data):
    record = parse(data)
    assert b'"' not in b"".join(value for _name, value in record.environment)
