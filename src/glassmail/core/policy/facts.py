"""What the checks know of a session: the client, its settings, and how far it has come.

Pure:
    Values only. A session keeps one `Facts` and fills it in as commands arrive; `trace` fills
    one in from its command line. Checks read it and never write it.
"""

from typing import Any, NamedTuple

from glassmail.core.formats.cdb import CdbLookup
from glassmail.core.formats.control import Table
from glassmail.core.formats.recipients import RecipientLine
from glassmail.core.model.reply import Reply
from glassmail.core.policy import variables
from glassmail.core.policy.lists import NO_LISTS, Lists
from glassmail.core.policy.login_variables import number
from glassmail.core.policy.variables import Variables
from glassmail.core.protocol import replies, wording
from glassmail.core.protocol.data_reader import BareLineEnd
from glassmail.core.route.rewrite import RoutingTables
from glassmail.core.route.tcp_rules import RuleMatch

SUBMISSION = "submission"
RELAYCLIENT = b"RELAYCLIENT"
_PREPARED_MAX = 4_096  # rules whose variables are kept read


class Client(NamedTuple):
    """Who connects.

    Attributes:
        ip: numeric address; an IPv4 address inside an IPv6 one is written as IPv4.
        port: its port.
        host: its name in DNS, None when unknown (TCPREMOTEHOST).
        info: what it is known as beside that (TCPREMOTEINFO), None when unknown.
        local_ip, local_port: our end of the connection, empty and 0 when unknown.
    """

    ip: bytes
    port: int
    host: bytes | None = None
    info: bytes | None = None
    local_ip: bytes = b""
    local_port: int = 0


class TlsFacts(NamedTuple):
    """TLS under a session.

    Attributes:
        version: `TLSv1.3`.
        cipher: `TLS_AES_256_GCM_SHA384`.
        server_name: what the client called us (SNI), empty when it did not.
        email: of the client's verified certificate, empty for none.
        certificate: which of our certificates was used.
    """

    version: str
    cipher: str
    server_name: str = ""
    email: bytes = b""
    certificate: str = ""


class PolicySettings(NamedTuple):
    """The settings that checks read, as the session found them at its start.

    Attributes:
        lists: badmailfrom and its like, compiled.
        mf_check: control/mfcheck, for clients without MFCHECK.
        recipients_max: control/maxrcpt, for clients without MAXRCPT.
        profile: control/replyprofile; relay_reply: control/relayreply.
        recipients: control/recipients, None when there is no such file.
        version: what HELP tells with QMAILSMTPD_HELP_VERSION.
        prepared: what `Facts` made of rules so far, by the rule's id; None keeps nothing.
        auth_sources: control/smtpauth: who can log in at all.
        auth_mechanisms: control/authmechanisms, in the order in which they are announced.
        ehlo: control/ehlo: the extensions in their order.
        tls_clients: control/tlsclients.
        connections_max: control/concurrencyincoming; account_recipients_max:
            control/maxaccountrecipients; 0: none.
        is_tcpserver_log: control/tcpserverlog; is_sqmail_log: control/smtpdlog is `sqmail`.
    """

    databytes: int
    badmailfrom: Table
    rcpthosts: Table
    more_rcpthosts: CdbLookup | None
    is_checking_recipients: bool
    routing: RoutingTables
    lists: Lists = NO_LISTS
    mf_check: int = 0
    recipients_max: int = 0
    profile: bytes = b"qmail"
    relay_reply: bytes = b"rcpthosts"
    recipients: tuple[RecipientLine, ...] | None = None
    version: bytes = b""
    prepared: "dict[int, Prepared] | None" = None
    break_character: bytes = b"-"
    auth_sources: tuple[bytes, ...] = ()
    auth_mechanisms: tuple[bytes, ...] = ()
    ehlo: tuple[bytes, ...] = replies.EHLO_ORDER
    tls_clients: Table | None = None
    connections_max: int = 0
    account_recipients_max: int = 0
    is_tcpserver_log: bool = False
    is_sqmail_log: bool = False


