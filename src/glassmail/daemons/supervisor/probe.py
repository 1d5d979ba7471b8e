"""Asking every port whether it answers, from a short-lived process, so that `ready` is true."""

import os
import socket
import ssl
import time
from collections.abc import Iterable, Sequence

from glassmail.core.formats.listen import WITH_TLS, Listener
from glassmail.core.model.networks import address_of, find

TRY_AGAIN_S = 0.02
ANSWER_S = 5.0


def fork_probe(listeners: Sequence[Listener], closing: Iterable[int], within_s: float) -> int:
    """Fork a process that ends with 0 once every listener greets, with 1 after within_s."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in closing:
            os.close(number)
        deadline = time.monotonic() + within_s
        code = 0 if all(_answers_by(listener, deadline) for listener in listeners) else 1
    finally:
        os._exit(code)


def _answers_by(listener: Listener, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if _answers(listener):
            return True
        time.sleep(TRY_AGAIN_S)
    return False


def _answers(listener: Listener) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.address, listener.address)  # noqa: S104
    try:
        with socket.create_connection((address, listener.port), ANSWER_S) as sock:
            sock.settimeout(ANSWER_S)
            if listener.proxies:
                if not _is_proxy(listener, sock):
                    return sock.recv(1) == b""  # it is there, and hangs up on us
                sock.sendall(b"PROXY UNKNOWN\r\n")
            if listener.service in WITH_TLS:
                with _tls().wrap_socket(sock) as wrapped:
                    return _greets(wrapped)
            return _greets(sock)
    except OSError:  # ssl's errors are such, too
        return False


def _is_proxy(listener: Listener, sock: socket.socket) -> bool:
    """Tell whether this host may speak for clients there."""
    address = address_of(sock.getsockname()[0].encode("ascii"))
    return address is not None and find(listener.proxies, address) is not None


def _greets(sock: socket.socket) -> bool:
    greeting = sock.recv(512)
    if not greeting:
        return True  # a rule denies this host, and it is hung up on: that is an answer, too
    sock.sendall(b"QUIT\r\n")
    return greeting.startswith((b"220", b"554", b"+OK"))


def _tls() -> ssl.SSLContext:
    """Whether the port answers is asked, not whose certificate it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
