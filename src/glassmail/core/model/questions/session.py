"""Questions of the SMTP session."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "session.order",
        "was {subject} understood and in its place?",
        "Unknown commands, bad addresses, MAIL, RCPT and DATA out of order, over-long lines and "
        "too many errors are refused before any policy is asked (RFC 5321, 4.1.4).",
    ),
    Question(
        "session.service",
        "can {subject} be served now?",
        "A connection is turned away while the settings cannot be read, the queue has never "
        "answered, too many sessions run, or the server stops.",
    ),
    Question(
        "session.patience",
        "did {subject} send in time?",
        "timeoutsmtpd bounds the wait for each read; one message must also be complete within "
        "a fixed time, however it trickles.",
    ),
    Question(
        "session.proxy",
        "is {subject} a proxy that may say whose connection this is?",
        "A listener with `proxy=` in control/listen takes connections of these proxies alone, "
        "each with a PROXY header of version 1 or 2 that names the client.",
    ),
    Question(
        "session.remote-host",
        "has {subject} a name in DNS?",
        "control/remotehost: the PTR record of the client's address, which must lead back to it "
        "unless the setting is `yes`. Rules for names (`=.example.test:`) go by it.",
    ),
    Question(
        "session.remote-info",
        "who is the user of {subject}?",
        "control/remoteinfo: the RFC 1413 server of the client's host is asked.",
    ),
    Question(
        "session.client-rule",
        "may {subject} connect?",
        "The first rule of control/tcp.smtp that matches the client decides; it also sets the "
        "client's variables (tcprules). Denied clients are hung up on without a word.",
    ),
    Question(
        "session.security",
        "can everything be obeyed that the rule of {subject} says of AUTH and TLS?",
        "FORCE_TLS contradicts DENY_TLS, REQUIRE_AUTH needs somebody who can log in, ALLOW_CRAM "
        "cannot be had of the hashes in AUTH_CDB.",
    ),
    Question(
        "session.tls",
        "is TLS under the session ({subject})?",
        "STARTTLS, or a listener that begins with the handshake; the subject is the cipher.",
    ),
    Question(
        "session.force_tls",
        "has {subject} begun TLS?",
        "FORCE_TLS or UCSPITLS of the client's rule demand TLS before MAIL.",
    ),
    Question(
        "session.login",
        "is the client {subject}?",
        "A name with its password, or a proof that the client knows it; the keeper looks into the "
        "account, for it alone sees secrets.",
    ),
    Question(
        "session.declared-size",
        "is the declared size of {subject} bytes within databytes?",
        "The SIZE parameter of MAIL (RFC 1870) against control/databytes or the client's "
        "variable DATABYTES, before the message is sent.",
    ),
    Question(
        "session.leads_here",
        "do the MX records of {subject} lead here?",
        "Asked by trace only: mail for a domain that is not ours comes by a mistaken MX record.",
    ),
    Question(
        "session.badmailfrom",
        "is {subject} in badmailfrom?",
        "The whole envelope sender, then its `@domain`. Asked at MAIL, answered at each RCPT, "
        "before relaying rights are looked at (qmail-smtpd.c bmfcheck).",
    ),
    Question(
        "session.authorization",
        "may {subject} submit mail here?",
        "A submission listener serves clients that have proven who they are, or whose rule "
        "sets RELAYCLIENT.",
    ),
    Question(
        "session.relayclient",
        "may {subject} send to any domain?",
        "The variable RELAYCLIENT of the client's rule takes the place of rcpthosts; its value "
        "is put behind the recipient (qmail-smtpd.c addrallowed).",
    ),
    Question(
        "session.recipient",
        "is there somebody here for {subject}?",
        "With control/checkrecipients, recipients of our own domains are looked up while the "
        "client waits; nobody means 550. When it cannot be told, the recipient is accepted.",
    ),
    Question(
        "session.keeper",
        "did the keeper answer for {subject}?",
        "Mailboxes lie in closed homes; the keeper is the process that may look. When it does "
        "not answer in time nobody can tell, and the recipient is accepted.",
    ),
    Question(
        "session.hops",
        "did it pass fewer than 100 servers ({subject} so far)?",
        "100 or more header lines that begin with Received or Delivered mean a loop.",
    ),
    Question(
        "session.databytes",
        "is a message of {subject} bytes within databytes?",
        "control/databytes, or the client's variable DATABYTES, against the stored size.",
    ),
    Question(
        "session.line-ends",
        "do all lines of the message end with CR LF?",
        "A lone CR or LF is where two servers can disagree on the end of a message, and a "
        "second one is smuggled in; such messages are refused (RFC 5321, 2.3.8).",
    ),
    Question(
        "session.queue",
        "did the queue take the message of {subject}?",
        "The client is told 250 only after the queue has the message durably.",
    ),
    Question(
        "session.blocked",
        "is {subject} shut out for a while?",
        "A limit that the client or its network passed (control/maxbadrecipients and its like), "
        "or an order (`glass block`).",
    ),
    Question(
        "session.load",
        "is the load of this host low enough for {subject}?",
        "MAXLOAD of the client's rule against the load average of the last minute, times 100 "
        "(tcpserver's limits patch).",
    ),
    Question(
        "session.connections",
        "are few enough connections open beside that of {subject}?",
        "MAXCONNIP, MAXCONNC and control/concurrencyincoming against the connections that all "
        "processes have open; the gate counts.",
    ),
    Question(
        "session.logins",
        "may {subject} try a password now?",
        "control/maxbadlogins bounds wrong passwords of a client, of its networks and of an "
        "account.",
    ),
    Question(
        "session.account-rate",
        "may mail of {subject} go out?",
        "control/maxaccountrecipients bounds what an account sends within an hour; mail beyond "
        "it is taken and held in the queue, and the postmaster is told.",
    ),
    Question(
        "session.greetdelay",
        "is {subject} greeted late?",
        "GREETDELAY holds the greeting back; programs that send spam often do not wait for it. "
        "With DROP_PRE_GREET whoever speaks first is refused.",
    ),
    Question(
        "session.mfcheck",
        "does {subject} take mail?",
        "MFCHECK, control/mfcheck and MFDNSCHECK: the sender's domain needs an MX record that "
        "names a host, or an address of its own; else no bounce could ever reach it.",
    ),
    Question(
        "session.maxrcpt",
        "may this message have {subject} recipients?",
        "MAXRCPT, MAXRECIPIENTS or control/maxrcpt bound the recipients of one message, refused "
        "ones included; the client sends the rest later.",
    ),
    Question(
        "session.rblsmtpd",
        "is mail of {subject} refused by its rule's text?",
        "RBLSMTPD with a text refuses each recipient of a client with 451, with 553 behind a `-`, "
        "as rblsmtpd does; empty refuses nothing.",
    ),
    Question(
        "session.relayrej",
        "does {subject} hold another address?",
        "RELAYREJ refuses local parts with `@`, `%` or `!`, which servers behind might relay.",
    ),
    Question(
        "session.badhelo",
        "is {subject} in badhelo?",
        "Names, wildcards and regular expressions of control/badhelo against the name in HELO or "
        "EHLO; answered at each RCPT.",
    ),
    Question(
        "session.helocheck",
        "is {subject} a good name for this client?",
        "HELOCHECK of the client's rule: a name must be given (`!`, `.`), be its name in DNS "
        "(`=`), or have an address (`A`) or MX record (`M`).",
    ),
    Question(
        "session.badrcptto",
        "is {subject} in badrcptto?",
        "Addresses, `@domain`s and patterns of control/badrcptto, for every client; of "
        "control/badrcpttonorelay for those that may not relay.",
    ),
    Question(
        "session.localmfcheck",
        "may this client send as {subject}?",
        "LOCALMFCHECK binds the envelope sender of clients that may relay: to our own domains, "
        "to the client's user, or to one domain.",
    ),
    Question(
        "session.tarpit",
        "may {subject} go on naming recipients at once?",
        "TARPITCOUNT and TARPITDELAY slow down, or refuse, clients that name very many or very "
        "many wrong recipients.",
    ),
    Question(
        "session.validrcptto",
        "is {subject} a valid recipient?",
        "VALIDRCPTTO_CDB: the address, its extensions cut to `-default`, then `@domain`; a value "
        "that begins with `-` refuses.",
    ),
    Question(
        "session.invalid-recipients",
        "did {subject} name few wrong recipients so far?",
        "VALIDRCPTTO_LIMIT hangs up on a client that guesses recipients.",
    ),
    Question(
        "session.recipients",
        "does control/recipients have {subject}?",
        "Files and programs of s/qmail's control/recipients, from the top, up to the first that "
        "knows the recipient.",
    ),
    Question(
        "session.rcptcheck",
        "does the site's own program accept {subject}?",
        "RCPTCHECK names a program that is asked last about each recipient; exit code 100 and 111 "
        "refuse, with the text that it writes to descriptor 4.",
    ),
    Question(
        "session.queue-program",
        "did the program in the queue's place take the message of {subject}?",
        "QMAILQUEUE names a program that gets message and envelope instead of the queue; what it "
        "hands on becomes another message.",
    ),
)
