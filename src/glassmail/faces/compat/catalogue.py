"""What the historical commands take and say, by name: for the manual and for docs/coverage.md.

Each command's module does the work and does not import this, since it must start quickly;
tests/faces/compat/test_catalogue.py compares the option letters with those that the modules read,
and every row here must be observed by a test.
"""

from typing import NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        name: as it is called.
        synopsis: its arguments.
        purpose: a sentence.
        options: option or letter -> what it does.
        variables: environment variable -> what it does.
        exits: exit code -> when.
        texts: what it may print on descriptor 2 that is its own, by a short name.
    """

    name: str
    synopsis: str
    purpose: str
    options: dict[str, str] = {}
    variables: dict[str, str] = {}
    exits: dict[int, str] = {}
    texts: dict[str, str] = {}

    def rows(self) -> list[str]:
        """Names of everything that a test must observe."""
        named = [
            *self.options, *(f"${name}" for name in self.variables),
            *(f"exit {code}" for code in self.exits), *self.texts,
        ]  # fmt: skip
        return [f"{self.name}/{name}" for name in named]


_TROUBLE = "something that may go better later"
_USAGE = "usage"

COMMANDS: tuple[Command, ...] = (
    Command(
        "qmail-inject",
        "[ -nNaAhH ] [ -fsender ] [ recip ... ]",
        "Complete the header of a message and queue it.",
        {
            "-a": "recipients from the command line only",
            "-h": "recipients from the header only",
            "-A": "recipients from the command line if there are any, else from the header",
            "-H": "recipients from both",
            "-n": "print the message, do not queue it",
            "-N": "queue it",
            "-f": "envelope sender",
            "QMAILINJECT c": "From as `address (Name)`",
            "QMAILINJECT s": "the message's Return-Path is not looked at",
            "QMAILINJECT f": "the message's From is replaced",
            "QMAILINJECT i": "the message's Message-ID is replaced",
            "QMAILINJECT r": "a sender for each recipient (VERP)",
            "QMAILINJECT m": "a sender for each message",
        },
        {
            "QMAILUSER": "user of From and of the sender",
            "MAILUSER": "the same, when QMAILUSER is not set",
            "USER": "the same, when those are not set",
            "LOGNAME": "the same, when those are not set; `anonymous` at the end",
            "QMAILHOST": "host of From and of the sender",
            "MAILHOST": "the same, when QMAILHOST is not set",
            "QMAILSUSER": "user of the envelope sender",
            "QMAILSHOST": "host of the envelope sender",
            "QMAILNAME": "full name in From",
            "MAILNAME": "the same, when QMAILNAME is not set",
            "NAME": "the same, when those are not set",
            "QMAILINJECT": "letters, see the options",
            "QMAILMFTFILE": "file with addresses of mailing lists, for Mail-Followup-To",
            "QMAILDEFAULTDOMAIN": "in place of control/defaultdomain",
            "QMAILDEFAULTHOST": "in place of control/defaulthost",
            "QMAILIDHOST": "in place of control/idhost",
            "QMAILPLUSDOMAIN": "in place of control/plusdomain",
            "QMAILQUEUE": "program that is given the message in the queue's place",
        },
        {0: "the message is queued", 100: "message or arguments cannot be right", 111: _TROUBLE},
        {
            "Date": "a Date field is added when there is none",
            "Message-ID": "a Message-ID field is added when there is none",
            "From": "a From field is added when there is none",
            "recipient list not shown": "stands in Cc when nobody is named in the header",
            "Resent-": "with a field of that kind the added ones are Resent- fields",
            "Bcc": "is removed",
            "Return-Path": "is removed, its address used as sender",
            "Content-Length": "is removed",
            "MBOX-Line": "a first line `From x` is turned into it",
            "line without colon": "ends the header",
            "defaulthost": "is added to addresses without host",
            "defaultdomain": "is added to hosts without dot",
            "plusdomain": "replaces a `+` at the end of a host",
            "unable to parse": "a From that cannot be parsed is refused, a To stays as it is",
        },
    ),
    Command(
        "sendmail",
        "[ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]",
        "What programs call to send mail.",
        {
            "-t": "recipients from the header too",
            "-f": "sender",
            "-F": "full name of the sender",
            "-bm": "send a message, the default",
            "-bp": "print the queue",
            "-bs": "SMTP on descriptors 0 and 1",
            "-b": "any other -b is a mistake",
            "-B": "ignored with its argument",
            "-p": "ignored with its argument",
            "-v": "ignored",
            "-i": "ignored",
            "-x": "ignored",
            "-m": "ignored",
            "-e": "ignored with its argument",
            "-o": "ignored with its argument",
            "-E": "ignored",
            "-J": "ignored",
        },
        exits={0: "the message is queued", 100: _USAGE, 111: _TROUBLE},
    ),
    Command("mailq", "", "Print the queue.", exits={0: "printed"}),
    Command("newaliases", "", "Tells what to use instead.", exits={100: "always"}),
    Command(
        "forward",
        "address ...",
        "Forward a message from a dot-qmail file.",
        {},
        {
            "DTLINE": "put before the message",
            "NEWSENDER": "the envelope sender",
            "QMAILQUEUE": "program that is given the message in the queue's place",
        },
        {0: "forwarded", 100: "never to be forwarded", 111: _TROUBLE},
        {"qp": "`forward: qp N` on success"},
    ),
    Command(
        "condredirect",
        "address program ...",
        "Forward a message and stop, if a program ends with 0.",
        {},
        {"SENDER": "the envelope sender", "DTLINE": "put before the message"},
        {0: "the program ended otherwise: go on", 99: "forwarded: stop", 111: "so did the program"},
    ),
    Command(
        "bouncesaying",
        "text [ program ... ]",
        "Bounce a message, if a program ends with 0.",
        exits={100: "bounced with the text", 0: "not to be bounced", 111: "so did the program"},
    ),
    Command(
        "except",
        "program ...",
        "Turn a program's answer round.",
        exits={100: "the program ended with 0", 0: "it did not", 111: "so did the program"},
    ),
    Command(
        "preline",
        "[ -frd ] program ...",
        "Put lines about the delivery before a message.",
        {"-f": "no From_ line", "-r": "no Return-Path", "-d": "no Delivered-To"},
        {"UFLINE": "From_ line", "RPLINE": "Return-Path line", "DTLINE": "Delivered-To line"},
        {0: "as the program", 100: "no such program", 111: _TROUBLE},
    ),
    Command(
        "qmail-local",
        "[ -nN ] user homedir local dash ext domain sender aliasempty",
        "Deliver a message to one user, or tell how.",
        {"-n": "tell only", "-N": "deliver"},
        exits={0: "delivered", 100: "never to be delivered", 111: _TROUBLE},
        texts={
            "maildir": "-n: `maildir X`", "mbox": "-n: `mbox X`", "program": "-n: `program X`",
            "forward": "-n: `forward X`", "did": "`did F+W+P`",
        },
    ),
    Command("maildirmake", "name", "Make a Maildir.",
            exits={0: "made", 100: _USAGE, 111: "it is there, or cannot be made"}),
    Command(
        "maildir2mbox",
        "",
        "Move the mail of a Maildir into an mbox file.",
        {},
        {"MAILDIR": "the Maildir", "MAIL": "the mbox file", "MAILTMP": "where it is made anew"},
        {0: "moved", 111: _TROUBLE},
    ),
    Command(
        "qreceipt",
        "deliveryaddress",
        "Answer a request for a delivery notice.",
        {},
        {"SENDER": "who gets the notice"},
        {0: "answered, or nothing to answer", 100: _USAGE, 111: _TROUBLE},
    ),
    Command(
        "qbiff",
        "",
        "Tell the user's terminals of new mail.",
        {},
        {"USER": "whose terminals", "RECIPIENT": "shown", "SENDER": "shown"},
        {0: "always"},
    ),
    Command("mailsubj", "subject address ...", "Send descriptor 0 with a subject.",
            exits={0: "queued", 100: _USAGE}),
    Command("datemail", "argument of sendmail ...", "sendmail with a Date in local time.",
            exits={0: "queued"}),
    Command("predate", "program ...", "Put a Date in local time before a message.",
            exits={0: "as the program", 100: _USAGE, 111: "no such program, or it crashed"}),
    Command(
        "tcp-env",
        "[ -rR ] [ -t timeout ] program ...",
        "Tell a program about the connection on descriptor 0.",
        {
            "-r": "ask the client's RFC 1413 server", "-R": "do not", "-t": "seconds to wait for it"
        },
        {
            "PROTO": "TCP", "TCPLOCALIP": "our address", "TCPLOCALPORT": "our port",
            "TCPLOCALHOST": "our name", "TCPREMOTEIP": "the client's address",
            "TCPREMOTEPORT": "its port", "TCPREMOTEHOST": "its name",
            "TCPREMOTEINFO": "what its RFC 1413 server says",
        },
        {100: _USAGE, 111: "no such program"},
    ),
    Command(
        "qmail-newu",
        "",
        "Make users/cdb from users/assign.",
        exits={0: "made", 111: "not made, the old one stays"},
        texts={
            "unable to chdir": "no ROOT",
            "unable to open users/assign": "no such file",
            "bad format in users/assign": "a line that cannot be read, or no last line `.`",
            "unable to open users/cdb.tmp": "the new file cannot be made",
            "unable to move users/cdb.tmp to users/cdb": "it cannot take the old one's place",
        },
    ),
    Command(
        "qmail-newmrh",
        "",
        "Make control/morercpthosts.cdb from control/morercpthosts.",
        exits={0: "made", 111: "not made"},
    ),
    Command(
        "qmail-getpw",
        "local",
        "Tell which account takes mail for a local part.",
        exits={0: "six fields", 100: _USAGE, 115: "a home cannot be looked at", 116: "no alias"},
    ),
    Command(
        "qmail-pw2u",
        "[ -/ohHuU ] [ -cC ]",
        "Make lines of users/assign from a passwd file.",
        {
            "-/": "extensions in files below .qmail/",
            "-o": "accounts without a home of their own are left out (the default)",
            "-h": "stop at a missing home",
            "-H": "do not look at homes",
            "-u": "names with capitals too",
            "-U": "not those (the default)",
            "-c": "break character",
            "-C": "no extensions",
        },
        exits={0: "printed", 100: _USAGE, 111: "nothing printed"},
        texts={
            "users/include": "only these accounts", "users/exclude": "not these",
            "users/mailnames": "names that an account is known by", "users/subusers": "parts",
            "users/append": "put at the end",
            "unable to find alias user": "the passwd file lacks it",
            "unable to find user for subuser": "a subuser of nobody",
            "unable to stat": "a missing home with -h",
        },
    ),
    Command(
        "qmail-smtpd",
        "",
        "Serve one SMTP session on descriptors 0 and 1, for tcpserver and xinetd.",
        {},
        {
            "TCPREMOTEIP": "the client; with it the environment is its rule",
            "TCPREMOTEHOST": "its name", "TCPREMOTEINFO": "its user",
            "TCPLOCALHOST": "our name in the Received line",
            "RELAYCLIENT": "the client may relay; so with every variable of a rule",
        },
        {0: "the client said QUIT", 1: "the session ended in another way"},
        {"unable to read controls": "421; the site's files cannot be used"},
    ),
    Command(
        "recordio",
        "program [ arg ... ]",
        "Tell descriptor 2 what passes between a program and the network.",
        exits={100: _USAGE, 111: "no such program"},
        texts={" < ": "a line from the network", " > ": "a line to the network",
               "[EOF]": "nothing more comes", "unable to run": "no such program"},
    ),
    Command(
        "fixcrio",
        "program [ arg ... ]",
        "Put a CR before each LF that lacks one, to a program and from it.",
        exits={100: _USAGE, 111: "no such program"},
        texts={"unable to run": "no such program"},
    ),
)  # fmt: skip
