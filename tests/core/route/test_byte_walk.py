"""The fast look-ups against slow ones that walk byte by byte, as qmail's programs do."""

from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import assign, cdb
from glassmail.core.formats.assign import Assignment
from glassmail.core.formats.control import parse_list, parse_map
from glassmail.core.route.dot_qmail import candidates
from glassmail.core.route.rewrite import Channel, RoutingTables, route, strip_prepend
from glassmail.core.route.users import find_assigned

PIECES = [b"a", b"B", b".", b"@", b"%", b"-", b"b.c"]
WORD = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)
LISTED = st.lists(WORD.filter(bool), max_size=3)
VALUE = st.lists(st.sampled_from([b"a", b"-", b"p.q"]), max_size=2).map(b"".join)
MAPPED = st.lists(st.tuples(WORD, VALUE), max_size=6)


def last(table, key):
    values = [value for listed, value in table if listed.lower() == key.lower()]
    return values[-1] if values else None


def last_at(text, end, byte):
    position = end - 1
    while position >= 0 and text[position : position + 1] != byte:
        position -= 1
    return end if position < 0 else position


def walk_rewrite(address, no_host, hacked, local, virtual):
    at = last_at(address, len(address), b"@")
    if at == len(address):
        address += b"@" + no_host
    while address[at + 1 :].lower() in hacked:
        percent = last_at(address, at, b"%")
        if percent == at:
            break
        address = address[:percent] + b"@" + address[percent + 1 : at]
        at = percent
    at = last_at(address, len(address), b"@")
    if address[at + 1 :].lower() in local:
        return Channel.LOCAL, address
    for place in range(len(address) + 1):
        is_dot = place > at and address[place : place + 1] == b"."
        if place in (0, at + 1, len(address)) or is_dot:
            prepend = last(virtual, address[place:])
            if prepend:
                return Channel.LOCAL, prepend + b"-" + address
            if prepend is not None:
                break
    return Channel.REMOTE, address


def walk_strip(address, virtual):
    at = last_at(address, len(address), b"@")
    domain = address[at + 1 :]
    for place in range(len(domain) + 1) if at < len(address) else ():
        if place in (0, len(domain)) or domain[place : place + 1] == b".":
            prepend = last(virtual, domain[place:])
            if prepend is not None:
                matches = prepend and address.startswith(prepend + b"-")
                return address[len(prepend) + 1 :] if matches else address
    return address


@given(WORD, WORD.filter(bool), LISTED, LISTED, MAPPED)
def test_rewrite(address, no_host, hacked, local, virtual):
    tables = RoutingTables(
        no_host,
        parse_list("control/percenthack", b"\n".join(hacked)),
        parse_list("control/locals", b"\n".join(local)),
        parse_map("control/virtualdomains", b"".join(k + b":" + v + b"\n" for k, v in virtual)),
    )
    found = route(address, tables)
    lowered = [{name.lower() for name in names} for names in (hacked, local)]
    assert (found.channel, found.address) == walk_rewrite(address, no_host, *lowered, virtual)
    assert strip_prepend(found.address, tables) == walk_strip(found.address, virtual)


@given(WORD)
def test_candidates(ext):
    safe = ext.lower().replace(b".", b":")
    shorter = [
        b".qmail-" + safe[:place] + b"default"
        for place in range(len(safe), -1, -1)
        if place == 0 or safe[place - 1 : place] == b"-"
    ]
    names = [candidate.name for candidate in candidates(b"-", ext)]
    assert names == [b".qmail-" + safe, *shorter]


LINES = st.lists(
    st.builds(
        Assignment,
        st.sampled_from([b"=", b"+"]),
        WORD,
        st.tuples(WORD, st.just(b"1"), st.just(b"1"), st.just(b"/h"), st.just(b"-"), WORD),
        st.just(1),
    ),
    max_size=6,
)


@given(LINES, WORD.filter(bool))
def test_find_assigned(lines, local):
    data = cdb.render(assign.records(lines))

    class File:
        def find(self, key):
            return cdb.find(data, key)

    exact = [a for a in lines if not a.is_wildcard and a.local.lower() == local.lower()]
    ends = {a.local[-1:] for a in lines if a.is_wildcard}
    found = None
    if exact:
        found = exact[0].fields[0], exact[0].fields[5]
    for size in range(len(local), -1, -1) if not exact else ():
        prefix = local[:size].lower()
        fits = [a for a in lines if a.is_wildcard and a.local.lower() == prefix]
        if fits and (not prefix or prefix[-1:] in ends):
            found = fits[0].fields[0], fits[0].fields[5] + local[size:]
            break
    user, _ = find_assigned(local, File())
    assert (None if user is None else (user.name, user.ext)) == found
