import pytest

from glassmail.core.formats.shadow import ShadowLine, find

FILE = b"root:*:19000:0:99999:7:::\njoe:$6$s$h:%b\nann:!:1:0:9:7:::\nbroken:x\n"


@pytest.mark.parametrize(
    ("fields", "is_expired"),
    [
        (b"19000:0:99999:7:::", False),
        (b"0:0:99999:7:::", True),  # to be changed at the next login
        (b"19000:0:30:7:10::", True),
        (b"19900:0:90:7:14::", False),
        (b"19900:0:30:7:::", False),  # too old, but only a password change is asked for
        (b"19000:0:99999:7::19999:", True),
        (b"19000:0:99999:7::20001:", False),
        (b":::::::", False),
    ],
)
def test_expiry(fields, is_expired):
    assert find(FILE % fields, b"joe", 20_000) == ShadowLine(b"joe", b"$6$s$h", is_expired)


def test_who_is_not_there():
    file = FILE % b"19000:0:99999:7:::"
    assert find(file, b"jo", 1) is None
    assert find(file, b"broken", 1) is None
    assert find(b"", b"joe", 1) is None
