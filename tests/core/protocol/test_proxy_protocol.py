import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.protocol.proxy_protocol import ProxyError, read

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4 = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + struct.pack("!HH", 4321, 25)
V6 = bytes.fromhex("20010db8000000000000000000000007")
TCP6 = V6 + V6[:-1] + b"\1" + struct.pack("!HH", 4321, 587)


def v2(command, family, data):
    return SIGNATURE + struct.pack("!BBH", command, family, len(data)) + data


GOOD = {
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4321 25\r\n": ((b"192.0.2.7", 4321), (b"10.0.0.1", 25)),
    b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n": ((b"2001:db8::7", 65_535), (b"::1", 0)),
    b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n": ((b"192.0.2.7", 1), (b"::1", 2)),
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n": (None, None),
    v2(0x21, 0x11, TCP4): ((b"192.0.2.7", 4321), (b"10.0.0.1", 25)),
    v2(0x21, 0x11, TCP4 + b"\3\0\4\0\0\0\0"): ((b"192.0.2.7", 4321), (b"10.0.0.1", 25)),
    v2(0x21, 0x21, TCP6): ((b"2001:db8::7", 4321), (b"2001:db8::1", 587)),
    v2(0x20, 0x00, b""): (None, None),
    v2(0x21, 0x00, b""): (None, None),
    v2(0x21, 0x31, b"\0" * 216): (None, None),
}


@pytest.mark.parametrize("header", GOOD)
def test_headers_at_any_split(header):
    for cut in range(len(header)):
        assert read(header[:cut]) is None
    found = read(header + b"EHLO x\r\n")
    assert (found.client, found.local) == GOOD[header]
    assert found.size == len(header)
    assert found.version == (2 if header.startswith(SIGNATURE) else 1)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO x\r\n",
        b"\r\nEHLO",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4321 25\n" + b"x" * 107,
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4321\r\n",
        b"PROXY TCP4 192.0.2.7  10.0.0.1 4321 25\r\n",
        b"PROXY TCP5 192.0.2.7 10.0.0.1 4321 25\r\n",
        b"PROXY TCP4 ::1 ::1 4321 25\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 10.0.0.1 4321 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1_0 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"proxy TCP4 192.0.2.7 10.0.0.1 1 25\r\n",
        b"PROXY\r\n",
        b"PROXY " + b"x" * 200,
        v2(0x11, 0x11, TCP4),
        v2(0x22, 0x11, TCP4),
        v2(0x21, 0x11, TCP4[:-1]),
        v2(0x21, 0x11, b"\0" * 5_000),
    ],
)
def test_what_is_no_header(data):
    with pytest.raises(ProxyError):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    for front in (b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"):
        try:
            found = read(front + data)
        except ProxyError:
            continue
        assert found is None or 0 < found.size <= len(front + data)
