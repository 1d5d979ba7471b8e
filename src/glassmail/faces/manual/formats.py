"""Which page of section 5 or 7 describes which file format, and which modules describe it.

A format's own words stand once, in the docstring of its module below core/formats (or of the
store's module that keeps the files). Modules that no file of an administrator follows are named
in INTERNAL with the reason.
"""

from typing import NamedTuple


class Format(NamedTuple):
    """A page about files.

    Attributes:
        name, section, title: of the page.
        files: where such files lie.
        modules: whose docstrings tell it, in this order.
        see: further pages.
    """

    name: str
    section: int
    title: str
    files: tuple[str, ...]
    modules: tuple[str, ...]
    see: tuple[tuple[str, int], ...] = ()


_CONTROL = ("glassmail-control", 5)

FORMATS: tuple[Format, ...] = (
    Format("dot-qmail", 5, "what to do with mail for a user or alias",
           ("~/.qmail", "~/.qmail-EXT", "~/.qmail-EXT-default", "ROOT/alias/.qmail-NAME"),
           ("core.formats.dot_qmail", "core.route.dot_qmail"),
           (("maildir", 5), ("mbox", 5), ("glassmail-users", 5), ("qmail-local", 8))),
    Format("glassmail-users", 5, "whose mail is it: assigned users",
           ("ROOT/users/assign", "ROOT/users/cdb", "ROOT/users/include", "ROOT/users/exclude",
            "ROOT/users/mailnames", "ROOT/users/subusers", "ROOT/users/append"),
           ("core.formats.assign", "core.formats.pw2u"),
           (("dot-qmail", 5), ("qmail-newu", 8), ("qmail-pw2u", 8), ("cdb", 5))),
    Format("glassmail-tcp-rules", 5, "rules for SMTP clients, and the variables they set",
           ("ROOT/control/tcp.smtp", "ROOT/control/tcp.smtp.cdb"),
           ("core.formats.tcp_rules", "core.formats.client_keys"),
           (("tcprules", 1), ("tcprulescheck", 1), _CONTROL)),
    Format("glassmail-patterns", 5, "lists of unwanted names and addresses",
           ("ROOT/control/badmailfrom", "ROOT/control/badmailfromnorelay",
            "ROOT/control/badrcptto", "ROOT/control/badrcpttonorelay", "ROOT/control/badhelo"),
           ("core.formats.patterns", "core.formats.wildmat"), (_CONTROL,)),
    Format("glassmail-recipients", 5, "which recipients exist, domain by domain",
           ("ROOT/control/recipients",), ("core.formats.recipients",), (_CONTROL, ("cdb", 5))),
    Format("glassmail-smtproutes", 5, "routes that replace MX records",
           ("ROOT/control/smtproutes",), ("core.formats.smtproutes",), (_CONTROL,)),
    Format("glassmail-listen", 5, "where the server listens, and which DNS servers it asks",
           ("ROOT/control/listen", "ROOT/control/dnsserver"),
           ("core.formats.listen", "core.formats.dns_servers"), (_CONTROL,)),
    Format("glassmail-logto", 5, "where log lines go", ("ROOT/control/logto",),
           ("core.formats.log_outlets",), (("glassmail-log", 5), ("splogger", 8), _CONTROL)),
    Format("glassmail-daemons", 5, "which user each process runs as", ("ROOT/users/daemons",),
           ("core.formats.daemons",), (("glass-serve", 1), ("glass-init", 1))),
    Format("vpasswd", 5, "mailboxes in vpopmail's layout",
           ("ROOT/domains/DOMAIN/vpasswd", "ROOT/domains/DOMAIN/vpasswd.cdb",
            "ROOT/domains/DOMAIN/.dir-control", "ROOT/domains/DOMAIN/.qmailadmin-limits"),
           ("core.formats.vpasswd", "core.formats.dir_control", "core.formats.domain_limits",
            "core.formats.quota"), (("maildir", 5),)),
    Format("auth-cdb", 5, "logins with variables of their own", ("auth.cdb",),
           ("core.formats.auth_cdb",), (("cdb", 5), ("glassmail-tcp-rules", 5))),
    Format("cdb", 5, "constant databases", ("*.cdb", "ROOT/users/cdb"), ("core.formats.cdb",),
           (("tcprules", 1), ("qmail-newu", 8), ("qmail-newmrh", 8))),
    Format("maildir", 5, "mailboxes of one file a message, and their quotas",
           ("~/Maildir/", "ROOT/domains/DOMAIN/USER/Maildir/"),
           ("store.maildir", "store.maildir_quota", "store.maildir_folders"),
           (("maildirmake", 1), ("mbox", 5), ("dot-qmail", 5))),
    Format("mbox", 5, "mailboxes of one file", ("~/Mailbox",), ("store.mbox",),
           (("maildir", 5), ("maildir2mbox", 1), ("dot-qmail", 5))),
    Format("glassmail-queue", 5, "the queue on the disk",
           ("ROOT/queue/queue.db", "ROOT/queue/body/", "ROOT/queue/drop/",
            "ROOT/queue/lock/tcpto", "ROOT/queue/lock/tcpto6"),
           ("store.queue.schema", "core.formats.drop", "store.tcpto"),
           (("glass-queue", 1), ("qmail-queue", 8), ("qmail-tcpto", 8))),
    Format("glassmail-bounce", 5, "messages about mail that could not be delivered", (),
           ("core.formats.bounce",), (_CONTROL, ("glass-why", 1))),
    Format("tai64n", 5, "time stamps of log lines", ("ROOT/log/*/current",),
           ("core.formats.tai64n",), (("tai64n", 8), ("tai64nlocal", 8), ("glassmail-log", 5))),
)  # fmt: skip

# Formats that no administrator reads or writes a file of, or that another page tells.
INTERNAL = {
    "control": "glassmail-control(5) tells how the kinds of control files are read",
    "control_line": "a part of control",
    "database_address": "the lines of control files about databases stand in glassmail-control(5)",
    "database_text": "a part of database_address",
    "date": "the date of headers",
    "header_addresses": "RFC 5322", "header_fields": "RFC 5322", "header_identity": "RFC 5322",
    "header_inject": "qmail-inject(8)", "header_rewrite": "qmail-inject(8)",
    "header_tokens": "RFC 5322",
    "message_id": "RFC 5322",
    "msgpack_small": "between processes",
    "queue_envelope": "qmail-queue(8)", "queue_exit": "qmail-queue(8)",
    "quote": "RFC 5321",
    "received": "RFC 5321",
    "shadow": "the system's password files",
    "spf_terms": "RFC 7208",
}  # fmt: skip
