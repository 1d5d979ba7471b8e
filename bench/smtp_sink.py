"""Postfix's `smtp-sink` (C) as the other server of relay work, with a running count.

`smtp-sink -M N` would end with its N-th message before it answered the others' last commands, and
leave the sending server with deferrals; so it runs on, and its counter (`-c`) is read.
"""

import os
import re
import subprocess
import threading
import time
from typing import Self

import peers

PAUSE_S = 0.004
_COUNT = re.compile(rb"mesg=([0-9]+)")


class SmtpSink:
    """A running sink; use it in a `with`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._count = 0
        self._at = 0.0
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        program = peers.program("postfix", "usr/sbin/smtp-sink")
        environment = {**os.environ, "LD_LIBRARY_PATH": peers.library_path("postfix")}
        self._process = subprocess.Popen(
            [program, "-c", "-u", "nobody", "-m", "1000", f"127.0.0.1:{self._port}", "1000"],
            env=environment, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait(self, count: int, timeout_s: float) -> float:
        """Wait until the sink has taken so many messages; return the time (monotonic)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, timeout_s):
                raise TimeoutError(f"the sink got {self._count} of {count} in {timeout_s:.0f} s")
            return self._at

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor, left = self._process.stdout.fileno(), b""
        while data := os.read(descriptor, 1 << 16):
            found = _COUNT.findall(left + data)
            left = data[-40:]
            if found:
                with self._changed:
                    self._count, self._at = max(map(int, found)), time.monotonic()
                    self._changed.notify_all()
            time.sleep(PAUSE_S)
