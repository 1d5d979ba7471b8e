"""Asking every port whether it answers, from a short-lived process, so that `ready` is true."""

import os
import socket
import ssl
import time
from collections.abc import Iterable, Sequence

from glassmail.core.formats.listen import WITH_TLS, Listener
from glassmail.core.model.networks import address_of, find
from glassmail.core.model.system_errors import words_of

TRY_AGAIN_S = 0.02  # at first; each time twice as long
TRY_AGAIN_S_MAX = 1.0
ANSWER_S = 5.0
STANDARD_ERROR = 2


def fork_probe(listeners: Sequence[Listener], closing: Iterable[int], patience_s: float) -> int:
    """Fork a process that ends with 0 once every listener greets.

    After patience_s it says on standard error which one does not, and goes on asking.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in closing:
            os.close(number)
        impatient_at = time.monotonic() + patience_s
        for listener in listeners:
            if not _await(listener, parent, impatient_at):
                return os._exit(code)
        code = 0
    finally:
        os._exit(code)


def _await(listener: Listener, parent: int, impatient_at: float) -> bool:
    """Ask until the listener answers; False when nobody wants to know any more."""
    pause_s = TRY_AGAIN_S
    has_told = False
    while os.getppid() == parent:
        answer = _answer(listener)
        if answer is None:
            return True
        if not has_told and time.monotonic() > impatient_at:
            has_told = True
            text = f"glass: {listener.source} does not serve yet: {answer}: see glass status\n"
            os.write(STANDARD_ERROR, text.encode("utf-8", "backslashreplace"))
        time.sleep(pause_s)
        pause_s = min(TRY_AGAIN_S_MAX, 2 * pause_s)
    return False


def _answer(listener: Listener) -> str | None:
    """Ask once; None when it is there, else what it says."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.address, listener.address)  # noqa: S104
    try:
        with socket.create_connection((address, listener.port), ANSWER_S) as sock:
            sock.settimeout(ANSWER_S)
            if listener.proxies:
                if not _is_proxy(listener, sock):
                    # It is there, and hangs up on us.
                    return None if sock.recv(1) == b"" else "it answers without PROXY"
                sock.sendall(b"PROXY UNKNOWN\r\n")
            if listener.service in WITH_TLS:
                with _tls().wrap_socket(sock) as wrapped:
                    return _greeting(wrapped)
            return _greeting(sock)
    except OSError as error:  # ssl's errors are such, too
        return words_of(error)


def _is_proxy(listener: Listener, sock: socket.socket) -> bool:
    """Tell whether this host may speak for clients there."""
    address = address_of(sock.getsockname()[0].encode("ascii"))
    return address is not None and find(listener.proxies, address) is not None


def _greeting(sock: socket.socket) -> str | None:
    greeting = sock.recv(512)
    if not greeting:
        return None  # a rule denies this host, and it is hung up on: that is an answer, too
    sock.sendall(b"QUIT\r\n")
    if greeting.startswith((b"220", b"554", b"+OK")):
        return None
    return greeting.partition(b"\r")[0].decode("ascii", "backslashreplace")


def _tls() -> ssl.SSLContext:
    """Whether the port answers is asked, not whose certificate it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
