"""Every variable that a rule for clients can set, declared once.

A rule of control/tcp.smtp sets variables for the clients that it matches:

    192.0.2.:allow,RELAYCLIENT="",MAXRCPT="100"
    :allow,MFCHECK="1",GREETDELAY="5",DROP_PRE_GREET="1"

`glass settings`, qmail-showctl and the manual tell of them from here; core/policy/variables reads
most of them. A variable that is in no line here does nothing but being passed on to programs.
"""

from dataclasses import dataclass

# When a variable is looked at.
CONNECTION = "the connection begins"
RECIPIENT = "each RCPT"
MAIL = "each MAIL"
MESSAGE = "each message"
EHLO = "each EHLO"
LOGIN = "a successful AUTH"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable.

    Attributes:
        name: as it stands in a rule.
        values: what it may hold.
        default: what counts without it.
        when: when it is looked at.
        source: whose invention it is.
        about: one or more sentences for people.
    """

    name: str
    values: str
    default: str
    when: str
    source: str
    about: str


_QMAIL, _COMBINED, _SQMAIL = "qmail", "combined patch", "s/qmail"

_ALL = (
    Variable("RELAYCLIENT", "text, mostly empty", "rcpthosts binds the client", RECIPIENT, _QMAIL,
             "Set, even to nothing: the client may send to any domain, and the value is put "
             "behind each recipient. A value of blanks alone counts as empty."),
    Variable("DATABYTES", "bytes; 0: no limit", "control/databytes", MESSAGE, _QMAIL,
             "Greatest size of a message of this client."),
    Variable("TCPREMOTEHOST", "a name", "the client's name in DNS", CONNECTION, _QMAIL,
             "The name that the client is known by."),
    Variable("TCPREMOTEINFO", "a name", "unknown", CONNECTION, _QMAIL,
             "Who the client's user is."),
    Variable("TCPREMOTEIP", "an address", "the client's address", CONNECTION, _QMAIL,
             "The address that the client is known by."),
    Variable("TCPLOCALHOST", "a name", "control/me", MESSAGE, _QMAIL,
             "Our name in the Received line."),
    Variable("QMAILQUEUE", "path of a program", "the queue", MESSAGE, _QMAIL,
             "A program that gets each message in the queue's place: the message on descriptor 0, "
             "the envelope on 1; it may write a text for the client to 4 or 6."),
    Variable("FIXCRIO", "set or not", "such messages are refused", MESSAGE, "ucspi-tcp",
             "Lone CRs and LFs of a message are mended, and told, instead of refused."),
    Variable("MAXLOAD", "a number: load average times 100", "no limit", CONNECTION, _COMBINED,
             "Refuse the client while this host's load average of the last minute is higher."),
    Variable("MAXCONNIP", "a number; 0: always refuse", "no limit", CONNECTION, _COMBINED,
             "Greatest number of connections of the client's address that are open at once, over "
             "all processes; IPv6: of its /64."),
    Variable("MAXCONNC", "a number; 0: always refuse", "no limit", CONNECTION, _COMBINED,
             "As MAXCONNIP, of the client's network: /24, IPv6: /48."),
    Variable("DIEMSG", "text", "the client is hung up on without a word", CONNECTION, _COMBINED,
             "What a client beyond one of these limits is told. A text without a code in front "
             "gets 421."),
    *(
        Variable(f"DIEMSG_{name}", "text", "DIEMSG", CONNECTION, _COMBINED,
                 f"As DIEMSG, for {name} alone.")
        for name in ("MAXLOAD", "MAXCONNIP", "MAXCONNC")
    ),
    Variable("NOLIMITS", "set or not", "the limits count", CONNECTION, "glassmail",
             "Set: failures, connections and messages of this client count for no limit, and no "
             "block shuts it out."),
    Variable("SMTPGREETING", "text", "control/smtpgreeting", CONNECTION, _COMBINED,
             "Text after `220`; its first word is our name in replies."),
    Variable("GREETDELAY", "seconds, up to 290", "0", CONNECTION, _COMBINED,
             "Wait this long before the greeting."),
    Variable("DROP_PRE_GREET", "0 or 1", "0", CONNECTION, _COMBINED,
             "1: a client that speaks before the greeting is told 554 and hung up on. Alone it "
             "waits one second."),
    Variable("MFCHECK", "0 off, 1 check, 2 log failures, 3 log passes too", "control/mfcheck",
             MAIL, _COMBINED, "The sender's domain must have an MX record or an address."),
    Variable("MAXRCPT", "a number; 0: no limit", "control/maxrcpt", RECIPIENT, _COMBINED,
             "Greatest number of recipients of a message, refused ones included; further ones are "
             "told 452."),
    Variable("RBLSMTPD", "text, `-` and text, or empty", "not refused", RECIPIENT, "ucspi-tcp",
             "A text refuses each recipient of the client with 451, as rblsmtpd does; behind a `-` "
             "with 553. Empty refuses nothing."),
    Variable("RELAYREJ", "0 or 1", "0", RECIPIENT, _COMBINED,
             "1: recipients with `@`, `%` or `!` in the local part are refused."),
    Variable("NOBADHELO", "set or not", "control/badhelo counts", RECIPIENT, _COMBINED,
             "Set: control/badhelo is not asked."),
    Variable("LOGREGEX", "set or not", "the line is not logged", RECIPIENT, _COMBINED,
             "Set: log lines of badhelo, badmailfrom and badrcptto name the line that matched."),
    Variable("QMAILSMTPD_LOG_MAIL", "0 or 1", "0", MAIL, _COMBINED,
             "1: a log line for each MAIL FROM."),
    Variable("QMAILSMTPD_LOG_RCPT", "0 or 1", "0", RECIPIENT, _COMBINED,
             "1: a log line for each RCPT TO."),
    Variable("QMAILSMTPD_HELP_VERSION", "0 or 1", "0", CONNECTION, _COMBINED,
             "1: HELP tells our version."),
    Variable("VALIDRCPTTO_CDB", "path of a cdb; empty: off", "off", RECIPIENT, _COMBINED,
             "Recipients must be in this file, by address, `-default` or `@domain`."),
    Variable("VALIDRCPTTO_LIMIT", "a number; 0: no limit", "10", RECIPIENT, _COMBINED,
             "Hang up at this many wrong recipients of a connection."),
    Variable("VALIDRCPTTO_LOG", "0, 1 result, 2 every try", "0", RECIPIENT, _COMBINED,
             "Log lines of the look-up in VALIDRCPTTO_CDB."),
    Variable("RCPTCHECK", "path of a program", "none", RECIPIENT, _COMBINED,
             "A program that is asked last about each recipient: exit code 100 refuses, 111 "
             "defers; its text comes by descriptor 4."),
    Variable("ALLOW_CRAM", "0 or 1", "offered when every account has a verifier", EHLO, _COMBINED,
             "1: offer CRAM-MD5 because control/checkpassword's program can check it."),
    Variable("ALLOW_INSECURE_AUTH", "0 or 1", "0", EHLO, _COMBINED,
             "1: offer PLAIN and LOGIN without TLS to others than this host, too."),
    Variable("AUTH_CDB", "path of a cdb", "control/smtpauth", EHLO, _COMBINED,
             "Logins are in this file: name, then the password's hash and perhaps variables for "
             "the session; control/smtpauth is not asked."),
    Variable("AUTH_SET_x", "a value for the variable x", "none", LOGIN, _COMBINED,
             "After a login the variable x has this value."),
    Variable("AUTH_UNSET_x", "set or not", "none", LOGIN, _COMBINED,
             "After a login the variable x is not set."),
    Variable("REQUIRE_AUTH", "0 or 1", "0", MAIL, _COMBINED,
             "1: MAIL is refused before a login."),
    Variable("DENY_TLS", "0 or 1", "0", EHLO, _COMBINED, "1: STARTTLS is not offered."),
    Variable("FORCE_TLS", "0 or 1", "0", MAIL, _COMBINED,
             "1: MAIL is refused before STARTTLS."),
    Variable("SSL", "0 or 1", "0", EHLO, _COMBINED,
             "1: a program before this server has taken TLS off: AUTH is offered, STARTTLS not."),
    Variable("TLS_SERVER_CERT", "path of a PEM file", "control/servercert.pem", EHLO, _COMBINED,
             "Key and certificates of this server."),
    Variable("TLSCIPHERS", "an OpenSSL list", "control/tlsserverciphers", EHLO, _COMBINED,
             "Ciphers of TLS 1.2; those of TLS 1.3 are always the library's."),
    Variable("SMTPAUTH", "empty, `cram`, `+cram`, `!`, `!cram`, `!+cram` or `-`",
             "control/smtpauth", EHLO, _SQMAIL, "`cram`: CRAM-MD5 alone; `+cram`: with PLAIN and "
             "LOGIN; `!`: MAIL is refused before a login; `-`: AUTH is not offered."),
    Variable("UCSPITLS", "empty, `!`, `?`, `@` or `-`", "STARTTLS is offered", EHLO, _SQMAIL,
             "`!`: MAIL is refused before STARTTLS; `?`, `@`: the client is asked for a "
             "certificate; `-`: STARTTLS is not offered."),
    Variable("MAXRECIPIENTS", "a number; 0: no limit", "control/maxrcpt", RECIPIENT, _SQMAIL,
             "As MAXRCPT, which comes first."),
    Variable("MFDNSCHECK", "set or not", "not asked", RECIPIENT, _SQMAIL,
             "Set: the sender's domain must have an MX record or an address; for clients that may "
             "not relay, answered at RCPT."),
    Variable("HELOCHECK", "empty, `!`, `.`, `=`, `A` or `M`", "control/badhelo alone", RECIPIENT,
             _SQMAIL, "The name in HELO must be given (`!`, `.`), be the client's name in DNS "
             "(`=`), or have an address (`A`) or MX record (`M`)."),
    Variable("LOCALMFCHECK", "empty, `=`, `?` or a domain", "not asked", RECIPIENT, _SQMAIL,
             "The sender of a client that may relay must be of our own domains (empty), be the "
             "client's user or login (`=`), be the address of its certificate (`?`), or be of "
             "this domain."),
    Variable("TARPITCOUNT", "a number; 0: off", "0", RECIPIENT, _SQMAIL,
             "From this many recipients on TARPITDELAY counts."),
    Variable("TARPITDELAY", "seconds, up to 240; 0 or 999", "0", RECIPIENT, _SQMAIL,
             "Seconds that each further recipient waits. 0: after TARPITCOUNT refused recipients "
             "all others are refused; 999: DATA too, and the connection ends."),
    Variable("RECIPIENTS450", "set or not", "550", RECIPIENT, _SQMAIL,
             "Set: unknown recipients of control/recipients are told 450."),
    Variable("DELIVERTO", "an address", "none", MESSAGE, _SQMAIL,
             "One more recipient of each message."),
    *(
        Variable(name, "text", "none", "each refusal", _SQMAIL,
                 f"Text that stands in the refusal of {about}, before its status code.")
        for name, about in (
            ("REPLY_HELO", "a bad HELO name"),
            ("REPLY_MAILBOX", "an unknown recipient (control/recipients)"),
            ("REPLY_MAXSIZE", "a message that is too long"),
            ("REPLY_BADMAILFROM", "a sender in badmailfrom"),
            ("REPLY_BADRCPTTO", "a recipient in badrcptto"),
            ("REPLY_NOGATEWAY", "a domain that is not ours"),
            ("REPLY_SENDEREXIST", "a sender's domain that does not exist"),
            ("REPLY_SENDERINVALID", "a sender that the client may not use"),
        )
    ),
)  # fmt: skip

VARIABLES: dict[str, Variable] = {variable.name: variable for variable in _ALL}
