"""The PROXY protocol: a proxy tells whose connection it passes on (haproxy's proxy-protocol.txt).

Purpose:
    `read` finds the header at the beginning of a connection, version 1 (a line) or 2 (binary).

Always:
    - Nothing is guessed: on a listener for proxies a connection without a whole, correct header
      is refused.
    - A header that names no client (UNKNOWN, LOCAL, another family) means the proxy itself: a
      health check.

Pure:
    Whether the peer may say such things is the caller's question.
"""

import struct
from typing import NamedTuple

from glassmail.core.model.networks import V4, V6, Network, address_of

LINE_BYTES_MAX = 107  # of version 1, CR LF included
HEADER_BYTES_MAX = 4_096  # of version 2, behind its first 16 bytes
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FRONT = b"PROXY "
_FAMILIES = {b"TCP4": V4, b"TCP6": V6}
_V2_SIZES = {0x11: 4, 0x21: 16}  # TCP over IPv4 and IPv6: bytes of an address


class ProxyError(ValueError):
    """The connection does not begin with a correct header."""


class ProxyHeader(NamedTuple):
    """What a header says.

    Attributes:
        version: 1 or 2.
        size: bytes of the header.
        client, local: (address, port) of either end; None when it names no client.
    """

    version: int
    size: int
    client: tuple[bytes, int] | None
    local: tuple[bytes, int] | None


def read(data: bytes) -> ProxyHeader | None:
    """Read the header at the front; None when more bytes are needed; raises ProxyError."""
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_v2(data)
    if data[: len(_FRONT)] == _FRONT[: len(data)]:
        return _read_v1(data)
    raise ProxyError("it does not begin with a PROXY header")


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, LINE_BYTES_MAX)
    if end < 0:
        if len(data) >= LINE_BYTES_MAX:
            raise ProxyError(f"a PROXY line has at most {LINE_BYTES_MAX} bytes")
        return None
    size = end + 2
    words = data[:end].split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return ProxyHeader(1, size, None, None)
    family = _FAMILIES.get(words[1]) if len(words) == 6 else None
    if family is None:
        raise ProxyError("write PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT")
    source, destination = (_address(word, family) for word in words[2:4])
    return ProxyHeader(
        1, size, (source, _port(words[4])), (destination, _port(words[5]))
    )


def _address(text: bytes, family: int) -> bytes:
    is_family = (b":" in text) == (family == V6)
    address = address_of(text) if is_family and b"%" not in text else None
    if address is None:
        raise ProxyError("an address of a PROXY line is none")
    return address.text.encode("ascii")


def _port(text: bytes) -> int:
    if not text.isdigit() or len(text) > 5 or int(text) > 65_535:
        raise ProxyError("a port of a PROXY line is none")
    return int(text)


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    command, family, size = struct.unpack_from("!BBH", data, 12)
    if command >> 4 != 2 or command & 15 > 1:
        raise ProxyError(f"version and command {command:#04x} are unknown")
    if size > HEADER_BYTES_MAX:
        raise ProxyError(f"a PROXY header has at most {HEADER_BYTES_MAX} bytes here")
    if len(data) < 16 + size:
        return None
    width = _V2_SIZES.get(family)
    if command & 15 == 0 or width is None:
        return ProxyHeader(2, 16 + size, None, None)
    if size < 2 * width + 4:
        raise ProxyError("the addresses of a PROXY header are cut off")
    source, destination = data[16 : 16 + width], data[16 + width : 16 + 2 * width]
    from_port, to_port = struct.unpack_from("!HH", data, 16 + 2 * width)
    return ProxyHeader(2, 16 + size, (_packed(source), from_port), (_packed(destination), to_port))


def _packed(data: bytes) -> bytes:
    family = V4 if len(data) == 4 else V6
    whole = Network(family, len(data) * 8, int.from_bytes(data, "big"))
    address = address_of(whole.text.encode("ascii"))  # ::ffff:1.2.3.4 counts as 1.2.3.4
    return (address or whole).text.encode("ascii")
