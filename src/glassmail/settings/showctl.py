"""What qmail-showctl says of each control file: one sentence a file, declared once.

The sentences of qmail's own files are qmail's, in its order (qmail-showctl.c; qmail-showctl.txt);
this server's follow in the same style. Values and defaults come from the registry.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """How one file is told.

    Attributes:
        name: the file.
        before: text before the value (of a list: before each line).
        after: text after it, without the final stop for a LINE or INT.
        missing: the whole sentence for a file that is not there; empty for those that tell their
            default as they tell a value.
    """

    name: str
    before: str
    after: str = ""
    missing: str = ""


QMAIL = (
    Sentence("badmailfrom", "", " not accepted in MAIL FROM.", "Any MAIL FROM is allowed."),
    Sentence("bouncefrom", "Bounce user name is "),
    Sentence("bouncehost", "Bounce host name is "),
    Sentence("concurrencylocal", "Local concurrency is "),
    Sentence("concurrencyremote", "Remote concurrency is "),
    Sentence("databytes", "SMTP DATA limit is ", " bytes"),
    Sentence("defaultdomain", "Default domain name is "),
    Sentence("defaulthost", "Default host name is "),
    Sentence("doublebouncehost", "2B recipient host: "),
    Sentence("doublebounceto", "2B recipient user: "),
    Sentence("envnoathost", "Presumed domain name is "),
    Sentence("helohost", "SMTP client HELO host name is "),
    Sentence("idhost", "Message-ID host name is "),
    Sentence("localiphost", "Local IP address becomes "),
    Sentence("locals", "Messages for ", " are delivered locally.",
             "Messages for me are delivered locally."),
    Sentence("me", "My name is "),
    Sentence("percenthack", "The percent hack is allowed for user%host@", ".",
             "The percent hack is not allowed."),
    Sentence("plusdomain", "Plus domain name is "),
    Sentence("qmqpservers", "QMQP server: ", ".", "No QMQP servers."),
    Sentence("queuelifetime", "Message lifetime in the queue is ", " seconds"),
    Sentence("rcpthosts", "SMTP clients may send messages to recipients at ", ".",
             "SMTP clients may send messages to any recipient."),
    Sentence("morercpthosts", "SMTP clients may send messages to recipients at ", ".",
             "No effect."),
    Sentence("morercpthosts.cdb", ""),
    Sentence("smtpgreeting", "SMTP greeting: 220 "),
    Sentence("smtproutes", "SMTP route: ", "", "No artificial SMTP routes."),
    Sentence("timeoutconnect", "SMTP client connection timeout is ", " seconds"),
    Sentence("timeoutremote", "SMTP client data timeout is ", " seconds"),
    Sentence("timeoutsmtpd", "SMTP server data timeout is ", " seconds"),
    Sentence("virtualdomains", "Virtual domain: ", "", "No virtual domains."),
)  # fmt: skip

OWN = (
    Sentence("badmailfromnorelay", "", " not accepted in MAIL FROM of clients that may not relay.",
             "Any MAIL FROM is allowed."),
    Sentence("badrcptto", "", " not accepted in RCPT TO.", "Any RCPT TO is allowed."),
    Sentence("badrcpttonorelay", "", " not accepted in RCPT TO of clients that may not relay.",
             "Any RCPT TO is allowed."),
    Sentence("badhelo", "", " not accepted in HELO.", "Any HELO host name is allowed."),
    Sentence("qregex", "All lines of bad lists are regular expressions (1 yes, 0 no): "),
    Sentence("mfcheck", "Sender domains must exist (0 no, 1 yes, 2 and 3 also log): "),
    Sentence("maxrcpt", "Recipient limit of a message (0: none) is "),
    Sentence("recipients", "Recipients are looked up by ", ".", "Recipients are not looked up."),
    Sentence("replyprofile", "SMTP refusals are worded as by "),
    Sentence("relayreply", "SMTP refusals to relay are worded as for "),
    Sentence("opensmtp", "POP before SMTP entries are in ", "",
             "There are no POP before SMTP entries."),
    Sentence("opensmtpseconds", "POP before SMTP entries count for ", " seconds"),
    Sentence("timeoutrcptcheck", "Recipient check and queue program timeout is ", " seconds"),
    Sentence("smtpauth", "SMTP AUTH accounts: ", ".", "Nobody logs in by SMTP AUTH."),
    Sentence("authmechanisms", "SMTP AUTH mechanisms are "),
    Sentence("checkpassword", "SMTP AUTH program is ", "", "There is no SMTP AUTH program."),
    Sentence("authdelay", "A wrong password is answered after ", " seconds"),
    Sentence("ehlo", "SMTP extensions are announced in this order: "),
    Sentence("tlsserverciphers", "SMTP server TLS 1.2 ciphers are "),
    Sentence("tlsclients", "SMTP clients with a certificate of ", " may relay.",
             "No SMTP clients relay by a certificate."),
    Sentence("tcp.smtp", "Rule for SMTP clients: ", "", "No rules for SMTP clients."),
    Sentence("defaultdelivery", "Default delivery: ", "", "Default delivery: ./Maildir/"),
    Sentence("listen", "Listening for ", ".", "Listening nowhere."),
    Sentence("enhancedcodes", "Enhanced status codes in front of replies (1 yes, 0 no): "),
    Sentence("tracecodes", "Trace codes in replies, bounces and headers (1 yes, 0 no): "),
    Sentence("checkrecipients", "Unknown recipients are refused by SMTP (1 yes, 0 no): "),
    Sentence("openrelay", "A missing rcpthosts means every domain (1 yes, 0 no): "),
    Sentence("queueminfree", "Mail is taken while the queue's disk has ", " bytes free"),
    Sentence("maxprograms", "Local program concurrency is "),
    Sentence("timeoutprogram", "Local program timeout is ", " seconds"),
    Sentence("syncmode", "Maildir sync mode is "),
    Sentence("smtpdprocesses", "SMTP server process count (0: one for every two cores) is "),
    Sentence("logsize", "Log file size is ", " bytes"),
    Sentence("logfiles", "Log file count is "),
    Sentence("smtpdlog", "SMTP server log lines are written as "),
    Sentence("logto", "Log lines go to ", ".", "Log lines go to files."),
    Sentence("logstamp", "Log line stamp is "),
    Sentence("logprocessor", "Log processor: ", "", "No log processors."),
    Sentence("metrics", "Metrics are served at ", "", "Metrics are not served."),
    Sentence("logrecords", "Log records are written as "),
    Sentence("historydays", "History is kept for ", " days"),
    Sentence("historygigabytes", "History may fill ", " GB (0: any number)"),
    Sentence("passwordhash", "New passwords are hashed by "),
    Sentence("breakcharacter", "User-ext delimiter is "),
    Sentence("assignrebuild", "users/cdb is built when users/assign is newer (1 yes, 0 no): "),
    Sentence("programmemory", "Local program memory (0: any amount) is ", " bytes"),
    Sentence("dnsserver", "DNS server: ", "", "DNS servers are those of /etc/resolv.conf."),
    Sentence("concurrencyincoming", "SMTP server concurrency (0: no limit) is "),
    Sentence("remotehost", "Names of SMTP clients are looked up (yes, paranoid, no, auto): "),
    Sentence("remotehosttimeout", "Looking up a name of an SMTP client may take ", " seconds"),
    Sentence("remoteinfo", "RFC 1413 server of an SMTP client may take (0: not asked) ",
             " seconds"),
    Sentence("tcpserverlog", "SMTP server log holds tcpserver's lines (1 yes, 0 no): "),
    Sentence("maxbadlogins", "Wrong password limit of a client in a minute (0: none) is "),
    Sentence("maxbadrecipients", "Unknown recipient limit of a client in a minute (0: none) is "),
    Sentence("maxerrors", "Refused command limit of a client in a minute (0: none) is "),
    Sentence("maxconnects", "Connection limit of a client in a minute (0: none) is "),
    Sentence("maxmessages", "Message limit of a client in an hour (0: none) is "),
    Sentence("maxaccountrecipients", "Recipient limit of an account in an hour (0: none) is "),
    Sentence("blockseconds", "A client that passed a limit is not served for ", " seconds"),
    Sentence("clearpasswords", "New passwords are kept in clear as well (1 yes, 0 no): "),
    Sentence("vpopmailhome", "Home directory of vpopmail is ", "",
             "Home directory of vpopmail is the site's, or where its domains are."),
    Sentence("accountsdb", "Mailboxes of new virtual domains are kept in ", "",
             "Mailboxes of new virtual domains are kept in vpasswd."),
)  # fmt: skip

# Not settings, and not shown: one of them holds a key.
KEYS = {
    "servercert.pem": "Key and certificates of the SMTP server.",
    "clientca.pem": "Authorities of SMTP clients' certificates.",
}

# Made beside a file that a command edits, as vpopmail does.
LOCK = ".lock"
LOCK_SENTENCE = "Lock of the commands that change {name}."

# Looked at by qmail-showctl, but no settings: files that tcprules and qmail-newmrh make.
BUILT = frozenset(("tcp.smtp.cdb", "morercpthosts.cdb"))
