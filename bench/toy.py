"""A toy SMTP server that keeps or breaks the promise of its 250, to prove the crash harness.

    python bench/toy.py PORT MAILDIR none|file|full|checked

none: no sync at all. file: the file is synced, its new name is not (the order of classic qmail).
full: file and directory are synced before the 250. checked: then the file is opened once more.
xfs answers fsync of a directory with success even when the filesystem has shut down, and an fsync
under way at that moment may do so on ext4; opening a file gives the error in both.
"""

import itertools
import os
import socket
import socketserver
import sys

_number = itertools.count()


class Session(socketserver.StreamRequestHandler):
    """One client; knows just enough SMTP."""

    def handle(self) -> None:
        """Serve until QUIT or the end."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._say(b"220 toy ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self._say(b"354 go on")
                keep(self._content())
            self._say(b"221 bye" if verb == b"QUIT" else b"250 ok")
            if verb == b"QUIT":
                return

    def _content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
            lines.append(line[:-2] + b"\n")
        return b"".join(lines)

    def _say(self, text: bytes) -> None:
        self.wfile.write(text + b"\r\n")


def keep(content: bytes) -> None:
    """Write a message to the Maildir, as durably as the mode says."""
    maildir, mode = sys.argv[2], sys.argv[3]
    name = f"{os.getpid()}.{next(_number)}"
    temporary = os.path.join(maildir, "tmp", name)
    with open(temporary, "wb") as out:
        out.write(content)
        out.flush()
        if mode != "none":
            os.fsync(out.fileno())
    os.rename(temporary, os.path.join(maildir, "new", name))
    if mode in ("full", "checked"):
        directory = os.open(os.path.join(maildir, "new"), os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    if mode == "checked":
        os.close(os.open(os.path.join(maildir, "new", name), os.O_RDONLY))


class ToyServer(socketserver.ThreadingTCPServer):
    """Threads; errors of a cut filesystem end a session without an answer and without a word."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, *_: object) -> None:
        """Be silent: after the cut every write fails."""


if __name__ == "__main__":
    ToyServer(("127.0.0.1", int(sys.argv[1])), Session).serve_forever()
