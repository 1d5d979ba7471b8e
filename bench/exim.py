"""Exim as a peer: Debian's light package, unpacked, delivering at once as its defaults do."""

import os

import peers
from server import DOMAIN, Layout, Server

EXIM_UID = 29_003
CONFIG = """\
primary_hostname = mx.{domain}
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
spool_directory = {queue}
log_file_path = {base}/log/%slog
domainlist local_domains = {domain}
acl_smtp_rcpt = accept
message_size_limit = 60M
smtp_accept_max = 300
smtp_accept_queue = 0
# Its default queues what comes after the tenth message of a connection for the next queue run.
smtp_accept_queue_per_connection = 0
recipients_max = 5000
host_lookup =
rfc1413_query_timeout = 0s
never_users =
begin routers
here:
  driver = accept
  domains = +local_domains
  local_part_suffix = -*
  local_part_suffix_optional
  check_local_user
  transport = maildir
elsewhere:
  driver = manualroute
  domains = ! +local_domains
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
maildir:
  driver = appendfile
  directory = {home}/Maildir
  maildir_format
  return_path_add
smtp:
  driver = smtp
  port = {relay_port}
  allow_localhost
  hosts_avoid_tls = *
"""


class Exim(Server):
    """Debian's exim4-daemon-light."""

    name = "exim"
    idle_connections = 200

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.tree = peers.fetch("exim")

    def users(self):
        """The user that Debian's build runs as."""
        return [("Debian-exim", EXIM_UID, "/nonexistent")]

    def overlays(self):
        """Libraries and programs, where they were compiled to be."""
        return [[os.path.join(self.tree, part), "/" + part] for part in ("usr/lib", "usr/sbin")]

    def prepare(self) -> None:
        """Write the configuration and make spool and log directories."""
        self.surround()
        layout = self.layout
        for path in (layout.queue, os.path.join(layout.base, "log")):
            os.makedirs(path, exist_ok=True)
            os.chown(path, EXIM_UID, EXIM_UID)
        config = os.path.join(self.etc, "exim4")
        os.makedirs(config, exist_ok=True)
        with open(os.path.join(config, "exim4.conf"), "w", encoding="ascii") as out:
            out.write(CONFIG.format(
                domain=DOMAIN, port=layout.port, queue=layout.queue, base=layout.base,
                home=layout.home, relay_port=layout.relay_port or 25,
            ))  # fmt: skip

    def command(self) -> list[str]:
        """Exim in the foreground, a queue runner every minute."""
        return ["/usr/sbin/exim4", "-bdf", "-q1m"]

    def queue_length(self) -> int:
        """Count the messages in the spool."""
        return int(self.run(["/usr/sbin/exim4", "-bpc"]).strip() or 0)

    def flush(self) -> None:
        """Try everything now."""
        self.run(["/usr/sbin/exim4", "-qff"])
