"""Give a server work: Postfix's `smtp-source` (C, light) for rates, own senders for the rest.

`smtp-source -d` keeps its connection and sends the next message over it; 100 messages per
connection are therefore 20 loops of `smtp-source -s 1 -m 100 -d`, started again and again.
"""

import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

import peers
from server import Server

SESSIONS = 20
SIZE = 4_096
SENDER = "sender@client.test"


class LoadError(Exception):
    """A sender failed; the text holds what it printed."""


def _environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": peers.library_path("postfix")}


def _source(server: Server, arguments: list[str], recipient: str) -> list[str]:
    host, port = server.place()
    program = peers.program("postfix", "usr/sbin/smtp-source")
    return [program, *arguments, "-f", SENDER, "-M", "client.test", "-t", recipient,
            f"{host}:{port}"]  # fmt: skip


@dataclass
class Send:
    """One load: how many messages in all, of what size, how many at once, and to whom."""

    count: int
    size: int = SIZE
    sessions: int = SESSIONS
    per_connection: int = 1
    recipient: str = ""
    recipients: tuple[str, ...] = ()  # instead of one: each gets the same share, in turns


def send(server: Server, load: Send) -> float:
    """Send; return the time (monotonic) when the first sender started."""
    recipient = load.recipient or server.address()
    size = ["-l", str(load.size)]
    begun = time.monotonic()
    if load.recipients:
        share = ["-s", "1", "-m", str(load.count // len(load.recipients)), *size]
        _in_loops([_source(server, share, name) for name in load.recipients], load.sessions)
    elif load.per_connection == 1:
        sessions = min(load.sessions, load.count, server.sessions_most)
        arguments = ["-s", str(sessions), "-m", str(load.count), *size]
        _run(_source(server, arguments, recipient))
    else:
        arguments = ["-d", "-s", "1", "-m", str(load.per_connection), *size]
        command = _source(server, arguments, recipient)
        sessions = min(load.sessions, server.sessions_most)
        _in_loops([command] * (load.count // load.per_connection), sessions)
    return begun


def _in_loops(commands: list[list[str]], sessions: int) -> None:
    """Run the commands, so many at a time."""
    todo, taking, failures = list(commands), threading.Lock(), []

    def loop() -> None:
        while True:
            with taking:
                if not todo or failures:
                    return
                command = todo.pop()
            try:
                _run(command)
            except LoadError as error:
                failures.append(error)

    threads = [threading.Thread(target=loop) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=_environment(), capture_output=True, check=False)
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace")[-500:]
        raise LoadError(f"{command[0]}: exit {done.returncode}: {text}")


class Client:
    """A plain blocking SMTP client, for what smtp-source cannot do."""

    def __init__(self, place: tuple[str, int], source: str = "127.0.0.1", timeout_s: float = 60.0):
        self._socket = socket.create_connection(place, timeout_s, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.expect(b"220")

    def expect(self, code: bytes) -> bytes:
        """Read one reply; raise LoadError unless it starts with `code`."""
        while True:
            line = self._file.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(code):
            raise LoadError(f"expected {code.decode()}, got {line!r}")
        return line

    def command(self, line: bytes, code: bytes = b"250") -> bytes:
        """Send a line and read its reply."""
        self._socket.sendall(line + b"\r\n")
        return self.expect(code)

    def many(self, lines: list[bytes], code: bytes = b"250", window: int = 100) -> None:
        """Send commands pipelined, a window at a time (RFC 2920), and read their replies."""
        for start in range(0, len(lines), window):
            part = lines[start : start + window]
            self._socket.sendall(b"".join(line + b"\r\n" for line in part))
            for _ in part:
                self.expect(code)

    def data(self, content: bytes) -> bytes:
        """Send DATA with a content that has CRLF ends and no line that begins with a dot."""
        self.command(b"DATA", b"354")
        self._socket.sendall(content + b".\r\n")
        return self.expect(b"250")

    def close(self, *, quit_first: bool = True) -> None:
        """End the session."""
        if quit_first:
            self.command(b"QUIT", b"221")
        self._file.close()
        self._socket.close()


def content(size: int, headers: bytes = b"") -> bytes:
    """A message of about `size` bytes of body."""
    line = b"The quick brown fox jumps over the lazy dog, again and again and again.\r\n"
    return b"Subject: bench\r\n" + headers + b"\r\n" + line * (size // len(line))
