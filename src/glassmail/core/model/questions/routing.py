"""Questions of routing, users and dot-qmail."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "routing.rcpthosts",
        "is {subject} in rcpthosts?",
        "Whether clients without relaying rights may send to this domain: the domain itself or "
        "one of its `.suffix`es in rcpthosts, then in morercpthosts.cdb (rcpthosts.c).",
    ),
    Question(
        "routing.envnoathost",
        "does {subject} name a domain?",
        "An envelope recipient without `@` gets `@` and the content of envnoathost.",
    ),
    Question(
        "routing.percenthack",
        "is {subject} in percenthack?",
        "In such a domain `user%domain@here` means `user@domain`.",
    ),
    Question(
        "routing.locals",
        "is {subject} in locals?",
        "Domains delivered here, the address unchanged. locals beats virtualdomains.",
    ),
    Question(
        "routing.virtualdomains",
        "is {subject} in virtualdomains?",
        "Asked for the whole address, the domain, each `.suffix` from longest to shortest, then "
        "for all others. A value is put before the address; an empty value means remote.",
    ),
    Question(
        "routing.catch_all",
        "has virtualdomains a line for all others?",
        "A line that begins with a colon stands for every address not named before.",
    ),
    Question(
        "routing.cdb_fresh",
        "is users/cdb as new as {subject}?",
        "Asked by trace only: deliveries stop to say only that it is older (routing.assign_built).",
    ),
    Question(
        "routing.assign_built",
        "does users/cdb hold all of {subject}?",
        "Only users/cdb is read by deliveries; qmail-newu builds it from users/assign.",
    ),
    Question(
        "routing.assign",
        "is {subject} in users/assign?",
        "An exact line (`=local`), or the longest wildcard line (`+prefix`), of users/cdb.",
    ),
    Question(
        "routing.account",
        "does the account {subject} take mail?",
        "An account of that name, not root, with a home directory that exists and that it owns "
        "(qmail-getpw.c).",
    ),
    Question(
        "routing.alias",
        "who takes mail for nobody's {subject}?",
        "The alias user takes it, by a file .qmail-NAME in its home.",
    ),
    Question(
        "routing.root",
        "may a delivery run as {subject}?",
        "Deliveries as root are refused (qmail-lspawn.c).",
    ),
    Question(
        "routing.one_user",
        "can this server deliver as {subject}?",
        "A server that runs everything as one user delivers as that user only; a delivery for "
        "another one waits.",
    ),
    Question(
        "routing.home",
        "can mail go to the home {subject}?",
        "It must exist, be reachable, not be writable for others, and not be sticky.",
    ),
    Question(
        "routing.directory",
        "may the user enter {subject}?",
        "Every directory above the home needs search permission; one that others may write to "
        "lets them replace the home.",
    ),
    Question(
        "routing.loop",
        "does the message already carry {subject}?",
        "A message that has this very Delivered-To line is looping.",
    ),
    Question(
        "routing.dot_qmail",
        "is there a file {subject}?",
        "The exact name first, then each shorter one ending in `default` (qmail-local.c).",
    ),
    Question(
        "routing.default_delivery",
        "what stands in for {subject}?",
        "A missing .qmail of the user's own address, or an empty dot-qmail file, means the "
        "instructions of control/defaultdelivery.",
    ),
    Question(
        "routing.owner",
        "is there a file {subject}?",
        "With it, forwarded messages carry the owner's address as envelope sender.",
    ),
    Question(
        "routing.instruction",
        "what does {subject} do?",
        "One line of a dot-qmail file: Maildir, mbox, program or forward.",
    ),
    Question(
        "routing.forward",
        "where does mail for {subject} go?",
        "Forwarded mail enters the queue anew and is routed from the start.",
    ),
    Question(
        "routing.mailbox",
        "can {subject} take mail?",
        "A Maildir must be a directory with new, cur and tmp that the user can write to.",
    ),
)
