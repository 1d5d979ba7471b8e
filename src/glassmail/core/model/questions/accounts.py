"""Questions of mailboxes in vpopmail's layout."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "account.recipient",
        "does mail for {subject} lead anywhere here?",
        "The keeper's answer to smtpd at RCPT: yes for a mailbox, forward, program or another "
        "server; no when the delivery would bounce; cannot tell when this process may not look "
        "or the files are in disorder.",
    ),
    Question(
        "account.domain",
        "are the mailboxes of {subject} readable?",
        "Looks for vpasswd.cdb and vpasswd in the domain's directory. No means that it holds "
        "neither; cannot tell means that this process may not read them (vpopmail.c vget_assign).",
    ),
    Question(
        "account.name",
        "is {subject} an allowed mailbox name?",
        "vdelivermail refuses names with bytes that a directory or vpasswd line cannot hold, "
        "before it looks for the account (vdelivermail.c, is_username_valid).",
    ),
    Question(
        "account.exists",
        "is there a mailbox {subject}?",
        "Looks up the whole local part in vpasswd, before any extension is cut off it.",
    ),
    Question(
        "account.without_extension",
        "is there a mailbox {subject}, the part before the first break character?",
        "vpopmail built with qmail-ext cuts once, at the first `-`, and keeps the rest as the "
        "extension (vdelivermail.c, QMAIL_EXT).",
    ),
    Question(
        "account.takes_mail",
        "does the mailbox {subject} take mail?",
        "The flag 0x10 (bounce mail) locks a mailbox: every message to it is bounced.",
    ),
    Question(
        "account.dot_qmail",
        "has the mailbox instructions in {subject}?",
        "A .qmail file in the mailbox's directory replaces delivery to its Maildir; with an "
        "extension .qmail-EXT is looked for first (vdelivermail.c check_forward_deliver).",
    ),
    Question(
        "account.catch_all",
        "what happens to mail for nobody, by {subject}?",
        "The second argument of vdelivermail in .qmail-default: delete, bounce-no-mailbox, a "
        "directory, or an address to forward to.",
    ),
    Question(
        "account.login",
        "what may {subject} log in for?",
        "The flags of the mailbox: no_pop 0x02, no_webmail 0x04, no_imap 0x08, no_smtp 0x800, "
        "no_relay 0x20; and when its owner logged in last, by the file lastauth (vauth.h).",
    ),
    Question(
        "account.quota",
        "has the mailbox {subject} room?",
        "The quota of its account, against maildirsize in its Maildir, or a count where there is "
        "none (Maildir++). Trash is not counted.",
    ),
)
