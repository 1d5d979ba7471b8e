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
            "Whose words refusals are told in: `qmail` or `sqmail`.", b"qmail",
            words=(b"qmail", b"sqmail")),
    Setting("relayreply", Kind.LINE, ("smtpd",), When.CONNECTION,
            "How a refusal to relay is told: `rcpthosts` (isn't in my list of allowed rcpthosts) "
            "or `relayed` (isn't allowed to be relayed thru this MTA).", b"rcpthosts",
            words=(b"rcpthosts", b"relayed")),
    Setting("opensmtp", Kind.LINE, ("smtpd",), When.CONNECTION,
            "POP before SMTP: vpopmail's open-smtp file, or a directory with a file for each "
            "address; clients with a fresh entry may relay."),
    Setting("opensmtpseconds", Kind.INT, ("smtpd",), When.CONNECTION,
            "How many seconds an entry of opensmtp counts.", 10_800, least=1),
    Setting("timeoutrcptcheck", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds that a program asked about a recipient or given a message (RCPTCHECK, "
            "recipients, QMAILQUEUE) may run.", 60, least=1, most=1_200),
    Setting("smtpauth", Kind.LIST, ("smtpd", "keeper"), When.CONNECTION,
            "Whose logins count for AUTH, a word a line, asked in this order: `vpopmail`, "
            "`system`, `checkpassword`; without the file nobody logs in.",
            words=(b"vpopmail", b"system", b"checkpassword")),
    Setting("authmechanisms", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Mechanisms of AUTH in the order in which they are announced; CRAM-MD5 and "
            "SCRAM-SHA-256 only while every account has a verifier.",
            b"LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256", is_many=True,
            words=(b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256")),
    Setting("checkpassword", Kind.LINE, ("keeper",), When.CONNECTION,
            "The checkpassword program of smtpauth's `checkpassword`, with its arguments."),
    Setting("authdelay", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds that a client waits for the answer to a wrong password.", 2, most=60),
    Setting("tlsserverciphers", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Ciphers of TLS 1.2 as an OpenSSL list; those of TLS 1.3 are always the library's.",
            b"ECDHE+AESGCM:ECDHE+CHACHA20"),
    Setting("tlsclients", Kind.LIST, ("smtpd",), When.CONNECTION,
            "E-mail addresses whose certificates, signed by control/clientca.pem, may relay."),
    # tcpserver's options, and limits of clients
    Setting("concurrencyincoming", Kind.INT, ("smtpd",), When.CONNECTION,
            "Greatest number of SMTP connections at once, over all processes (tcpserver -c); 0: "
            "no limit of this kind.", 0, most=1_000_000),
    Setting("remotehost", Kind.LINE, ("smtpd",), When.CONNECTION,
            "Whether clients' names are looked up in DNS (TCPREMOTEHOST): `yes`, `paranoid` (a "
            "name must lead back to the address; tcpserver -p), `no`, or `auto`: as `paranoid` "
            "while a rule of control/tcp.smtp is for a name.", b"auto",
            words=(b"auto", b"no", b"yes", b"paranoid")),
    Setting("remotehosttimeout", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds that looking a client's name up may take.", 5, least=1, most=60),
    Setting("remoteinfo", Kind.INT, ("smtpd",), When.CONNECTION,
            "Seconds to wait for the client's RFC 1413 server (TCPREMOTEINFO; tcpserver -r and "
            "-t); 0: it is not asked.", 0, most=60),
    Setting("tcpserverlog", Kind.INT, ("smtpd",), When.CONNECTION,
            "1: tcpserver's lines (status, pid, ok, deny, end) stand in log/smtpd, too.", 0,
            most=1),
    Setting("maxbadlogins", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "Wrong passwords of a client within a minute, then its logins are refused for "
            "blockseconds; three and nine times that of its networks; 0: no limit.", 10),
    Setting("maxbadrecipients", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "Unknown recipients that a client names within a minute, then it is not served for "
            "blockseconds; three and nine times that of its networks; 0: no limit.", 0),
    Setting("maxerrors", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "As maxbadrecipients, for commands that are refused (4xx and 5xx).", 0),
    Setting("maxconnects", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "As maxbadrecipients, for connections.", 0),
    Setting("maxmessages", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "Messages that a client may send within an hour, then it is not served for "
            "blockseconds; three and nine times that of its networks; 0: no limit.", 0),
    Setting("maxaccountrecipients", Kind.INT, ("gate", "smtpd"), When.CONNECTION,
            "Recipients that an account may send to within an hour; then its mail is taken but "
            "held, and the postmaster is told; 0: no limit.", 0),
    Setting("blockseconds", Kind.INT, ("gate",), When.CONNECTION,
            "How long a client that passed a limit is not served.", 600, least=1,
            most=31_622_400),
    # this server's own
    Setting("ehlo", Kind.LINE, ("smtpd",), When.CONNECTION,
            "What EHLO announces, in this order: PIPELINING 8BITMIME SIZE SMTPUTF8 STARTTLS AUTH "
            "AUTH= ENHANCEDSTATUSCODES; a word that is not there is not offered.",
            b"PIPELINING 8BITMIME SIZE SMTPUTF8 STARTTLS AUTH ENHANCEDSTATUSCODES", is_many=True,
            words=(b"PIPELINING", b"8BITMIME", b"SIZE", b"SMTPUTF8", b"STARTTLS", b"AUTH", b"AUTH=",
                   b"ENHANCEDSTATUSCODES")),
    Setting("listen", Kind.LIST, ("supervisor",), When.START,
            "Where to listen, a line each: `smtp 0.0.0.0:25`, `submission [::]:587`; for programs "
            "that change accounts `vpopmaild 127.0.0.1:89`, on loopback alone."),
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
            "How many files of a text log are kept, the current one included (multilog's n).", 20,
            least=2, most=10_000),
    Setting("smtpdlog", Kind.LINE, ("smtpd",), When.CONNECTION,
            "`sqmail`: log/smtpd also holds s/qmail's lines (`qmail-smtpd: pid P "
            "Reject::RCPT::Bad_Rcptto ...`) of accepted recipients and refusals; else `plain`.",
            b"plain", words=(b"plain", b"sqmail")),
    Setting("logto", Kind.LIST, ("log",), When.START,
            "Where log lines go, a line each: `files` (the default), `syslog [FACILITY] "
            "[/SOCKET]` as splogger writes them, `journal [/SOCKET]` for systemd's journal. News "
            "of the processes is in log/serve whatever stands here."),
    Setting("logstamp", Kind.LINE, ("log",), When.START,
            "Time in front of a line of a text log: `tai64n`, `tai64nlocal` or `none`.",
            b"tai64n"),
    Setting("logprocessor", Kind.MAP, ("log",), When.START,
            "`LOG:PROGRAM`: finished files of a text log go through a program, as with "
            "multilog's `!`: it reads descriptor 0, writes descriptor 1, finds on 4 what it last "
            "wrote to 5."),
    Setting("metrics", Kind.LINE, ("log",), When.START,
            "Where figures can be read in Prometheus' text format, as `127.0.0.1:9154`: an address "
            "of the loopback interface and a port; without the file nowhere."),
    Setting("logrecords", Kind.LINE, ("log",), When.START,
            "One line for each session, message and delivery in log/records: `json`, `keyvalue` "
            "or `none`.", b"none"),
    Setting("historydays", Kind.INT, ("log",), When.START,
            "How many days of history are kept.", 30, least=1, most=36_500),
    Setting("historygigabytes", Kind.INT, ("log",), When.START,
            "How many gigabytes of history are kept: the oldest days go first, today stays. "
            "0: only historydays counts.", 0, most=1_000_000),
    Setting("passwordhash", Kind.LINE, ("keeper", "commands"), When.RUN,
            "How new passwords are hashed: `sha512`, which vpopmail's programs can read, or "
            "`argon2id`.", b"sha512"),
    Setting("clearpasswords", Kind.INT, ("commands",), When.RUN,
            "1: the commands keep new passwords in clear as well, in the last field of vpasswd, as "
            "vpopmail built with clear passwords does; CRAM-MD5 and APOP need them.", 0, most=1),
    Setting("vpopmailhome", Kind.LINE, ("commands",), When.RUN,
            "The directory that holds vpopmail's `domains` and `etc`; without the file ROOT, or "
            "where the domains of users/assign are."),
    Setting("accountsdb", Kind.LINE, ("keeper", "local", "commands"), When.DELIVERY,
            "Where new virtual domains keep their mailboxes: `sqlite`, `sqlite:/FILE`, "
            "`postgresql://USER@HOST/NAME` or `mariadb://USER@HOST/NAME`; without the file in "
            "vpasswd. The password stands in users/accountsdb.password."),
    Setting("assignrebuild", Kind.INT, ("local",), When.RELOAD,
            "1: build users/cdb when users/assign is newer, before mail is delivered by it; "
            "else that is only told.", 0, most=1),
    Setting("breakcharacter", Kind.LINE, ("local",), When.RELOAD,
            "What parts user and extension in a local part.", b"-"),
)  # fmt: skip

SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _ALL}
