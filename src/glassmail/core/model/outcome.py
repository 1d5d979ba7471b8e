"""The outcome of one delivery attempt: qmail's letters K, Z and D (spawn.c)."""

from enum import Enum
from typing import NamedTuple

from glassmail.core.model.trail import Trail


class Outcome(Enum):
    """K delivered, Z try again later, D given up. qmail-send: success, deferral, failure."""

    SUCCESS = "K"
    DEFERRAL = "Z"
    FAILURE = "D"


class Report(NamedTuple):
    """What a delivery attempt says: its outcome, the text for the log and the bounce, the trail."""

    outcome: Outcome
    text: bytes
    steps: Trail = ()
