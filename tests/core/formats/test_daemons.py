import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import daemons
from glassmail.core.formats.daemons import ROLES, DaemonsError

IDS = st.tuples(st.integers(0, daemons.ID_MOST), st.integers(0, daemons.ID_MOST))


@given(st.dictionaries(st.sampled_from(ROLES), IDS))
def test_round_trip(table):
    assert daemons.parse(daemons.render(table)) == table


def test_comments_and_unknown_roles():
    assert daemons.parse(b"# who\n\nsmtpd:7:8\nweb:9:9\n") == {"smtpd": (7, 8), "web": (9, 9)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"smtpd:7", "write `role:uid:gid`"),
        (b"smtpd:qmaild:nofiles", "must be numbers"),
        (b"smtpd:-1:1", "must be numbers"),
        (b"smtpd:4294967295:1", "must be numbers"),
        (b"queue:1:1", "has a line already"),
        ("smtpd:\u0661:1".encode(), "must be numbers"),
    ],
)
def test_a_bad_line_is_named(line, reason):
    with pytest.raises(DaemonsError, match=rf"^users/daemons:2: .*{reason}"):
        daemons.parse(b"queue:5:5\n" + line + b"\n")
