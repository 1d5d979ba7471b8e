"""What the checks know of a session: the client, its settings, and how far it has come.

Pure:
    Values only. A session keeps one `Facts` and fills it in as commands arrive; `trace` fills
    one in from its command line. Checks read it and never write it.
"""

from typing import NamedTuple

from glassmail.core.formats.cdb import CdbLookup
from glassmail.core.formats.control import Table
from glassmail.core.protocol.data_reader import BareLineEnd
from glassmail.core.route.rewrite import RoutingTables
from glassmail.core.route.tcp_rules import RuleMatch

SUBMISSION = "submission"
RELAYCLIENT = b"RELAYCLIENT"


class Client(NamedTuple):
    """Who connects.

    Attributes:
        ip: numeric address; an IPv4 address inside an IPv6 one is written as IPv4.
        port: its port.
        host: its name in DNS, None when unknown (TCPREMOTEHOST).
        info: what it is known as beside that (TCPREMOTEINFO), None when unknown.
    """

    ip: bytes
    port: int
    host: bytes | None = None
    info: bytes | None = None


class PolicySettings(NamedTuple):
    """The settings that checks read, as the session found them at its start."""

    databytes: int
    badmailfrom: Table
    rcpthosts: Table
    more_rcpthosts: CdbLookup | None
    is_checking_recipients: bool
    routing: RoutingTables


class MessageFacts(NamedTuple):
    """What is known of a message when its end has come.

    Attributes:
        size: bytes of the stored form.
        hops: header lines that begin with Received or Delivered.
        bare: its first lone CR or LF.
        message_id: its Message-ID without blanks, empty when it has none.
    """

    size: int
    hops: int = 0
    bare: BareLineEnd | None = None
    message_id: bytes = b""


class Facts:
    """One session as the checks see it.

    Attributes:
        client: who connects.
        service: smtp or submission.
        rule: the tcp rule for it.
        environment: the rule's variables.
        settings: the settings of this session.
        size_max: databytes or DATABYTES; 0 means no limit.
        size_source: where size_max comes from.
        helo: None until the client has said its name.
        sender: envelope sender; None outside a transaction.
        declared_size: SIZE of MAIL, 0 when not given.
        recipient: the recipient asked about, RELAYCLIENT's value already behind it.
        message: known at stage message.
    """

    __slots__ = (
        "client",
        "declared_size",
        "environment",
        "helo",
        "message",
        "recipient",
        "rule",
        "sender",
        "service",
        "settings",
        "size_max",
        "size_source",
    )

    def __init__(
        self, client: Client, service: str, rule: RuleMatch, settings: PolicySettings
    ) -> None:
        self.client = client
        self.service = service
        self.rule = rule
        self.settings = settings
        self.environment = dict(rule.environment)
        self.size_max = settings.databytes
        self.size_source = "control/databytes"
        if b"DATABYTES" in self.environment:
            self.size_max = _number(self.environment[b"DATABYTES"])
            self.size_source = rule.source
        self.helo: bytes | None = None
        self.sender: bytes | None = None
        self.declared_size = 0
        self.recipient = b""
        self.message: MessageFacts | None = None

    @property
    def may_relay(self) -> bool:
        """Tell whether rcpthosts does not bind this client."""
        return RELAYCLIENT in self.environment


def _number(text: bytes) -> int:
    """Read the decimal prefix of a variable; none is 0 (qmail-smtpd.c setup: scan_ulong)."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits[:19]) if digits else 0
