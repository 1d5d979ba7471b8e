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
    Variable("MAXRECIPIENTS", "a number; 0: no limit", "control/maxrcpt", RECIPIENT, _SQMAIL,
             "As MAXRCPT, which comes first."),
    Variable("MFDNSCHECK", "set or not", "not asked", RECIPIENT, _SQMAIL,
             "Set: the sender's domain must have an MX record or an address; for clients that may "
             "not relay, answered at RCPT."),
    Variable("HELOCHECK", "empty, `!`, `.`, `=`, `A` or `M`", "control/badhelo alone", RECIPIENT,
             _SQMAIL, "The name in HELO must be given (`!`, `.`), be the client's name in DNS "
             "(`=`), or have an address (`A`) or MX record (`M`)."),
    Variable("LOCALMFCHECK", "empty, `=` or a domain", "not asked", RECIPIENT, _SQMAIL,
             "The sender of a client that may relay must be of our own domains (empty), be the "
             "client's user (`=`), or be of this domain."),
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
