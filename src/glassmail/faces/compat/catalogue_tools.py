"""What the commands that look at the queue, rules and logs take and say (see catalogue.py)."""

from glassmail.core.formats.queue_exit import text_of
from glassmail.faces.compat.catalogue import COMMANDS, Command
from glassmail.faces.compat.catalogue_vpopmail import VPOPMAIL

# What qmail-queue ends with, in the words that its callers have for it.
_REFUSALS = {
    code: text_of(code)[1:].decode("ascii") for code in (11, 51, 53, 54, 62, 71, 91, 115)
}
_SITE = {"GLASSMAIL_ROOT": "the site; else /var/lib/glassmail"}

TOOLS: tuple[Command, ...] = (
    Command(
        "qmail-queue", "",
        "Queue a message: its text on descriptor 0, its envelope on descriptor 1.",
        variables=_SITE,
        exits={0: "the message is in the queue, durably", **_REFUSALS},
    ),
    Command(
        "qmail-qread", "",
        "List the messages of the queue, each with its recipients. Root, the site's owner and "
        "members of group glass see all, others what they handed in. While no server runs, root "
        "and the site's owner see what lies on the disk.",
        variables=_SITE,
        exits={0: "listed", 111: "no server answers, and the disk may not be read"},
    ),
    Command(
        "qmail-qstat", "", "Count the messages of the queue.",
        variables=_SITE,
        exits={0: "counted", 111: "no server answers, and the disk may not be read"},
    ),
    Command(
        "qmail-qmaint", "[ -i ] [ -d messid [ -D ] ]",
        "Look whether the queue on the disk is whole, or take a message out of it; see glass "
        "queue check and glass queue drop.",
        {"-i": "look", "-d": "take this message out: it goes to queue/aside",
         "-D": "accepted: s/qmail wants it for really doing it"},
        variables=_SITE,
        exits={0: "all is well, or done", 99: "faults were found, or there is no such message",
               100: "usage", 110: "the queue cannot be looked at or changed"},
    ),
    Command(
        "qmail-showctl", "", "Tell what the control files say, a sentence for each.",
        variables=_SITE, exits={0: "told", 111: "the control directory cannot be read"},
    ),
    Command(
        "qmail-tcpto", "",
        "List the addresses whose connections timed out of late; IPv6 after qmail's own table.",
        variables=_SITE, exits={0: "listed", 111: "the table cannot be used"},
    ),
    Command(
        "qmail-tcpok", "", "Forget which connections timed out. Silent.",
        variables=_SITE, exits={0: "forgotten", 111: "the table cannot be used"},
    ),
    Command(
        "splogger", "[ tag [ facility ] ]",
        "Hand the lines of standard input to syslog, with a stamp of seconds in front. The "
        "priority follows from the start of a line (alert:, warning:); long lines are folded, "
        "and go on after a +. control/logto does the same without a pipe.",
        exits={0: "the input ended"},
    ),
    Command(
        "tai64n", "", "Put a TAI64N label and a blank in front of each line of standard input.",
        exits={0: "the input ended"},
    ),
    Command(
        "tai64nlocal", "", "Turn the TAI64N label at the start of a line into local time.",
        variables={"TZ": "the time zone"}, exits={0: "the input ended"},
    ),
    Command(
        "tcprules", "cdb temporary",
        "Make a cdb of the rules for clients on standard input.",
        exits={0: "made", 100: "usage, or a line that cannot be parsed", 111: "not made"},
    ),
    Command(
        "tcprulescheck", "cdb",
        "Tell which rule a client gets, by the variables that tcpserver sets.",
        variables={"TCPREMOTEIP": "the client's address", "TCPREMOTEHOST": "its name",
                   "TCPREMOTEINFO": "its user"},
        exits={0: "told", 100: "usage", 111: "the cdb cannot be read"},
    ),
)  # fmt: skip

ALL = (*COMMANDS, *VPOPMAIL, *TOOLS)
