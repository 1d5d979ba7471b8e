"""Every control file, declared once (qmail-control.9 and what this server adds).

A missing file means its default. `from_me` falls back to `control/me`.
"""

from glassmail.settings.registry import Kind, Setting, When

_ALL = (
    # qmail's own, in qmail-showctl's order
    Setting("badmailfrom", Kind.LIST, ("smtpd",), When.CONNECTION,
            "Envelope senders, or `@domain`s, whose recipients are refused; also wildcards, "
            "`/regular expressions/` and SPAMCONTROL's signs. It is about the envelope (MAIL "
            "FROM), not the `From:` line of a message.", is_patterns=True),
    Setting("bouncefrom", Kind.LINE, ("queue",), When.RELOAD,
            "Local part of the From address of bounces.", b"MAILER-DAEMON"),
    Setting("bouncehost", Kind.LINE, ("queue",), When.RELOAD,
            "Host of the From address of bounces, and the name they introduce us with.",
            b"bouncehost", from_me=True),
    Setting("concurrencylocal", Kind.INT, ("queue",), When.RELOAD,
            "How many local deliveries may be under way at once.", 255, least=0, most=65_000),
    Setting("concurrencyremote", Kind.INT, ("queue",), When.RELOAD,
            "How many remote deliveries may be under way at once.", 20, least=0, most=65_000),
    Setting("databytes", Kind.INT, ("smtpd",), When.CONNECTION,
            "Greatest size of a message in bytes; 0 means no limit.", 0),
    Setting("defaultdomain", Kind.LINE, ("inject",), When.RUN,
            "Domain added to a host name without dot.", b"defaultdomain", from_me=True),
    Setting("defaulthost", Kind.LINE, ("inject",), When.RUN,
            "Host added to an address without one.", b"defaulthost", from_me=True),
    Setting("doublebouncehost", Kind.LINE, ("queue",), When.RELOAD,
            "Host that double bounces go to.", b"doublebouncehost", from_me=True),
    Setting("doublebounceto", Kind.LINE, ("queue",), When.RELOAD,
            "User that double bounces go to.", b"postmaster"),
    Setting("envnoathost", Kind.LINE, ("queue",), When.RELOAD,
            "Host of envelope recipients without `@`.", b"envnoathost", from_me=True),
    Setting("helohost", Kind.LINE, ("remote",), When.DELIVERY,
            "Name we give when we speak SMTP to others.", None, from_me=True),
    Setting("idhost", Kind.LINE, ("inject",), When.RUN,
            "Host of the Message-IDs we make.", b"idhost", from_me=True),
    Setting("localiphost", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Name that replaces `[one of our addresses]` in recipients.", None, from_me=True),
    Setting("locals", Kind.LIST, ("queue",), When.RELOAD,
            "Domains delivered here, each local part as it is.", None, from_me=True),
    Setting("me", Kind.LINE, ("all",), When.RELOAD,
            "The name of this host, and the default of many settings."),
    Setting("percenthack", Kind.LIST, ("queue",), When.RELOAD,
            "Domains where `user%domain@here` means `user@domain`."),
    Setting("plusdomain", Kind.LINE, ("inject",), When.RUN,
            "Domain that replaces a trailing `+` of a host name.", b"plusdomain", from_me=True),
    Setting("queuelifetime", Kind.INT, ("queue",), When.RELOAD,
            "Seconds after which an undelivered message is given up.", 604_800),
    Setting("rcpthosts", Kind.LIST, ("smtpd",), When.CONNECTION,
            "Domains we accept mail for from everybody."),
    Setting("smtpgreeting", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Text after `220`; its first word is our name in replies.", None, from_me=True),
    Setting("smtproutes", Kind.MAP, ("remote",), When.DELIVERY,
            "Routes that replace MX records: `domain:relay` or `domain:relay:port`."),
    Setting("timeoutconnect", Kind.INT, ("remote",), When.DELIVERY,
            "Seconds to wait for a connection to another server.", 60, least=1),
    Setting("timeoutremote", Kind.INT, ("remote",), When.DELIVERY,
            "Seconds to wait for each answer of another server.", 1_200, least=1),
    Setting("timeoutsmtpd", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds to wait for each line of a client.", 1_200, least=1),
    Setting("virtualdomains", Kind.MAP, ("queue",), When.RELOAD,
            "Virtual users and domains: `user@domain:prepend`, `domain:prepend`, `.domain:prepend`,"
            " `:prepend` for all others; an empty prepend means remote."),
    Setting("dnsserver", Kind.LIST, ("remote", "smtpd"), When.DELIVERY,
            "DNS servers to ask, a line each: `192.0.2.53`, `127.0.0.1:5353` or `[::1]:53`; "
            "without the file those of /etc/resolv.conf."),
    # conventions of run scripts that this server reads itself
    Setting("defaultdelivery", Kind.RAW, ("local",), When.DELIVERY,
            "Dot-qmail lines used where a user has none.", b"./Maildir/"),
    # of the combined patch and s/qmail
    Setting("badmailfromnorelay", Kind.LIST, ("smtpd",), When.CONNECTION,
            "As badmailfrom, for clients that may not relay.", is_patterns=True),
    Setting("badrcptto", Kind.LIST, ("smtpd",), When.CONNECTION,
            "Envelope recipients, `@domain`s or patterns that are refused.", is_patterns=True),
    Setting("badrcpttonorelay", Kind.LIST, ("smtpd",), When.CONNECTION,
            "As badrcptto, for clients that may not relay.", is_patterns=True),
    Setting("badhelo", Kind.LIST, ("smtpd",), When.CONNECTION,
            "Names or patterns that a client must not give itself in HELO; `name!` is let through "
            "all tests of names.", is_patterns=True),
    Setting("qregex", Kind.INT, ("smtpd",), When.CONNECTION,
            "1: every line of badmailfrom, badrcptto, badhelo and their like is a regular "
            "expression, as with qregex; `!` in front negates.", 0, most=1),
    Setting("mfcheck", Kind.INT, ("smtpd",), When.CONNECTION,
            "The sender's domain must exist in DNS: 0 no, 1 yes, 2 failures are logged, 3 passes "
            "too; MFCHECK of the client's rule comes first.", 0, most=3),
    Setting("maxrcpt", Kind.INT, ("smtpd",), When.CONNECTION,
            "Greatest number of recipients of a message, refused ones included; 0: no limit of "
            "this kind.", 0),
    Setting("recipients", Kind.LIST, ("smtpd",), When.CONNECTION,
            "Which recipients exist: `domain:file.cdb`, `@domain:file.cdb`, `domain|program`, "
            "`!domain`, `!*`; without the file nobody is asked (s/qmail)."),
    Setting("replyprofile", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Whose words refusals are told in: `qmail` or `sqmail`.", b"qmail"),
    Setting("relayreply", Kind.LINE, ("smtpd",), When.CONNECTION,
            "How a refusal to relay is told: `rcpthosts` (isn't in my list of allowed rcpthosts) "
            "or `relayed` (isn't allowed to be relayed thru this MTA).", b"rcpthosts"),
    Setting("opensmtp", Kind.LINE, ("smtpd",), When.CONNECTION,
            "POP before SMTP: vpopmail's open-smtp file, or a directory with a file for each "
            "address; clients with a fresh entry may relay."),
    Setting("opensmtpseconds", Kind.INT, ("smtpd",), When.CONNECTION,
            "How many seconds an entry of opensmtp counts.", 10_800, least=1),
    Setting("timeoutrcptcheck", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds that a program asked about a recipient or given a message (RCPTCHECK, "
            "recipients, QMAILQUEUE) may run.", 60, least=1, most=1_200),
    # this server's own
    Setting("listen", Kind.LIST, ("supervisor",), When.START,
            "Where to listen, a line each: `smtp 0.0.0.0:25`, `submission [::]:587`."),
    Setting("enhancedcodes", Kind.INT, ("smtpd",), When.CONNECTION,
            "1: announce ENHANCEDSTATUSCODES and put the code in front (RFC 2034).", 0, most=1),
    Setting("tracecodes", Kind.INT, ("smtpd", "queue"), When.CONNECTION,
            "0: leave trace codes out of replies, bounces and Received lines.", 1, most=1),
    Setting("checkrecipients", Kind.INT, ("smtpd",), When.CONNECTION,
            "1: refuse recipients at RCPT that have no mailbox, alias or program here.", 0, most=1),
    Setting("openrelay", Kind.INT, ("supervisor", "smtpd"), When.START,
            "1: a missing rcpthosts means every domain, as in qmail; else the server does not "
            "start without rcpthosts.", 0, most=1),
    Setting("queueminfree", Kind.INT, ("queue",), When.RELOAD,
            "Bytes that must be free on the queue's disk before a message is taken.",
            67_108_864),
    Setting("maxprograms", Kind.INT, ("local",), When.RELOAD,
            "How many programs of dot-qmail files may run at once.", 20, least=1, most=1_000),
    Setting("timeoutprogram", Kind.INT, ("local",), When.DELIVERY,
            "Seconds a program of a dot-qmail file may run.", 3_600, least=1),
    Setting("programmemory", Kind.INT, ("local",), When.DELIVERY,
            "Bytes of memory a program of a dot-qmail file may use; 0: no limit of ours.", 0),
    Setting("syncmode", Kind.LINE, ("local",), When.RELOAD,
            "How Maildir batches reach the disk: `auto`, `syncfs` or `fsync`.", b"auto"),
    Setting("smtpdprocesses", Kind.INT, ("supervisor",), When.START,
            "How many SMTP server processes run; 0: one for every two cores.", 0, most=64),
    Setting("logsize", Kind.INT, ("log",), When.START,
            "Bytes after which a text log file is rotated (multilog's s).", 1_000_000,
            least=4_096, most=16_777_215),
    Setting("logfiles", Kind.INT, ("log",), When.START,
            "How many text log files are kept (multilog's n).", 20, least=2, most=10_000),
    Setting("historydays", Kind.INT, ("log",), When.START,
            "How many days of history are kept.", 30, least=1, most=36_500),
    Setting("passwordhash", Kind.LINE, ("keeper", "commands"), When.RUN,
            "How new passwords are hashed: `sha512`, which vpopmail's programs can read, or "
            "`argon2id`.", b"sha512"),
    Setting("assignrebuild", Kind.INT, ("local",), When.RELOAD,
            "1: build users/cdb when users/assign is newer, before mail is delivered by it; "
            "else that is only told.", 0, most=1),
    Setting("breakcharacter", Kind.LINE, ("local",), When.RELOAD,
            "What parts user and extension in a local part.", b"-"),
)  # fmt: skip

SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _ALL}
