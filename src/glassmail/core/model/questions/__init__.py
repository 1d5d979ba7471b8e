"""Every question a trail can hold, declared once, one module per station.

A house rule checks that every Step built in the sources names a declared id; the manual's
list of questions is made from here.
"""

from glassmail.core.model.questions import accounts, delivery, queueing, remote, routing, session
from glassmail.core.model.questions.declare import Question

QUESTIONS: dict[str, Question] = {
    **session.QUESTIONS,
    **queueing.QUESTIONS,
    **routing.QUESTIONS,
    **delivery.QUESTIONS,
    **accounts.QUESTIONS,
    **remote.QUESTIONS,
}


def sentence(question: str, subject: bytes) -> str:
    """Write the sentence of a question about a subject; unknown ids stand for themselves.

    Blanks around a subject are not shown; an empty one is shown as `''`.
    """
    declared = QUESTIONS.get(question)
    shown = subject.decode("utf-8", "backslashreplace").strip() or "''"
    return declared.sentence.replace("{subject}", shown) if declared else f"{question} {shown}"
