"""Questions of local delivery."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "delivery.host",
        "does {subject} name a host?",
        "A local delivery needs an address with `@` (spawn.c).",
    ),
    Question(
        "delivery.worker",
        "may a process deliver as {subject}?",
        "Never as root; and where the whole server runs as one user, only as that user.",
    ),
    Question(
        "delivery.looping",
        "has the message already the line {subject}?",
        "A header line equal to our own Delivered-To line means that it was here before "
        "(qmail-local.c bouncexf).",
    ),
    Question(
        "delivery.refusal",
        "may {subject} deliver to files and programs?",
        "Not when its x bit is set, nor below `+list`, nor when its first line is blank "
        "(qmail-local.c).",
    ),
    Question(
        "delivery.maildir",
        "is the message in the Maildir {subject}?",
        "Written to tmp/, made durable, moved to new/, the move made durable. `already there`: an "
        "earlier attempt had come so far, and nothing was written again.",
    ),
    Question(
        "delivery.mbox",
        "is the message appended to {subject}?",
        "Under the file's lock, synced before success is reported.",
    ),
    Question(
        "delivery.quota",
        "has the mailbox {subject} room for the message?",
        "Maildir++ quota: the sum of maildirsize, counted anew when it is old (vpopmail).",
    ),
    Question(
        "delivery.program",
        "what did the program {subject} say?",
        "Exit 0 goes on, 99 stops with success, 100 and a few others give up, all else is tried "
        "again later (qmail-command.8). `in the worker`: a program of ours, run without a process.",
    ),
    Question(
        "delivery.forward",
        "was the message forwarded to {subject}?",
        "Forwards of a file are collected and handed to the queue together at the end.",
    ),
)
