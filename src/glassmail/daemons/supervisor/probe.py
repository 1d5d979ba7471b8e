"""Asking every port whether it answers, from a short-lived process, so that `ready` is true."""

import os
import socket
import time
from collections.abc import Iterable, Sequence

from glassmail.core.formats.listen import Listener

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
            greeting = sock.recv(512)
            sock.sendall(b"QUIT\r\n")
            return greeting.startswith((b"220", b"554"))
    except OSError:
        return False
