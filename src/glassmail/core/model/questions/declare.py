"""How a question is declared: id, the sentence people read, what it means."""

from typing import NamedTuple


class Question(NamedTuple):
    """One question a trail can hold.

    Attributes:
        id: what a Step names.
        sentence: what people read; `{subject}` stands for the Step's subject.
        about: what the answer means and where the rule comes from, for the manual.
    """

    id: str
    sentence: str
    about: str


def catalogue(*questions: Question) -> dict[str, Question]:
    """Make the table of one area; an id declared twice is a programming error."""
    table = {question.id: question for question in questions}
    if len(table) != len(questions):
        raise ValueError("a question id is declared twice")
    return table
