"""One ICMP echo: tells a host that is down from a port that is closed on the way (RFC 792).

An unprivileged caller may ask where the kernel lets its group (net.ipv4.ping_group_range); root
always may. Whoever may not gets None: it cannot be told.
"""

import os
import select
import socket
import struct
import time

WAIT_S = 1.0
_ECHO, _ECHO6 = 8, 128
_REPLY, _REPLY6 = 0, 129
_PAYLOAD = b"is anybody there"
_IP_HEADER_BYTES = 20  # a raw IPv4 socket gives the header too, without options here


def answers_ping(ip: str, wait_s: float = WAIT_S) -> bool | None:
    """Tell whether an address answers an echo; None when we may not ask."""
    is_six = ":" in ip
    family = socket.AF_INET6 if is_six else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if is_six else socket.IPPROTO_ICMP
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError:
            continue  # not for us by this way: the next one, or nobody can tell
        with sock:
            return _ask(sock, ip, wait_s, is_raw=kind is socket.SOCK_RAW)
    return None


def _ask(sock: socket.socket, ip: str, wait_s: float, *, is_raw: bool) -> bool:
    is_six = sock.family is socket.AF_INET6
    mark = os.urandom(8)
    deadline = time.monotonic() + wait_s
    try:
        sock.sendto(_echo(mark, is_six=is_six), (ip, 0))
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                return False
            data, _sender = sock.recvfrom(2_048)
            if is_raw and not is_six:
                data = data[_IP_HEADER_BYTES:]
            if data[:1] == bytes([_REPLY6 if is_six else _REPLY]) and mark in data:
                return True
    except OSError:
        return False  # unreachable: the kernel knows no way, or was told so
    return False


def _echo(mark: bytes, *, is_six: bool) -> bytes:
    body = mark + _PAYLOAD
    head = struct.pack("!BBHHH", _ECHO6 if is_six else _ECHO, 0, 0, os.getpid() & 0xFFFF, 1)
    if is_six:
        return head + body  # the kernel fills in the checksum
    checksum = _checksum(head + body)
    return head[:2] + struct.pack("!H", checksum) + head[4:] + body


def _checksum(data: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