class Prepared:
    """What the variables of one rule mean with one state of the settings.

    Attributes:
        rule: the rule; it is kept alive, so that its id stays its own.
        environment: its variables.
        variables: as values.
        size_max, size_source: databytes or DATABYTES.
        wording: replies told in other words.
        plan: by stage, all checks and those that are asked at all; made by the pipeline.
        offers: what EHLO was answered, by what that depends on beside the rule; the session's.
    """

    __slots__ = (
        "environment", "login_plan", "offers", "plan", "rule", "size_max", "size_source",
        "variables", "wording",
    )  # fmt: skip

    def __init__(self, rule: RuleMatch, settings: PolicySettings) -> None:
        self.rule = rule
        environment = self.environment = dict(rule.environment)
        self.variables: Variables = variables.read(
            environment, settings.mf_check, settings.recipients_max
        )
        self.size_max = settings.databytes
        self.size_source = "control/databytes"
        if b"DATABYTES" in environment:
            self.size_max = number(environment[b"DATABYTES"])
            self.size_source = rule.source
        version = settings.version if self.variables.is_telling_version else b""
        self.wording: dict[Reply, Reply] = wording.wording(
            settings.profile, settings.relay_reply, environment, version
        )
        self.plan: dict[str, tuple[Any, ...]] = {}
        self.login_plan: dict[str, tuple[Any, ...]] = {}  # of clients who have logged in
        self.offers: dict[tuple[Any, ...], tuple[Any, ...]] = {}


class MessageFacts(NamedTuple):
    """What is known of a message when its end has come.

    Attributes:
        size: bytes of the stored form.
        hops: header lines that begin with Received or Delivered.
        bare: its first lone CR or LF.
        message_id: its Message-ID without blanks, empty when it has none.
        mended: its first lone CR or LF that FIXCRIO mended.
    """

    size: int
    hops: int = 0
    bare: BareLineEnd | None = None
    message_id: bytes = b""
    mended: BareLineEnd | None = None


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
        prepared: what the rule's variables mean; `variables` are its values.
        recipients_asked: RCPT commands of this transaction, this one included.
        recipients_refused: those of them that were refused.
        invalid_recipients: recipients of this connection that validrcptto did not have.
        tls: what is under the session, None in the clear.
        attempted: the name that a password is tried for now.
        login: who has logged in, empty before; `mechanism` says how.
        is_relaying_by_login: whether RELAYCLIENT is there by a login or certificate alone.
    """

    __slots__ = (
        "attempted",
        "client",
        "declared_size",
        "environment",
        "helo",
        "invalid_recipients",
        "is_relaying_by_login",
        "login",
        "mechanism",
        "message",
        "prepared",
        "recipient",
        "recipients_asked",
        "recipients_refused",
        "rule",
        "sender",
        "service",
        "settings",
        "size_max",
        "size_source",
        "tls",
        "variables",
    )

    def __init__(
        self, client: Client, service: str, rule: RuleMatch, settings: PolicySettings
    ) -> None:
        self.client = client
        self.service = service
        self.settings = settings
        self.take_rule(rule)
        self.helo: bytes | None = None
        self.sender: bytes | None = None
        self.declared_size = 0
        self.recipient = b""
        self.message: MessageFacts | None = None
        self.tls: TlsFacts | None = None
        self.login = self.mechanism = self.attempted = b""
        self.is_relaying_by_login = False
        self.recipients_asked = self.recipients_refused = self.invalid_recipients = 0

    def take_rule(self, rule: RuleMatch, *, is_own: bool = False) -> None:
        """Go by this rule and its variables from now on.

        Args:
            rule: what is done with the client.
            is_own: a rule made for this session alone; nothing of it is kept for others.
        """
        kept = None if is_own else self.settings.prepared
        prepared = kept.get(id(rule)) if kept is not None else None
        if prepared is None or prepared.rule is not rule:
            prepared = Prepared(rule, self.settings)
            if kept is not None:
                if len(kept) >= _PREPARED_MAX:
                    kept.clear()
                kept[id(rule)] = prepared
        self.rule = rule
        self.prepared = prepared
        self.variables = prepared.variables
        self.environment = prepared.environment
        self.size_max = prepared.size_max
        self.size_source = prepared.size_source

    @property
    def may_relay(self) -> bool:
        """Tell whether rcpthosts does not bind this client."""
        return RELAYCLIENT in self.environment

