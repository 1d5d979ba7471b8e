"""Where things lie below ROOT. Every path of the house is named here, and only here."""

import os
import sys

DEFAULT_ROOT = "/var/lib/glassmail"
ROOT_VARIABLE = "GLASSMAIL_ROOT"


def find_root(named: str | None) -> str:
    """Return ROOT: what was named, else $GLASSMAIL_ROOT, else /var/lib/glassmail."""
    return os.path.abspath(named or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT)


class Place:
    """The paths of one site. Equal when the roots are; not to be changed.

    Written out rather than a dataclass: that import costs 8 ms, and `qmail-queue` and `sendmail`,
    which mail programs start for every message, need the paths too.
    """

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    def __eq__(self, other: object) -> bool:
        return self.root == other.root if isinstance(other, Place) else NotImplemented

    def __hash__(self) -> int:
        return hash((Place, self.root))

    def __repr__(self) -> str:
        return f"Place(root={self.root!r})"

    def path(self, *parts: str) -> str:
        """Join a path below ROOT."""
        return os.path.join(self.root, *parts)

    @property
    def control(self) -> str:
        """Control files."""
        return self.path("control")

    @property
    def queue_db(self) -> str:
        """The queue of record."""
        return self.path("queue", "queue.db")

    @property
    def queue_bodies(self) -> str:
        """Files of large bodies."""
        return self.path("queue", "body")

    @property
    def queue_drop(self) -> str:
        """Where submitters leave messages while the queue does not answer."""
        return self.path("queue", "drop")

    @property
    def queue_aside(self) -> str:
        """Where the queue puts what it cannot read."""
        return self.path("queue", "aside")

    @property
    def queue_socket(self) -> str:
        """The queue's socket; anyone may connect."""
        return self.path("run", "queue.sock")

    @property
    def log_socket(self) -> str:
        """The log's socket."""
        return self.path("run", "log.sock")

    @property
    def keeper_socket(self) -> str:
        """The keeper's socket."""
        return self.path("run", "keeper.sock")

    @property
    def gate_socket(self) -> str:
        """The gate's socket."""
        return self.path("run", "gate.sock")

    @property
    def gate_state(self) -> str:
        """Blocks and held accounts, as the gate last knew them (JSON)."""
        return self.path("gate", "state.json")

    @property
    def queue_lock(self) -> str:
        """Where remote keeps the tables of timed-out addresses, tcpto and tcpto6."""
        return self.path("queue", "lock")

    @property
    def status_file(self) -> str:
        """What the supervisor last wrote about its children (JSON)."""
        return self.path("run", "status.json")

    @property
    def supervisor_pid(self) -> str:
        """The supervisor's process id; locked (flock) while it lives, for everybody to see."""
        return self.path("run", "serve.pid")

    @property
    def supervisor_lock(self) -> str:
        """Held (flock) by the supervisor, or by a command that needs the site for itself.

        Nobody else may open it: whoever can read a file can lock it.
        """
        return self.path("run", "serve.lock")

    @property
    def assign(self) -> str:
        """users/assign as text; users/cdb beside it."""
        return self.path("users", "assign")

    @property
    def assign_cdb(self) -> str:
        """users/cdb."""
        return self.path("users", "cdb")

    @property
    def daemons(self) -> str:
        """users/daemons: role:uid:gid, one line each."""
        return self.path("users", "daemons")

    @property
    def alias(self) -> str:
        """Home of the alias user."""
        return self.path("alias")

    @property
    def domains(self) -> str:
        """Virtual domains in vpopmail's layout."""
        return self.path("domains")

    @property
    def tcp_rules(self) -> str:
        """Rules for clients of the SMTP listeners (text); a newer tcp.smtp.cdb wins."""
        return self.path("control", "tcp.smtp")

    @property
    def server_certificate(self) -> str:
        """Key and certificates of the SMTP server, PEM."""
        return self.path("control", "servercert.pem")

    @property
    def history(self) -> str:
        """The history's files."""
        return self.path("history")

    @property
    def log(self) -> str:
        """Text logs, a multilog directory each: log/send, log/smtpd, log/serve."""
        return self.path("log")

    def own_programs(self) -> tuple[bytes, ...]:
        """Directories where a program line may name our own programs, which then run inside."""
        installed = os.path.dirname(sys.executable)
        return tuple(os.fsencode(d) for d in (self.path("bin"), "/var/qmail/bin", installed))
