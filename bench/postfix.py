"""Postfix as a peer: Debian's package, unpacked, with its defaults.

Deliveries go to a Maildir through local(8) (home_mailbox) or virtual(8); the log goes through
postlogd to a file. What differs from the defaults is in MAIN and each line says why.
"""

import os
import subprocess

import peers
from server import DOMAIN, USER, USER_UID, Layout, Server

POSTFIX_UID, POSTDROP_UID = 29_001, 29_002

# The comments are written to main.cf too, so that a reader of the site sees them.
MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydomain = {domain}
mydestination = {local_domains}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
biff = no
# Every server here is compared with its log on.
maillog_file = {base}/log/postfix.log
maillog_file_prefixes = {base}/log
alias_maps = hash:/etc/aliases
# Large messages are one of the works; the default is 10 MB.
message_size_limit = 60000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
# The qmail-like extension that the 1,000 recipients use.
recipient_delimiter = -
# A deferred message of the crash harness is tried again when asked, not later.
minimal_backoff_time = 300s
{more}
"""
TO_LOCAL = "home_mailbox = Maildir/\n"
TO_VIRTUAL = """\
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {home}
virtual_mailbox_maps = {maps}
virtual_uid_maps = {uids}
virtual_gid_maps = {uids}
virtual_minimum_uid = 1000
"""
DROP_SERVICES = {"smtp inet", "maildrop unix", "uucp unix", "ifmail unix", "bsmtp unix"}
DROP_SERVICES |= {"scalemail-backend unix", "mailman unix"}


class Postfix(Server):
    """Debian's Postfix."""

    name = "postfix"
    # A process each: 1.2 MB; enough of them for a figure without filling the machine.
    idle_connections = 200

    def __init__(
        self, layout: Layout, *, transport: str = "virtual", processes: int = 100
    ) -> None:
        super().__init__(layout)
        self.tree = peers.fetch("postfix")
        self.transport = transport
        self.processes = processes

    def users(self):
        """Postfix's own users."""
        uids = {"postfix": POSTFIX_UID, "postdrop": POSTDROP_UID}
        return [(name, uid, "/nonexistent") for name, uid in uids.items()]

    def overlays(self):
        """The package's libraries and programs, where they were compiled to be."""
        return [[os.path.join(self.tree, part), "/" + part] for part in ("usr/lib", "usr/sbin")]

    def prepare(self) -> None:
        """Write main.cf, master.cf and aliases; let Postfix make its queue."""
        self.surround()
        layout = self.layout
        config = os.path.join(self.etc, "postfix")
        os.makedirs(config)
        for path, uid in ((os.path.join(layout.base, "data"), POSTFIX_UID),
                          (os.path.join(layout.base, "log"), 0)):  # fmt: skip
            os.makedirs(path)
            os.chown(path, uid, uid)
        self._write("main.cf", self._main())
        self._write("master.cf", self._master())
        self._write("../aliases", "postmaster: root\n")
        for file in ("postfix-files", "dynamicmaps.cf", "post-install", "postfix-script"):
            for source in ("etc/postfix", "usr/share/postfix", "usr/lib/postfix/sbin"):
                path = os.path.join(self.tree, source, file)
                if os.path.exists(path) and not os.path.exists(os.path.join(config, file)):
                    subprocess.run(["cp", "-p", path, config], check=True)
        self.run(["postalias", "/etc/aliases"])
        if layout.boxes:
            everyone = [(USER, USER_UID, "Maildir/")]
            everyone += [(name, uid, f"{name}/Maildir/") for name, uid in layout.boxes]
            self._write("boxes", "".join(f"{n}@{DOMAIN} {path}\n" for n, _, path in everyone))
            self._write("uids", "".join(f"{n}@{DOMAIN} {uid}\n" for n, uid, _ in everyone))
            self.run(["postmap", "/etc/postfix/boxes", "/etc/postfix/uids"])
        self.run(["postfix", "-c", "/etc/postfix", "check"])

    def _main(self) -> str:
        layout = self.layout
        names = {"domain": DOMAIN, "home": layout.home, "maps": "static:Maildir/",
                 "uids": f"static:{USER_UID}"}  # fmt: skip
        if layout.boxes:
            names |= {"maps": "hash:/etc/postfix/boxes", "uids": "hash:/etc/postfix/uids"}
        is_virtual = self.transport == "virtual"
        more = (TO_VIRTUAL if is_virtual else TO_LOCAL).format(**names)
        if layout.relay_port:
            more += f"relayhost = [127.0.0.1]:{layout.relay_port}\n"
        if self.processes != 100:
            more += f"default_process_limit = {self.processes}\n"
        domains = "localhost" if is_virtual else f"{DOMAIN}, localhost"
        return MAIN.format(
            queue=layout.queue, base=layout.base, domain=DOMAIN, local_domains=domains, more=more
        )

    def _master(self) -> str:
        """Debian's master.cf without chroot (Postfix's own default), on our port."""
        with open(os.path.join(self.tree, "usr/share/postfix/master.cf.dist")) as dist:
            lines = [line.rstrip() for line in dist if not line.startswith("#")]
        out, skipping = [f"127.0.0.1:{self.layout.port} inet n - n - - smtpd"], False
        for line in filter(None, lines):
            if line[0].isspace():  # more of the entry above
                out += [] if skipping else [line]
                continue
            words = line.split()
            skipping = " ".join(words[:2]) in DROP_SERVICES
            words[4] = "n"
            out += [] if skipping else [" ".join(words)]
        return "\n".join(out) + "\n"

    def _write(self, name: str, text: str) -> None:
        path = os.path.normpath(os.path.join(self.etc, "postfix", name))
        with open(path, "w", encoding="ascii") as out:
            out.write(text)

    def command(self) -> list[str]:
        """Postfix in the foreground."""
        return ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"]

    def queue_length(self) -> int:
        """Count the complete queue files: one that is still being received has no x bit."""
        total = 0
        for name in ("maildrop", "incoming", "active", "deferred"):
            for path, _, files in os.walk(os.path.join(self.layout.queue, name)):
                total += sum(_is_complete(os.path.join(path, file)) for file in files)
        return total

    def flush(self) -> None:
        """`postqueue -f`, done as the queue manager wants it: everything deferred is due."""
        self.run(["postqueue", "-c", "/etc/postfix", "-f"])


def _is_complete(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & 0o100)
    except FileNotFoundError:
        return False  # it went on to another directory; it is counted there or is delivered
