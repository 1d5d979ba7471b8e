"""OpenSMTPD as a peer: Debian's package, unpacked, with its defaults."""

import contextlib
import os

import peers
from server import DOMAIN, Layout, Server

SMTPD_UID, SMTPQ_UID = 29_004, 29_005
CONFIG = """\
smtp max-message-size "60M"
listen on 127.0.0.1 port {port} hostname mx.{domain}
action "here" maildir "{home}/Maildir"
action "elsewhere" relay host smtp://127.0.0.1:{relay_port}
match from any for domain "{domain}" action "here"
match from any for any action "elsewhere"
"""


class OpenSmtpd(Server):
    """Debian's opensmtpd."""

    name = "opensmtpd"
    idle_connections = 200
    sessions_most = 5  # its listen(2) backlog: a sixth waits a second for its next SYN

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.tree = peers.fetch("opensmtpd")

    def users(self):
        """Its two users."""
        uids = {"opensmtpd": SMTPD_UID, "opensmtpq": SMTPQ_UID}
        return [(name, uid, "/nonexistent") for name, uid in uids.items()]

    def overlays(self):
        """Programs where they were compiled to be; all its libraries are the machine's."""
        return [[os.path.join(self.tree, "usr/sbin"), "/usr/sbin"],
                [os.path.join(self.tree, "usr/libexec"), "/usr/libexec"]]  # fmt: skip

    def binds(self):
        """Spool, state and socket lie in fixed places."""
        base = self.layout.base
        return [[os.path.join(base, name), on] for name, on in
                (("spool", "/var/spool"), ("lib", "/var/lib"), ("run", "/run"))]  # fmt: skip

    def prepare(self) -> None:
        """Write the configuration and make the directories that the package would make."""
        self.surround()
        base = self.layout.base
        self._ask_no_resolver()
        for name, mode, uid, gid in (
            ("spool", 0o755, 0, 0), ("lib", 0o755, 0, 0), ("run", 0o755, 0, 0),
            ("lib/opensmtpd", 0o755, 0, 0), ("lib/opensmtpd/empty", 0o755, 0, 0),
            ("spool/smtpd", 0o711, 0, 0),
            ("spool/smtpd/offline", 0o770, 0, SMTPQ_UID),
            ("spool/smtpd/purge", 0o700, SMTPQ_UID, 0),
            ("spool/smtpd/queue", 0o700, SMTPQ_UID, 0),
            ("spool/smtpd/temporary", 0o700, SMTPQ_UID, 0),
            ("spool/smtpd/corrupt", 0o700, SMTPQ_UID, 0),
            ("spool/smtpd/incoming", 0o700, SMTPQ_UID, 0),
        ):  # fmt: skip
            path = os.path.join(base, name)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
            os.chown(path, uid, gid)
        with open(os.path.join(self.etc, "smtpd.conf"), "w", encoding="ascii") as out:
            out.write(CONFIG.format(
                domain=DOMAIN, port=self.layout.port, home=self.layout.home,
                relay_port=self.layout.relay_port or 25,
            ))  # fmt: skip

    def _ask_no_resolver(self) -> None:
        """Have its reverse look-ups of clients answered by /etc/hosts alone."""
        path = os.path.join(self.etc, "resolv.conf")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "w", encoding="ascii") as out:
            out.write("nameserver 127.0.0.1\nlookup file\n")

    def command(self) -> list[str]:
        """OpenSMTPD in the foreground."""
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]

    def queue_length(self) -> int:
        """Count the messages in the spool: queue/XX/ID."""
        queue = os.path.join(self.layout.base, "spool", "smtpd", "queue")
        total = 0
        for bucket in os.listdir(queue):
            with contextlib.suppress(OSError):  # it went meanwhile
                total += len(os.listdir(os.path.join(queue, bucket)))
        return total

    def flush(self) -> None:
        """Try everything now."""
        self.run(["/usr/sbin/smtpctl", "schedule", "all"])

