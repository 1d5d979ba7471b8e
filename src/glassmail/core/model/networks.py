"""Networks of clients: `192.0.2.0/24`, `2001:db8::/32`, a single address, as keys for tables.

Purpose:
    A network is what its addresses have in common: family, length and leading bits. Tables of
    counts and blocks are keyed by it, so that a look-up is a dictionary's.

Always:
    - An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is IPv4.
    - Bits behind the prefix are dropped: `192.0.2.7/24` is `192.0.2.0/24`.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Generic, NamedTuple, TypeVar

V4, V6 = 4, 6
ADDRESSES_KEPT = 8_192
_BITS = {V4: 32, V6: 128}
_MAPPED = 0xFFFF  # ::ffff:0:0/96, the upper bits of an IPv4 address inside IPv6


T = TypeVar("T")


class NetworkError(ValueError):
    """The text is no address and no network; it says how to write one."""


class Network(NamedTuple):
    """One network; equal ones are equal as keys.

    Attributes:
        family: 4 or 6.
        prefix: how many leading bits count.
        number: those bits.
    """

    family: int
    prefix: int
    number: int

    def holds(self, other: "Network") -> bool:
        """Tell whether a network (or address) lies in this one."""
        if other.family != self.family:
            return False
        away = other.prefix - self.prefix
        return away >= 0 and other.number >> away == self.number

    @property
    def text(self) -> str:
        """Write it as people do; a single address stands without its length."""
        bits = _BITS[self.family]
        number = self.number << (bits - self.prefix)
        address = str(IPv4Address(number) if self.family == V4 else IPv6Address(number))
        return address if self.prefix == bits else f"{address}/{self.prefix}"


@lru_cache(maxsize=ADDRESSES_KEPT)
def address_of(text: bytes) -> Network | None:
    """Read a numeric address, None when it is none; the last ones are remembered."""
    try:
        if b":" not in text:
            return Network(V4, 32, int(IPv4Address(text.decode("ascii"))))
        number = int(IPv6Address(text.decode("ascii").partition("%")[0]))
    except (AddressValueError, UnicodeDecodeError):
        return None
    if number >> 32 == _MAPPED:
        return Network(V4, 32, number & 0xFFFFFFFF)
    return Network(V6, 128, number)


def parse(text: str) -> Network:
    """Read `address` or `address/prefix`; raises NetworkError."""
    address, slash, digits = text.strip().partition("/")
    found = address_of(address.encode("utf-8", "replace"))
    if found is None:
        raise NetworkError(f"{text}: write an address or a network, as in 192.0.2.0/24 or ::1")
    if not slash:
        return found
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
        raise NetworkError(f"{text}: the length of a network is a number behind the slash")
    if int(digits) > found.prefix:
        raise NetworkError(f"{text}: at most {found.prefix} bits can count")
    return wider(found, int(digits))


def wider(network: Network, prefix: int) -> Network:
    """Return the network of this length that holds another one."""
    return Network(network.family, prefix, network.number >> (network.prefix - prefix))


def find(networks: Iterable[Network], address: Network) -> Network | None:
    """Return the first network that holds an address."""
    return next((network for network in networks if network.holds(address)), None)


def is_loopback(address: Network) -> bool:
    """Tell whether an address is this host's own by definition."""
    return _LOOPBACK_V4.holds(address) or _LOOPBACK_V6.holds(address)


_LOOPBACK_V4 = Network(V4, 8, 127)
_LOOPBACK_V6 = Network(V6, 128, 1)


class NetworkTable(Generic[T]):
    """Values by network; a look-up costs one dictionary look-up for each length in use.

    Attributes:
        by_network: the values themselves, to be read only.
    """

    def __init__(self) -> None:
        self.by_network: dict[Network, T] = {}
        self._lengths: dict[tuple[int, int], int] = {}  # (family, prefix) -> how many

    def __len__(self) -> int:
        return len(self.by_network)

    def get(self, network: Network) -> T | None:
        """Return what stands for exactly this network."""
        return self.by_network.get(network)

    def values(self) -> list[T]:
        """Return all values, the oldest first."""
        return list(self.by_network.values())

    def put(self, network: Network, value: T) -> None:
        """Set the value of a network."""
        if network not in self.by_network:
            length = (network.family, network.prefix)
            self._lengths[length] = self._lengths.get(length, 0) + 1
        self.by_network[network] = value

    def drop(self, network: Network) -> bool:
        """Forget a network; False when it was not there."""
        if self.by_network.pop(network, None) is None:
            return False
        length = (network.family, network.prefix)
        self._lengths[length] -= 1
        if not self._lengths[length]:
            del self._lengths[length]
        return True

    def clear(self) -> None:
        """Forget everything."""
        self.by_network.clear()
        self._lengths.clear()

    def holding(self, address: Network) -> list[T]:
        """Return the values of all networks that an address lies in."""
        found = []
        for family, prefix in self._lengths:
            if family == address.family and prefix <= address.prefix:
                value = self.by_network.get(wider(address, prefix))
                if value is not None:
                    found.append(value)
        return found
