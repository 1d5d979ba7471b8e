"""Questions of routing, users and dot-qmail."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue()
