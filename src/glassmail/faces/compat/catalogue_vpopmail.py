"""What vpopmail's commands take and answer, for the manual and for docs/coverage.md."""

from glassmail.faces.compat.catalogue import Command

_TROUBLE = "there is no site, or the port cannot be listened at"
_VERSION = {"-v": "print the version"}
_CHANGED = {0: "done", 255: "usage, or what has no number of its own"}
_NO_USER = {246: "there is no such mailbox", 245: "there is no such domain"}

VPOPMAIL: tuple[Command, ...] = (
    Command(
        "vadddomain",
        "[ -q quota ] [ -b ] [ -e target ] [ -u user ] [ -d dir ] [ -i uid ] [ -g gid ] [ -O ] "
        "[ -r[length] ] domain [ password ]",
        "Make a virtual domain with its postmaster.",
        {
            "-q": "quota of the postmaster's mailbox",
            "-b": "mail for nobody bounces",
            "-e": "mail for nobody goes to this address, or into this mailbox of the domain",
            "-u": "owner and home by a user's name",
            "-d": "the directory whose `domains` it is made in",
            "-i": "uid of its files",
            "-g": "gid of its files",
            "-O": "taken, and without effect",
            "-r": "make up a password and print it",
            **_VERSION,
        },
        exits={
            **_CHANGED, 243: "the domain exists", 244: "no name for a domain",
            230: "the name is too long", 229: "the password is too long",
            242: "its directory is there already", 239: "a file cannot be changed",
        },
    ),
    Command(
        "vaddaliasdomain",
        "real alias",
        "Give a domain the mailboxes of another; the names may be swapped.",
        _VERSION,
        exits=_CHANGED,
    ),
    Command(
        "vdeldomain",
        "[ -f ] domain",
        "Remove a virtual domain; its mail is moved to `.removed` beside its directory.",
        {"-f": "its alias domains, too", **_VERSION},
        exits={0: "done, or alias domains are in the way", 245: "there is no such domain"},
    ),
    Command(
        "vadduser",
        "[ -q quota ] [ -c comment ] [ -e hash ] [ -n ] [ -s ] [ -r[length] ] address [ password ]",
        "Make a mailbox.",
        {
            "-q": "its quota",
            "-c": "a comment",
            "-e": "a password's hash that was made elsewhere",
            "-n": "nobody can log in",
            "-s": "taken, and told to be without effect",
            "-r": "make up a password and print it",
            **_VERSION,
        },
        exits={
            **_CHANGED, 231: "the name is too long", 236: "the comment has a colon",
            228: "the comment is too long", 227: "the quota is too long",
            249: "the mailbox's directory is there already",
        },
    ),
    Command(
        "vdeluser",
        "address",
        "Remove a mailbox; its mail is moved to `.removed` in the domain's directory.",
        _VERSION,
        exits={0: "done", **_NO_USER},
    ),
    Command(
        "vpasswd",
        "[ -r ] address [ password ]",
        "Change a mailbox's password.",
        {"-r": "make up a password and print it", **_VERSION},
        exits={0: "done", 246: "there is no such mailbox"},
    ),
    Command(
        "vsetuserquota",
        "address|domain quota",
        "Set the quota of a mailbox, or of all of a domain.",
        _VERSION,
        exits={0: "done", **_NO_USER},
    ),
    Command(
        "valias",
        "[ -s ] [ -n ] [ -d ] [ -i line ] address|domain",
        "Show and change aliases.",
        {
            "-s": "show lines, the default",
            "-n": "show the names of a domain's aliases",
            "-d": "remove an alias",
            "-i": "add a line",
            **_VERSION,
        },
        exits={
            **_CHANGED, 222: "no line of a dot-qmail file", 224: "the line is too long",
            239: "the file belongs to a mailing list", 254: "an option that there is not",
        },
    ),
    Command(
        "vuserinfo",
        "[ -anpugcdqQCl ] address, or -D domain",
        "Tell of mailboxes.",
        {
            "-a": "everything, the default", "-n": "name", "-p": "the password's hash",
            "-u": "uid field", "-g": "flags", "-c": "comment", "-d": "directory", "-q": "quota",
            "-Q": "how full it is", "-C": "the password in clear, where it is kept",
            "-l": "the last login", "-D": "all mailboxes of a domain", **_VERSION,
        },
        exits={0: "told", 255: "there is no such mailbox"},
    ),
    Command(
        "vdominfo",
        "[ -anugdtr ] [ domain ]",
        "Tell of virtual domains.",
        {
            "-a": "everything, the default", "-n": "name", "-u": "uid", "-g": "gid",
            "-d": "directory", "-t": "number of mailboxes", "-r": "the real domain", **_VERSION,
        },
        exits={0: "told", 245: "there is no such domain"},
    ),
    Command(
        "vmoduser",
        "[ -n ] [ -q quota ] [ -c comment ] [ -e hash ] [ -C password ] [ -D dir ] "
        "[ -xdpswiboraSEfFmu0123 ] address|domain",
        "Change a mailbox, or all of a domain.",
        {
            "-n": "taken, and without effect: the cdb is made anew",
            "-q": "quota", "-c": "comment", "-e": "a password's hash", "-C": "a password",
            "-D": "directory", "-h": "print the usage", "-x": "take all flags away first",
            "-d": "its user may not change the password", "-p": "no POP3",
            "-s": "no AUTH to the SMTP server", "-w": "no webmail", "-i": "no IMAP",
            "-b": "bounce all mail", "-o": "not subject to the domain's limits",
            "-r": "no relaying", "-a": "administers the domain",
            "-S": "administers all domains; given by root alone",
            "-E": "may edit dot-qmail files; given by root alone", "-f": "no spamassassin",
            "-F": "spam is deleted", "-m": "no maildrop", "-u": "no dialup",
            "-0": "a flag for other programs", "-1": "another", "-2": "another",
            "-3": "another", **_VERSION,
        },
        exits={**_CHANGED, 236: "a field cannot hold that"},
    ),
    Command(
        "vmoddomlimits",
        "[ -S ] [ -D ] [ -d ] [ -QqMmPAFRL number ] [ -g flags ] [ -pafrluoxz rights ] domain",
        "Show and change what a domain may have.",
        {
            "-S": "show", "-D": "remove the domain's own limits", "-d": "the site's default",
            "-Q": "megabytes of the domain", "-q": "quota of new mailboxes",
            "-M": "messages of the domain", "-m": "messages of new mailboxes",
            "-P": "mailboxes", "-A": "aliases", "-F": "forwards", "-R": "autoresponders",
            "-L": "mailing lists", "-g": "services switched off",
            "-p": "rights to mailboxes", "-a": "to aliases", "-f": "to forwards",
            "-r": "to autoresponders", "-l": "to mailing lists", "-u": "to lists' users",
            "-o": "to lists' moderators", "-x": "to quotas", "-z": "to quotas of new mailboxes",
            "-h": "print the usage", **_VERSION,
        },
        exits=_CHANGED,
    ),
    Command(
        "clearopensmtp",
        "",
        "Forget clients that fetched mail too long ago.",
        exits={0: "done"},
    ),
    Command(
        "vpopmaild",
        "[ address:port ]",
        "Let programs ask for and change accounts, on standard input or a loopback port.",
        exits={0: "the conversation has ended", 100: "usage", 111: _TROUBLE},
    ),
)  # fmt: skip
