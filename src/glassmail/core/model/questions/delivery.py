"""Questions of local delivery."""

from glassmail.core.model.questions.declare import Question, catalogue

QUESTIONS: dict[str, Question] = catalogue()
