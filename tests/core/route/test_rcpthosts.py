"""rcpthosts and morercpthosts.cdb."""

import pytest

from glassmail.core.formats import cdb
from glassmail.core.formats.control import parse_list
from glassmail.core.route.rcpthosts import is_allowed

LISTED = parse_list("control/rcpthosts", b"one.test\n.sub.test\nMixed.Test\n")


class More:
    def __init__(self, *keys):
        self.data = cdb.render([(key, b"") for key in keys])

    def find(self, key):
        return cdb.find(self.data, key)


@pytest.mark.parametrize(
    ("recipient", "allowed"),
    [
        (b"a@one.test", True),
        (b"a@ONE.test", True),
        (b"a@mixed.test", True),
        (b"a@x.one.test", False),
        (b"a@x.sub.test", True),
        (b"a@a.b.sub.test", True),
        (b"a@sub.test", False),
        (b"a@.sub.test", True),
        (b"a@", False),
        (b"nodomain", True),
        (b"a@evil.test@one.test", True),
        (b"a@one.test@evil.test", False),
    ],
)
@pytest.mark.covers(
    "address/rcpthosts domain",
    "address/rcpthosts suffix",
    "address/rcpthosts no host",
)
def test_list(recipient, allowed):
    assert is_allowed(recipient, LISTED, None)[0] is allowed


@pytest.mark.covers("address/morercpthosts", "address/rcpthosts missing")
def test_more_is_asked_last_and_only_with_rcpthosts():
    more = More(b"big.test", b".big2.test")
    assert is_allowed(b"a@BIG.test", LISTED, more)[1].source == "control/morercpthosts.cdb big.test"
    assert is_allowed(b"a@x.big2.test", LISTED, more)[0]
    assert not is_allowed(b"a@big2.test", LISTED, more)[0]
    allowed, step = is_allowed(b"a@x.test", parse_list("control/rcpthosts", None), more)
    assert allowed
    assert "every domain is accepted" in step.source


def test_the_step_names_the_line():
    assert is_allowed(b"a@x.sub.test", LISTED, None)[1].source == "control/rcpthosts:2 .sub.test"
    assert is_allowed(b"a@b.test", LISTED, None)[1].source == "control/rcpthosts (3 entries)"
