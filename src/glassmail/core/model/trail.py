"""The trail: question, answer, source of every decision.

Purpose:
    Whatever accepts, refuses, routes, delivers or gives up returns its decision
    together with a trail. Daemons store it, `trace` and `why` print it, tests compare it.

Always:
    A Step names its question by an id declared in `questions.py`; the sentence is
    made from there when somebody reads it, so that the hot path builds no text.
"""

from typing import NamedTuple

YES = "yes"
NO = "no"
UNKNOWN = "cannot tell"


class Step(NamedTuple):
    """One question on the way to a decision.

    Attributes:
        question: an id in `questions.QUESTIONS`.
        subject: what was asked about, as it came off the wire or the disk.
        answer: YES, NO, UNKNOWN or a short value (never empty).
        source: what the answer rests on: `control/locals:3 tommy.gov`, a DNS record, a reason.
    """

    question: str
    subject: bytes
    answer: str
    source: str


Trail = tuple[Step, ...]
