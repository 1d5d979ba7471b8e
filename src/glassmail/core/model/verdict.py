"""What a check says: pass on, or answer the client now; with steps and effects."""

from typing import NamedTuple

from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import Trail


class Effect(NamedTuple):
    """Something a daemon shall do because of a check. Core only names it; daemons carry it out."""

    kind: str
    key: bytes
    value: int


class Verdict(NamedTuple):
    """The answer of a check or of a whole stage.

    Attributes:
        reply: None to go on, else what the client is told (a refusal, or an early acceptance).
        steps: every question asked on the way, the deciding one last.
        effects: what daemons shall count, store or hold.
        decided_by: id of the check that gave the reply, empty when none did.
    """

    reply: Reply | None
    steps: Trail = ()
    effects: tuple[Effect, ...] = ()
    decided_by: str = ""


PASS = Verdict(None)
