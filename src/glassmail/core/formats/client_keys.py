"""How addresses of clients stand in the keys of rules (ucspi-tcp, ucspi-tcp6).

An IPv4 address stands as written. An IPv6 address stands in full, in upper case:
`FE80:0000:0000:0000:0000:0000:0000:0001`. A network stands as `_` (IPv4) or `^` (IPv6) and
its bits, a character each: `0`, or a letter that tells the place of a 1 (ip4_bit.c, ip6_bit.c).
"""

import re
from ipaddress import IPv6Address

_V4_NETWORK = re.compile(rb"([0-9]{1,3}(?:\.[0-9]{1,3}){0,3})\.?/([0-9]{1,2})\Z")
_V4_LETTERS = b"abcdefghijklmnopqrstuvwxyz123456"
_V6_LETTER_FIRST = 96


def full_v6(address: bytes) -> bytes | None:
    """Return an IPv6 address in full and upper case, None when it is none."""
    try:
        packed = IPv6Address(address.decode("ascii")).packed
    except ValueError:  # UnicodeDecodeError and AddressValueError are kinds of it
        return None
    return packed.hex(":", 2).upper().encode("ascii")


def unmapped(address: bytes) -> bytes:
    """Return the IPv4 address inside `::ffff:1.2.3.4`, any other address as it is."""
    if address[:7].lower() == b"::ffff:" and b"." in address:
        return address[7:]
    return address


def v4_bits(address: bytes) -> bytes | None:
    """Return the 32 characters of an IPv4 address, None when it is none."""
    parts = address.split(b".")
    if len(parts) != 4 or not all(part.isdigit() and len(part) <= 3 for part in parts):
        return None
    octets = [int(part) for part in parts]
    if max(octets) > 255:
        return None
    number = int.from_bytes(bytes(octets), "big")
    return bytes(_V4_LETTERS[place] if number >> (31 - place) & 1 else 0x30 for place in range(32))


def v6_bits(full: bytes) -> bytes:
    """Return the 128 characters of an IPv6 address that stands in full."""
    number = int(full.replace(b":", b""), 16)
    letter = _V6_LETTER_FIRST
    bits = bytearray(b"0" * 128)
    for place in range(128):
        if number >> (127 - place) & 1:
            bits[place] = letter
            letter += 1
    return bytes(bits)


def network_key(text: bytes) -> bytes | None:
    """Return the key of `address/prefix`, None when it is no network."""
    if b":" in text:
        address, _, digits = text.partition(b"/")
        full = full_v6(address)
        if full is None or not digits.isdigit() or len(digits) > 3 or not 0 < int(digits) <= 128:
            return None
        return b"^" + v6_bits(full)[: int(digits)]
    match = _V4_NETWORK.match(text)
    if match is None or not 0 < int(match[2]) <= 32:
        return None
    parts = match[1].split(b".")
    bits = v4_bits(b".".join(parts + [b"0"] * (4 - len(parts))))
    return None if bits is None else b"_" + bits[: int(match[2])]


def network_text(key: bytes) -> bytes:
    """Write a network's key as `address/prefix`."""
    size = len(key) - 1
    number = 0
    for byte in key[1:]:
        number = number * 2 + (byte != 0x30)
    if key.startswith(b"^"):
        address = str(IPv6Address(number << (128 - size)))
    else:
        address = ".".join(str(octet) for octet in (number << (32 - size)).to_bytes(4, "big"))
    return f"{address}/{size}".encode("ascii")
