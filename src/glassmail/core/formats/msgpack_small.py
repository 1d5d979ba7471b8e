"""The part of msgpack that a hand-in needs: nil, bool, integers, strings, bytes, arrays.

Purpose:
    `qmail-queue`, `qmail-inject` and `sendmail` are started for every message; importing msgspec
    costs them 26 ms, these few lines under one. Daemons and diagnosis commands use msgspec.

Pure:
    Values in, bytes out, and back. Maps, floats and extensions are refused: no message that these
    commands send or get holds one.

Source: the msgpack specification's format table; the tests compare with msgspec both ways.
"""

NESTING_MAX = 8

Value = None | bool | int | bytes | str | tuple["Value", ...]


class MsgpackError(ValueError):
    """The bytes are not msgpack of the supported kinds, or end too early."""


def encode(value: Value) -> bytes:
    """Render one value; tuples become arrays."""
    parts: list[bytes] = []
    _append(parts, value)
    return b"".join(parts)


def _append(parts: list[bytes], value: Value) -> None:
    if value is None:
        parts.append(b"\xc0")
    elif isinstance(value, bool):
        parts.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        parts.append(_integer(value))
    elif isinstance(value, bytes):
        parts += (_length(len(value), b"\xc4\xc5\xc6", None, 0), value)
    elif isinstance(value, str):
        data = value.encode("utf-8")
        parts += (_length(len(data), b"\xd9\xda\xdb", 0xA0, 32), data)
    else:
        parts.append(_length(len(value), b"\xdc\xdc\xdd", 0x90, 16))
        for item in value:
            _append(parts, item)


def _integer(value: int) -> bytes:
    if -32 <= value < 128:
        return (value & 0xFF).to_bytes(1, "big")
    first = 0xCC if value >= 0 else 0xD0
    for power, size in enumerate((1, 2, 4, 8)):
        low, high = (0, 1 << 8 * size) if value >= 0 else (-(1 << 8 * size - 1), 0)
        if low <= value < high:
            return bytes((first + power,)) + value.to_bytes(size, "big", signed=value < 0)
    raise MsgpackError(f"{value} does not fit into 64 bits")


def _length(count: int, codes: bytes, short: int | None, short_limit: int) -> bytes:
    if short is not None and count < short_limit:
        return bytes((short | count,))
    if codes[0] != codes[1] and count < 0x100:  # arrays have no one-byte length
        return bytes((codes[0], count))
    if count < 0x1_0000:
        return codes[1:2] + count.to_bytes(2, "big")
    return codes[2:3] + count.to_bytes(4, "big")


def decode(data: bytes) -> Value:
    """Read exactly one value; raises MsgpackError for anything else."""
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise MsgpackError(f"{len(data) - end} bytes after the value")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if at >= len(data):
        raise MsgpackError("ends too early")
    code = data[at]
    at += 1
    if code < 0x80:
        return code, at
    if code >= 0xE0:
        return code - 0x100, at
    if 0x90 <= code < 0xA0:
        return _array(data, at, code & 0x0F, depth)
    if 0xA0 <= code < 0xC0:
        return _text(data, at, code & 0x1F)
    if code in _CONSTANTS:
        return _CONSTANTS[code], at
    if code not in _SIZED:
        raise MsgpackError(f"kind {code:#04x} is not supported")
    kind, size = _SIZED[code]
    number = int.from_bytes(_take(data, at, size), "big", signed=kind == "signed")
    at += size
    if kind == "bytes":
        return _take(data, at, number), at + number
    if kind == "text":
        return _text(data, at, number)
    if kind == "array":
        return _array(data, at, number, depth)
    return number, at


def _take(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise MsgpackError("ends too early")
    return data[at : at + count]


def _text(data: bytes, at: int, count: int) -> tuple[str, int]:
    try:
        return _take(data, at, count).decode("utf-8"), at + count
    except UnicodeDecodeError as error:
        raise MsgpackError(f"text that is not UTF-8: {error}") from error


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    if depth >= NESTING_MAX:
        raise MsgpackError(f"nested deeper than {NESTING_MAX}")
    if count > len(data) - at:  # each item takes a byte at least
        raise MsgpackError("ends too early")
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return tuple(items), at


_CONSTANTS: dict[int, Value] = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZED = {
    0xC4: ("bytes", 1),
    0xC5: ("bytes", 2),
    0xC6: ("bytes", 4),
    0xCC: ("unsigned", 1),
    0xCD: ("unsigned", 2),
    0xCE: ("unsigned", 4),
    0xCF: ("unsigned", 8),
    0xD0: ("signed", 1),
    0xD1: ("signed", 2),
    0xD2: ("signed", 4),
    0xD3: ("signed", 8),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("array", 2),
    0xDD: ("array", 4),
}
