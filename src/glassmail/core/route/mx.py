"""Which hosts are tried for a domain, in which order, and which not (RFC 5321, 5.1; dns.c).

Pure:
    DNS answers, a random number and the set of our own addresses come from outside.

Always:
    - Lower preference first; equal preferences are shuffled by the number given.
    - When one of the addresses is ours, every exchanger that is not better than ourselves is
      left out (RFC 5321, 5.1, loop prevention).
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

EXCHANGERS_MAX = 20  # hosts asked for their addresses; a domain may list hundreds
ADDRESSES_MAX = 40  # addresses of one plan; tried one after the other


class Exchanger(NamedTuple):
    """One MX record: preference (lower is better) and host name without the final dot."""

    preference: int
    name: bytes


class Address(NamedTuple):
    """A place to connect to: numeric address, port, MX preference, the name it was found by."""

    ip: str
    port: int
    preference: int
    host: bytes


def parse_literal(host: bytes) -> str | None:
    """Read `192.0.2.1`, `[192.0.2.1]`, `[IPv6:2001:db8::1]` or `[2001:db8::1]`; else None."""
    text = host
    is_bracketed = text.startswith(b"[") and text.endswith(b"]")
    if is_bracketed:
        text = text[1:-1]
        if text[:5].lower() == b"ipv6:":
            text = text[5:]
    if not text or text.strip(b"0123456789abcdefABCDEF.:"):
        return None
    try:
        return str(ipaddress.ip_address(text.decode("ascii")))
    except ValueError:
        return None


def is_null_mx(exchangers: Sequence[Exchanger]) -> bool:
    """Tell whether the domain says that it takes no mail (RFC 7505: one record, the root)."""
    return len(exchangers) == 1 and not exchangers[0].name


def in_order(exchangers: Sequence[Exchanger], number: int) -> tuple[Exchanger, ...]:
    """Order exchangers by preference, equal ones shuffled by `number`; at most EXCHANGERS_MAX."""
    shuffled = shuffle(list(exchangers), number)
    shuffled.sort(key=lambda exchanger: exchanger.preference)  # a stable sort keeps the lots
    return tuple(shuffled[:EXCHANGERS_MAX])


def reorder(addresses: tuple[Address, ...], number: int) -> tuple[Address, ...]:
    """Draw the order of equally preferred hosts anew; addresses of one host keep theirs."""
    hosts = shuffle(list(dict.fromkeys(address.host for address in addresses)), number)
    place = {host: index for index, host in enumerate(hosts)}
    return tuple(sorted(addresses, key=lambda one: (one.preference, place[one.host])))


def better_than_ours(
    addresses: tuple[Address, ...], is_ours: Callable[[str], bool]
) -> tuple[tuple[Address, ...], Address | None]:
    """Drop what is not better than ourselves.

    Returns:
        (what is left, the best address of ours or None).
    """
    ours = [address for address in addresses if is_ours(address.ip)]
    if not ours:
        return addresses, None
    best = min(ours, key=lambda address: address.preference)
    return tuple(one for one in addresses if one.preference < best.preference), best


def shuffle(items: list[T], number: int) -> list[T]:
    """Shuffle in place by a number (Fisher and Yates, fed by a 64-bit generator of Knuth's)."""
    state = number
    for last in range(len(items) - 1, 0, -1):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        other = (state >> 33) % (last + 1)
        items[last], items[other] = items[other], items[last]
    return items
