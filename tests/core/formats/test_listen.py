import pytest

from glassmail.core.formats.listen import ListenError, parse
from glassmail.core.model.networks import parse as network


def test_places():
    found = parse(b"# all\nsmtp 0.0.0.0:25\nsubmission [::1]:587\nsmtp :2525\n")
    assert [each[:3] for each in found] == [
        ("smtp", "0.0.0.0", 25), ("submission", "::1", 587), ("smtp", "0.0.0.0", 2525),
    ]  # fmt: skip
    assert found[0].source == "control/listen:2 smtp 0.0.0.0:25"
    assert all(each.proxies == () for each in found)


def test_accounts_on_loopback_alone():
    found = parse(b"vpopmaild 127.0.0.1:89\nvpopmaild [::1]:89\n")
    assert [each[:3] for each in found] == [
        ("vpopmaild", "127.0.0.1", 89), ("vpopmaild", "::1", 89),
    ]  # fmt: skip


def test_proxies():
    found = parse(b"smtp 10.0.0.1:25 proxy=10.0.0.2,2001:db8::/64\n")[0]
    assert found.proxies == (network("10.0.0.2"), network("2001:db8::/64"))


@pytest.mark.parametrize(
    "line",
    [b"smtp", b"smtp 1.2.3.4", b"smtp ::1:25", b"smtp 1.2.3.4:0", b"smtp 1.2.3.4:65536",
     b"imap 1.2.3.4:143", b"smtp 1.2.3.4:25 proxy=", b"smtp 1.2.3.4:25 proxy=all", b"proxy=::1",
     b"smtp 1.2.3.4:25 x", b"vpopmaild 1.2.3.4:89", b"vpopmaild :89", b"vpopmaild [::]:89",
     b"vpopmaild 127.0.0.1:89 proxy=127.0.0.1"],
)  # fmt: skip
def test_what_cannot_be_obeyed(line):
    with pytest.raises(ListenError, match="control/listen:1"):
        parse(line)
