"""glassmail as a server object: a site of `glass init`, run as root with users of its own.

Nothing is tuned: history, logs, trace codes and the policy of a new site are on. What is written
after `init` only says whose mail it is (DOMAIN is local, the bench user has a Maildir) and, for
relay work, where it goes.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import letters
from server import DOMAIN, USER, USER_UID, Layout, Server, ServerError

from glassmail.admin.requests import RequestError, all_pages, ask
from glassmail.settings.place import Place

QMAIL_QUEUE = [sys.executable, "-c",
               "import sys; from glassmail.faces.compat.qmail_queue import main; sys.exit(main())"]
GLASS = [sys.executable, "-m", "glassmail.faces.cli"]


class Glassmail(Server):
    """A site and its server."""

    name = "glassmail"

    def __init__(
        self, layout: Layout, *, syncmode: str = "auto", accepts_unknown: bool = False
    ) -> None:
        super().__init__(layout)
        self.root = os.path.join(layout.queue, "site")
        self.place_of = Place(self.root)
        self._syncmode = syncmode
        self._accepts_unknown = accepts_unknown

    def prepare(self) -> None:
        """Make the site."""
        self.surround()
        port = self.layout.port
        self.run([*GLASS, "init", "--root", self.root, "--host", f"mx.{DOMAIN}",
                  "--listen", f"smtp 127.0.0.1:{port}"])  # fmt: skip
        self._control("locals", f"{DOMAIN}\n")
        self._control("rcpthosts", f"{DOMAIN}\n")
        if self._syncmode != "auto":
            self._control("syncmode", self._syncmode + "\n")
        if self._accepts_unknown:
            self._control("checkrecipients", "0\n")
        if self.layout.relay_port:
            self._control("smtproutes", f":127.0.0.1:{self.layout.relay_port}\n")
        self._dot_qmail("-default", "./Maildir/\n")
        self._dot_qmail("-fwd", f"&{USER}@{DOMAIN}\n")

    def _control(self, name: str, text: str) -> None:
        with open(os.path.join(self.root, "control", name), "w", encoding="ascii") as out:
            out.write(text)

    def _dot_qmail(self, suffix: str, text: str) -> None:
        path = os.path.join(self.layout.home, ".qmail" + suffix)
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(path, 0o644)
        os.chown(path, USER_UID, USER_UID)

    def command(self) -> list[str]:
        """The server in the foreground."""
        return [*GLASS, "serve", "--root", self.root]

    def queue_length(self) -> int:
        """Ask the queue process."""
        try:
            return int(next(iter(ask(self.place_of.queue_socket, "stats")))["messages"])
        except RequestError as error:
            raise ServerError(f"the queue does not answer: {error}") from error

    def flush(self) -> None:
        """Retry every message that waits."""
        try:
            queue = self.place_of.queue_socket
            for row in all_pages(lambda after: ask(queue, "list", after=after, limit=1_000)):
                for _ in ask(queue, "retry", message=row["message"]):
                    pass  # one row that says it was done
        except RequestError:
            return  # the message went while we asked, or the queue is busy: the caller asks again

    def roles(self) -> dict[int, str]:
        """Roles by run/status.json; what runs below local is its workers."""
        try:
            with open(self.place_of.status_file, encoding="utf-8") as file:
                site = json.load(file)
        except (OSError, ValueError):
            return super().roles()
        roles = {child["pid"]: child["role"] for child in site["children"] if child["pid"]}
        roles[site["pid"]] = "supervisor"
        for pid in self.pids():
            if pid not in roles:
                roles[pid] = _role_below(pid, roles)
        return roles


def _role_below(pid: int, roles: dict[int, str]) -> str:
    """Name a process by the nearest ancestor that has a role: local's are its workers."""
    above = _parent(pid)
    while above > 1 and above not in roles:
        above = _parent(above)
    role = roles.get(above, "other")
    return "worker" if role == "local" else role


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def hand_in_drop(
    server: Server, prefix: str, senders: int, stop_at: float, sizes: tuple[int, int]
) -> Callable[[], list[str]]:
    """Run `qmail-queue` over and over while nothing serves; return a call that says what it took.

    The hand-ins go on in the background until `stop_at`, so that the cut falls among them; the
    call waits for them.
    """
    assert isinstance(server, Glassmail)
    accepted: list[str] = []
    environment = {"GLASSMAIL_ROOT": server.root, "PATH": "/usr/bin:/bin"}
    envelope = b"F\0T" + server.address().encode() + b"\0\0"

    def loop(number: int) -> None:
        serial = 0
        while time.monotonic() < stop_at + 0.1:
            ident = f"{prefix}-{number}-{serial}"
            serial += 1
            message = letters.wire(ident, sizes).replace(b"\r\n", b"\n")
            if _qmail_queue(environment, message, envelope):
                accepted.append(ident)

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(min(senders, 8))]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, stop_at - time.monotonic()))

    def taken() -> list[str]:
        for thread in threads:
            thread.join()
        return list(accepted)

    return taken


def _qmail_queue(environment: dict[str, str], message: bytes, envelope: bytes) -> bool:
    """Hand one message in as an ordinary user; tell whether qmail-queue said 0."""
    read_end, write_end = os.pipe()
    os.write(write_end, envelope)
    os.close(write_end)
    try:
        done = subprocess.run(
            QMAIL_QUEUE, input=message, stdout=read_end, stderr=subprocess.DEVNULL,
            env=environment, user=USER_UID, group=USER_UID, extra_groups=[], check=False,
        )  # fmt: skip
    finally:
        os.close(read_end)
    return done.returncode == 0

