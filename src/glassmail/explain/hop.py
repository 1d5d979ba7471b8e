"""One address on the way that `trace` follows, made step by step and then told."""

from typing import NamedTuple

from glassmail.core.model.trail import Step, Trail
from glassmail.explain.instructions import State
from glassmail.explain.remedies import NONE, Advice


class Hop(NamedTuple):
    """One address on the way: the one asked about, or one that mail is forwarded to.

    Attributes:
        address: as asked or as written in the forwarding line.
        chain: the addresses that led here, the first one first; empty for the one asked about.
        steps: every question asked.
        decision: the sentence that sums up.
        state: fine, a problem, or cannot tell.
        advice: what is wrong and what to do about it, NONE when nothing.
        warnings: what is no problem for this mail but should not be so.
    """

    address: bytes
    chain: tuple[bytes, ...]
    steps: Trail
    decision: str
    state: State
    advice: Advice
    warnings: tuple[Advice, ...]

    @property
    def remedy(self) -> str:
        """What to do, in one sentence; empty when nothing."""
        return self.advice.sentence


class Trace(NamedTuple):
    """All hops, the asked address first."""

    hops: tuple[Hop, ...]

    @property
    def state(self) -> State:
        """Return the worst state: a problem, else cannot tell, else fine."""
        states = {hop.state for hop in self.hops}
        if State.PROBLEM in states:
            return State.PROBLEM
        return State.UNKNOWN if State.UNKNOWN in states else State.FINE


class Draft:
    """A hop that is being made."""

    def __init__(self, address: bytes, chain: tuple[bytes, ...]) -> None:
        self.address = address
        self.chain = chain
        self.steps: list[Step] = []
        self.warnings: list[Advice] = []
        self.forwards: tuple[tuple[bytes, str], ...] = ()

    def end(self, decision: str, state: State = State.FINE, advice: Advice = NONE) -> Hop:
        """Sum up."""
        return Hop(
            self.address,
            self.chain,
            tuple(self.steps),
            decision,
            state,
            advice,
            tuple(self.warnings),
        )
