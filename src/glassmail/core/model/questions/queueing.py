"""Questions of the queue."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue(
    Question(
        "queueing.routed",
        "where was {subject} routed to?",
        "The address a recipient was rewritten to when the message was accepted. The routing "
        "tables have changed since; a message in the queue keeps the way it was given, as in "
        "qmail-send.",
    ),
    Question(
        "queueing.running",
        "does the server of {subject} answer?",
        "`trace` reads the files; a running server may still hold older tables.",
    ),
    Question(
        "queueing.tables",
        "does the running server use this {subject}?",
        "The queue reads its routing tables at start and on reload, and publishes fingerprints "
        "of what it holds.",
    ),
    Question(
        "queueing.deliveries",
        "does the running server start {subject} deliveries?",
        "concurrencylocal and concurrencyremote; 0 keeps all mail waiting.",
    ),
)
