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
)
