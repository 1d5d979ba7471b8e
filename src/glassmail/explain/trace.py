"""What would happen to mail for an address: the way the daemons would take, walked without effect.

Purpose:
    `trace_address` asks the functions that the daemons ask, in the daemons' order: rcpthosts,
    routing, users, home, dot-qmail, each instruction, DNS; and follows forwards to their end.

Always:
    - Nothing is compared with control data here; every answer comes from core and stations.
    - What this process may not see is UNKNOWN with "ask again as ...", never guessed. Root looks
      at homes with the rights of their users, as a delivery does.
    - A trail ends: loops are told, and TRAIL_STEPS_MAX bounds the whole.
    - The server need not run; when it does, tables that it holds in an older state are told.
"""

from collections.abc import Iterable, Iterator

from glassmail.core.formats.control import show
from glassmail.core.model.address import fold
from glassmail.core.model.limits import TRAIL_STEPS_MAX
from glassmail.core.model.trail import Step
from glassmail.explain.exchange import Inquiry, Network
from glassmail.explain.hop import Draft, Hop, Trace
from glassmail.explain.instructions import State
from glassmail.explain.remedies import advise
from glassmail.explain.running import Running, compare
from glassmail.explain.walk import Walk
from glassmail.settings.place import Place
from glassmail.stations.resolve import sources_of
from glassmail.store.control import take_snapshot

__all__ = ["Hop", "Inquiry", "Trace", "trace_address", "trace_files"]

FILES_ONLY = Inquiry()


def trace_address(place: Place, address: bytes, inquiry: Inquiry = FILES_ONLY) -> Trace:
    """Tell what would happen to mail for an address.

    Raises:
        ControlError: a control file cannot be used.
        OSError, DaemonsError: users/daemons cannot be used.
        DnsServersError: control/dnsserver cannot be used.
    """
    (trace,) = trace_files(place, (address,), inquiry)
    hops = trace.hops
    return Trace((_with_the_server(hops[0], compare(place), hops), *hops[1:]))


def trace_files(
    place: Place, addresses: Iterable[bytes], inquiry: Inquiry = FILES_ONLY
) -> Iterator[Trace]:
    """Tell it of many addresses; what a running server holds is not asked. Raises as above."""
    settings = take_snapshot(place.control)
    sources = sources_of(place, settings.line("breakcharacter"))
    with Network(settings, inquiry) as network:
        walk = Walk(place, settings, sources, network, inquiry)
        for address in addresses:
            yield Trace(tuple(_follow(walk, address)))


def _follow(walk: Walk, address: bytes) -> list[Hop]:
    """Go on from hop to hop until nothing is forwarded any more."""
    hops: list[Hop] = []
    waiting: list[tuple[bytes, tuple[bytes, ...], str]] = [(address, (), "")]
    left = TRAIL_STEPS_MAX
    while waiting:
        next_address, chain, where = waiting.pop(0)
        draft = Draft(next_address, chain)
        if chain:
            is_loop = fold(next_address) in [fold(earlier) for earlier in chain]
            answer = "in a circle" if is_loop else "queue"
            draft.steps.append(Step("routing.forward", next_address, answer, where))
            if is_loop:
                hops.append(_loop(draft))
                continue
            if left <= 0:
                hops.append(draft.end("not followed further: the way is too long", State.UNKNOWN))
                break
        hop = walk.follow_address(draft)
        left -= len(hop.steps)
        hops.append(hop)
        waiting += [(to, (*chain, next_address), line) for to, line in draft.forwards]
    return hops


def _loop(draft: Draft) -> Hop:
    address = show(draft.address)
    decision = f"bounce it: mail for {address} comes back to it"
    return draft.end(decision, State.PROBLEM, advise("loop", address=address))


def _with_the_server(hop: Hop, running: Running, hops: tuple[Hop, ...]) -> Hop:
    """Add what the running server does differently from what the files say."""
    hop = hop._replace(
        steps=(*running.steps, *hop.steps), warnings=(*hop.warnings, *running.notes)
    )
    problems = list(running.stale)
    for channel, advice in running.stopped.items():
        if any(_goes_by(channel, each) for each in hops):
            problems.append(advice)
    if not problems:
        return hop
    if hop.state is State.PROBLEM:
        return hop._replace(warnings=(*hop.warnings, *problems))
    decision = f"{hop.decision}; but {problems[0].fault}"
    warnings = (*hop.warnings, *problems[1:])
    return hop._replace(
        decision=decision, state=State.PROBLEM, advice=problems[0], warnings=warnings
    )


def _goes_by(channel: str, hop: Hop) -> bool:
    return hop.decision.startswith("deliver locally") == (channel == "local")
