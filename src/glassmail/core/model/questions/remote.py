"""Questions of remote delivery."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "remote.helohost",
        "is there a name to greet other servers with ({subject})?",
        "control/helohost, else control/me.",
    ),
    Question(
        "remote.route",
        "is there a line for {subject} in smtproutes?",
        "The host itself is looked up, then each `.suffix` of it, then the empty key "
        "(qmail-remote.c). A line with an empty relay means: by MX records, as usual.",
    ),
    Question(
        "remote.route_readable",
        "can the smtproutes line of {subject} be obeyed?",
        "A relay with an unreadable port, or one that asks for a login, defers mail until the "
        "line is mended.",
    ),
    Question(
        "remote.literal",
        "is {subject} an address rather than a name?",
        "`[192.0.2.1]`, `192.0.2.1` and `[IPv6:2001:db8::1]` are used without asking DNS.",
    ),
    Question(
        "remote.mx",
        "which hosts take mail for {subject}?",
        "The MX records in the order they will be tried; equal preferences are drawn by lot. "
        "Without MX records the host's own addresses serve (RFC 5321, 5.1); a single `.` says "
        "that the domain takes no mail at all (RFC 7505).",
    ),
    Question(
        "remote.addresses",
        "which addresses has {subject}?",
        "A and AAAA records; the former are tried first.",
    ),
    Question(
        "remote.mine",
        "is {subject} one of our own addresses?",
        "If so, exchangers that are not better than ourselves are left out, else mail would "
        "run in circles.",
    ),
    Question(
        "remote.better",
        "is any exchanger of {subject} better than ourselves?",
        "If none is, the domain should stand in control/locals or control/virtualdomains.",
    ),
    Question(
        "remote.timed_out",
        "did connections to {subject} time out repeatedly?",
        "The tcpto table: an address with two or more recent timeouts is passed over for about "
        "an hour; `qmail-tcpto` shows the table, `qmail-tcpok` clears it.",
    ),
    Question(
        "remote.connect",
        "does {subject} accept a connection?",
        "The first address that does decides; later trouble does not try the next one.",
    ),
    Question(
        "remote.sendable",
        "can SMTP carry the address {subject}?",
        "A line end, a blank in the domain or another control character cannot be sent.",
    ),
    Question(
        "remote.whole_lines",
        "does {subject} end with a whole line?",
        "SMTP sends lines; a message without a final newline cannot be sent unchanged "
        "(qmail-remote.c blast).",
    ),
    Question(
        "remote.body",
        "can {subject} be read?",
        "The stored body could not be read, or has another size than the queue says.",
    ),
    Question(
        "remote.said",
        "what does the other server answer to {subject}?",
        "The reply code; the other server's own words stand beside it.",
    ),
    Question(
        "remote.alive",
        "does the connection to {subject} last?",
        "It was closed, stayed silent for timeoutremote seconds, or broke the order of replies.",
    ),
    Question(
        "remote.greeting",
        "who answers at {subject}?",
        "The name in the greeting, beside the one that this host greets with: behind address "
        "translation our own MX has an address that no interface here has.",
    ),
)
