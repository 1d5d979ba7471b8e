"""A site of one user in a directory of its own, for harnesses that hurt single processes.

`glass init --one-user` and `glass serve` as the caller; one mailbox, one forward to it, everything
else goes to a sink that remembers what it took. No namespaces, no cgroups: what is hurt is one
process of the site, which stands in run/status.json or below one that does.
"""

import contextlib
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping

import letters

from glassmail.admin.requests import RequestError, all_pages, ask
from glassmail.settings.place import Place

GLASS = [sys.executable, "-m", "glassmail.faces.cli"]
MAILBOX = "tammy@example.test"
ADDRESSES = {"direct": MAILBOX, "forward": "fwd@example.test", "remote": "bob@far.test"}
START_S = 30.0
POLL_S = 0.01


class SiteError(Exception):
    """The site did not start, or something was awaited in vain."""


def until(question: Callable[[], object], what: str, within_s: float = 20.0) -> None:
    """Ask until the answer is true; raises SiteError."""
    deadline = time.monotonic() + within_s
    while not question():
        if time.monotonic() > deadline:
            raise SiteError(f"not within {within_s:.0f} s: {what}")
        time.sleep(POLL_S)


class Sink:
    """An SMTP server that takes everything and remembers the numbers of the messages."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.seen: list[str] = []
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._server.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rwb", 0) as file:
            file.write(b"220 sink\r\n")
            while line := file.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    file.write(b"354 go\r\n")
                    text = b""
                    while (part := file.readline()) not in (b".\r\n", b""):
                        text += part
                    if not part:
                        return
                    self.seen.append(letters.identify(text) or "?")
                file.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return


class SmallSite:
    """Made at once, served on `start`, removed by `close`."""

    def __init__(self, directory: str | None = None) -> None:
        self.base = tempfile.mkdtemp(prefix="glassmail-small-", dir="/tmp")
        self.root = os.path.join(directory or self.base, "site")
        self.place = Place(self.root)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.sink = Sink()
        self.server: subprocess.Popen[bytes] | None = None
        words = ["--root", self.root, "--host", "mx.example.test", "--one-user"]
        words += ["--listen", f"smtp 127.0.0.1:{self.port}", "--mailbox", f"{MAILBOX}=secret"]
        done = subprocess.run([*GLASS, "init", *words], capture_output=True, check=False)
        if done.returncode:
            raise SiteError(done.stderr.decode())
        domain = os.path.join(self.root, "domains", "example.test")
        self.new = os.path.join(domain, "tammy", "Maildir", "new")
        self.control("smtpdprocesses", "1\n")
        self.control("checkrecipients", "0\n")
        self.control("smtproutes", f":127.0.0.1:{self.sink.port}\n")
        self.control("rcpthosts", "example.test\nfar.test\n")
        with open(os.path.join(domain, ".qmail-fwd"), "w", encoding="ascii") as out:
            out.write(f"&{MAILBOX}\n")

    def control(self, name: str, text: str) -> None:
        """Write a control file."""
        path = os.path.join(self.root, "control", name)
        with open(path + ".fresh", "w", encoding="ascii") as out:
            out.write(text)
        os.rename(path + ".fresh", path)

    # --- life -----------------------------------------------------------------------------------

    def start(self, more: Mapping[str, str] | None = None) -> "SmallSite":
        """Serve and wait for `ready`; `more` is added to the environment."""
        with open(self.output_file, "ab") as output:
            self.server = subprocess.Popen(
                [*GLASS, "serve", "--root", self.root], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, env={**os.environ, **(more or {})},
            )  # fmt: skip
        try:
            until(self._is_up, "the site is up", START_S)
        except SiteError as error:
            raise SiteError(f"{error}: {self.said()}") from error
        return self

    @property
    def output_file(self) -> str:
        """What the supervisor and its children wrote."""
        return os.path.join(self.base, "output")

    def said(self) -> str:
        """The end of it."""
        with open(self.output_file, encoding="utf-8", errors="replace") as file:
            return file.read()[-3_000:]

    def _is_up(self) -> bool:
        assert self.server is not None
        if self.server.poll() is not None:
            raise SiteError(f"glass serve ended with {self.server.returncode}: {self.said()}")
        with contextlib.suppress(OSError, ValueError):
            with open(self.place.status_file, encoding="utf-8") as file:
                status = json.load(file)
            return status["pid"] == self.server.pid and status["ready"]
        return False

    def stop(self) -> int:
        """End it by TERM; return its exit code."""
        if self.server is None:
            return 0
        self.server.send_signal(signal.SIGTERM)
        try:
            return self.server.wait(45)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
            raise
        finally:
            self.server = None

    def close(self) -> None:
        """Stop and remove everything."""
        try:
            self.stop()
        finally:
            self.sink.close()
            shutil.rmtree(self.base, ignore_errors=True)

    def pid_of(self, role: str) -> int:
        """A process by role: a daemon, `supervisor`, `forker`, `worker` (0 when there is none)."""
        assert self.server is not None
        if role == "supervisor":
            return self.server.pid
        if role in ("forker", "worker"):
            found = children(self.pid_of("local"))
            return first(children(first(found))) if role == "worker" else first(found)
        try:
            with open(self.place.status_file, encoding="utf-8") as file:
                rows = json.load(file)["children"]
        except (OSError, ValueError):
            return 0
        return next((row["pid"] for row in rows if row["role"] == role), 0)

    def flush(self) -> None:
        """ALRM: try everything now."""
        assert self.server is not None
        self.server.send_signal(signal.SIGALRM)

    # --- mail -----------------------------------------------------------------------------------

    def send(self, ident: str, kind: str, sizes: tuple[int, int] = letters.SMALL) -> str:
        """Hand a message in; return `250`, another code, or `gone` when there was no answer."""
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "client.test", timeout=20) as client:
                client.ehlo()
                for code, _text in (client.mail("sender@src.test"), client.rcpt(ADDRESSES[kind])):
                    if code != 250:
                        return str(code)
                return str(client.data(letters.wire(ident, sizes))[0])
        except smtplib.SMTPResponseException as error:
            return str(error.smtp_code)
        except (OSError, smtplib.SMTPException):
            return "gone"

    def queued(self) -> int:
        """Messages in the queue; -1 while it does not answer."""
        try:
            return int(next(iter(ask(self.place.queue_socket, "stats")))["messages"])
        except (RequestError, StopIteration, KeyError):
            return -1

    def rows(self) -> list[dict[str, object]]:
        """The queue's messages; none while it does not answer."""
        try:
            queue = self.place.queue_socket
            return list(all_pages(lambda after: ask(queue, "list", after=after, limit=500)))
        except RequestError:
            return []

    def arrived(self) -> list[str]:
        """Numbers of the messages in the mailbox, one for each file."""
        found = []
        for name in os.listdir(self.new):
            with open(os.path.join(self.new, name), "rb") as file:
                found.append(letters.identify(file.read(4_096)) or "?")
        return found

    def clear(self) -> None:
        """Throw away what has arrived."""
        for name in os.listdir(self.new):
            os.unlink(os.path.join(self.new, name))
        self.sink.seen.clear()


def children(pid: int) -> list[int]:
    """Processes whose parent this is."""
    found = []
    if pid:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    found += [int(word) for word in file.read().split()]
    return found


def first(found: list[int]) -> int:
    """The first of some processes, 0 when there is none."""
    return found[0] if found else 0
