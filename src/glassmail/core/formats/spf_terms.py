"""The terms of an SPF record that name senders (RFC 7208, 5): for finding a domain's networks.

Only what names addresses is read: ip4, ip6, a, mx, include and redirect. Whether a client passes is
decided elsewhere; here a record answers "from where does this domain's mail come".
"""

import ipaddress
from typing import NamedTuple

TERMS_MAX = 200
_KINDS = frozenset({"ip4", "ip6", "a", "mx", "include", "redirect"})


class SpfTerm(NamedTuple):
    """One term.

    Attributes:
        kind: ip4, ip6, a, mx, include, redirect.
        value: first and last address `low high` (ip4, ip6), or a domain; empty for the own domain.
        prefix4, prefix6: lengths given for a and mx, 32 and 128 else.
    """

    kind: str
    value: str
    prefix4: int = 32
    prefix6: int = 128


def is_spf(text: bytes) -> bool:
    """Tell whether a TXT record is an SPF record."""
    return text.lower() == b"v=spf1" or text.lower().startswith(b"v=spf1 ")


def parse(text: bytes) -> tuple[SpfTerm, ...]:
    """Read the terms that name senders; those that cannot be read are left out.

    A term with a macro (`%{i}`) names an address only while a client is there; with `-` it names
    nobody.
    """
    found = []
    for word in text.decode("ascii", "replace").split()[1 : TERMS_MAX + 1]:
        term = None if word.startswith("-") or "%" in word else _term(word.lstrip("+?~"))
        if term is not None:
            found.append(term)
    return tuple(found)


def _term(word: str) -> SpfTerm | None:
    name, mark, value = _parted(word)
    if name not in _KINDS:
        return None
    if name in {"ip4", "ip6"}:
        ends = ends_of(value)
        return SpfTerm(name, " ".join(ends)) if ends else None
    domain, prefix4, prefix6 = _domain(value if mark in {":", "="} else word[len(name) :])
    return SpfTerm(name, domain, prefix4, prefix6)


def _parted(word: str) -> tuple[str, str, str]:
    for mark in ":=/":
        name, found, value = word.partition(mark)
        if found and name.lower() in _KINDS:
            return name.lower(), mark, value
    return word.lower(), "", ""


def _domain(text: str) -> tuple[str, int, int]:
    """Read `domain/24//64`."""
    domain, _slash, rest = text.partition("/")
    four, _slash, six = rest.partition("//") if not rest.startswith("/") else ("", "", rest[1:])
    return domain.rstrip(".").lower(), _length(four, 32), _length(six, 128)


def _length(text: str, most: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= 3
    return min(int(text), most) if is_number else most


def ends_of(network: str) -> tuple[str, str] | None:
    """Return the first and last address of a network, None when it is none."""
    try:
        found = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return None
    return str(found[0]), str(found[-1])
