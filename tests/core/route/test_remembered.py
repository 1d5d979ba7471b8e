"""Remembered routing: the same answers as `route`, anew with other tables, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.control import parse_list, parse_map
from glassmail.core.route import remembered
from glassmail.core.route.remembered import ANSWERS_KEPT_MAX, Routes
from glassmail.core.route.rewrite import RoutingTables, route


def tables(local_domains=b"here.test\n", virtual=b"virt.test:joe\n"):
    return RoutingTables(
        b"here.test",
        parse_list("control/percenthack", b"hack.test\n"),
        parse_list("control/locals", local_domains),
        parse_map("control/virtualdomains", virtual),
    )


ADDRESSES = st.lists(
    st.sampled_from([b"a@here.test", b"A@Here.test", b"b@virt.test", b"c@far.test", b"plain",
                     b"x%y.test@hack.test"]),
    max_size=12,
)  # fmt: skip
WORLDS = st.lists(st.tuples(ADDRESSES, st.booleans()), max_size=4)


@given(WORLDS)
def test_the_answers_are_those_of_route(worlds):
    routes = Routes()
    for addresses, is_moved in worlds:
        now = tables(b"far.test\n", b"") if is_moved else tables()
        for address in addresses:
            assert routes.find(address, now) == route(address, now)


def test_what_is_known_is_not_asked_again(monkeypatch):
    asked = []
    real = remembered.route
    monkeypatch.setattr(remembered, "route", lambda a, t: asked.append(a) or real(a, t))
    routes, now = Routes(), tables()
    first = routes.find(b"a@here.test", now)
    assert routes.find(b"a@here.test", now) is first
    routes.find(b"A@here.test", now)  # the steps name the address as it was written
    routes.find(b"a@here.test", tables())
    assert asked == [b"a@here.test", b"A@here.test", b"a@here.test"]


def test_it_is_bounded():
    routes, now = Routes(), tables()
    for number in range(ANSWERS_KEPT_MAX + 10):
        routes.find(b"%d@here.test" % number, now)
    assert len(routes._known) == 10
