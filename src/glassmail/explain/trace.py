"""What would happen to mail for an address: the way the daemons would take, walked without effect.

Purpose:
    `trace_address` asks the functions that the daemons ask, in the daemons' order: rcpthosts,
    routing, users, home, dot-qmail, each instruction; and follows forwards to their end.

Always:
    - Nothing is compared with control data here; every answer comes from core and stations.
    - What this process may not see is UNKNOWN with "ask again as ...", never guessed. Root looks
      at homes with the rights of their users, as a delivery does.
    - A trail ends: loops are told, and TRAIL_STEPS_MAX bounds the whole.
"""

import os
from typing import NamedTuple

from glassmail.core.formats.control import show
from glassmail.core.model.address import fold, split_address
from glassmail.core.model.limits import TRAIL_STEPS_MAX
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route.dot_qmail import candidates
from glassmail.core.route.rcpthosts import is_allowed
from glassmail.core.route.rewrite import Channel, Destination, route
from glassmail.core.route.smtproutes import find_relay
from glassmail.core.route.users import User
from glassmail.explain.directories import way_home
from glassmail.explain.instructions import Effect, Scene, State, follow, report_words
from glassmail.settings.place import Place
from glassmail.stations.resolve import (
    DotQmailFound,
    UserSources,
    find_dot_qmail,
    find_owner_files,
    find_user,
    sources_of,
)
from glassmail.stations.rights import as_user
from glassmail.stations.routing import more_rcpthosts, routing_tables
from glassmail.store.control import Snapshot, take_snapshot


class Hop(NamedTuple):
    """One address on the way: the one asked about, or one that mail is forwarded to.

    Attributes:
        address: as asked or as written in the forwarding line.
        chain: the addresses that led here, the first one first; empty for the one asked about.
        steps: every question asked.
        decision: the sentence that sums up.
        state: fine, a problem, or cannot tell.
        remedy: what to do about a problem, empty when nothing.
        warnings: what is no problem for this mail but should not be so.
    """

    address: bytes
    chain: tuple[bytes, ...]
    steps: Trail
    decision: str
    state: State
    remedy: str
    warnings: tuple[str, ...]


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


class _Draft:
    """A hop that is being made."""

    def __init__(self, address: bytes, chain: tuple[bytes, ...]) -> None:
        self.address = address
        self.chain = chain
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self.forwards: tuple[tuple[bytes, str], ...] = ()

    def end(self, decision: str, state: State = State.FINE, remedy: str = "") -> Hop:
        return Hop(
            self.address,
            self.chain,
            tuple(self.steps),
            decision,
            state,
            remedy,
            tuple(self.warnings),
        )


def trace_address(place: Place, address: bytes) -> Trace:
    """Tell what would happen to mail for an address.

    Raises:
        ControlError: a control file cannot be used.
        OSError, DaemonsError: users/daemons cannot be used.
    """
    settings = take_snapshot(place.control)
    sources = sources_of(place, settings.line("breakcharacter"))
    tracer = _Tracer(place, settings, sources)
    hops: list[Hop] = []
    waiting: list[tuple[bytes, tuple[bytes, ...], str]] = [(address, (), "")]
    left = TRAIL_STEPS_MAX
    while waiting:
        next_address, chain, where = waiting.pop(0)
        draft = _Draft(next_address, chain)
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
        hop = tracer.follow_address(draft)
        left -= len(hop.steps)
        hops.append(hop)
        waiting += [(to, (*chain, next_address), line) for to, line in draft.forwards]
    return Trace(tuple(hops))


def _loop(draft: _Draft) -> Hop:
    return draft.end(
        f"bounce it: mail for {show(draft.address)} comes back to it",
        State.PROBLEM,
        f"take the forward to {show(draft.address)} out of one of the files above",
    )


class _Tracer:
    """One site at one moment."""

    def __init__(self, place: Place, settings: Snapshot, sources: UserSources) -> None:
        self._settings = settings
        self._sources = sources
        self._tables = routing_tables(settings)
        self._more = more_rcpthosts(place).current()
        self._default_delivery = settings.line("defaultdelivery")

    def follow_address(self, draft: _Draft) -> Hop:
        """Walk the way of one address; forwards found are left in the draft."""
        is_accepted = draft.chain != () or self._ask_rcpthosts(draft)
        destination = route(draft.address, self._tables)
        draft.steps += destination.steps
        if destination.channel is Channel.REMOTE:
            return self._remote(draft, destination)
        hop = self._local(draft, destination)
        if hop.state is State.FINE and not is_accepted:
            domain = show(split_address(draft.address)[1])
            return hop._replace(
                decision=f"{hop.decision}; but other servers cannot send it here",
                state=State.PROBLEM,
                remedy=f"put {domain} into control/rcpthosts",
            )
        return hop

    def _ask_rcpthosts(self, draft: _Draft) -> bool:
        table = self._settings.table("rcpthosts")
        is_accepted, step = is_allowed(draft.address, table, self._more)
        draft.steps.append(step)
        return is_accepted

    def _remote(self, draft: _Draft, destination: Destination) -> Hop:
        domain = split_address(destination.address)[1]
        found = find_relay(domain, self._settings.table("smtproutes"))
        draft.steps += found.steps
        if found.report is not None:
            remedy = f"mend {found.steps[-1].source}"
            return draft.end(report_words(found.report), State.PROBLEM, remedy)
        if found.relay is not None:
            to = f"the relay {show(found.relay.host)}, port {found.relay.port}"
        else:
            to = f"the mail exchangers of {show(domain)}"
        return draft.end(f"send {show(destination.address)} by SMTP to {to}")

    def _local(self, draft: _Draft, destination: Destination) -> Hop:
        address = destination.address
        local, domain = split_address(address)
        found = find_user(local, self._sources)
        draft.steps += found.steps
        head = f"deliver locally to {show(address)}"
        if found.user is None:
            if found.report is not None and found.report.text:
                is_unknown = draft.steps[-1].answer == UNKNOWN
                state = State.UNKNOWN if is_unknown else State.PROBLEM
                remedy = "ask again as root" if is_unknown else ""
                return draft.end(f"{head}: {report_words(found.report)}", state, remedy)
            remedy = "nobody reads such mail; write the part before the `@`"
            return draft.end(f"{head}: take it and throw it away", State.PROBLEM, remedy)
        return self._at_home(draft, f"{head} as {show(found.user.name)}", found.user, domain)

    def _at_home(self, draft: _Draft, head: str, user: User, domain: bytes) -> Hop:
        way = way_home(user)
        draft.steps += way.steps
        draft.warnings += way.warnings
        with as_user(user.uid, user.gid) as is_theirs:
            found = find_dot_qmail(user, False, self._default_delivery)
            draft.steps += found.steps
            if found.dot_qmail is None:
                return _refused(draft, head, user, found, is_theirs)
            effect = self._obey(draft, found, user, domain)
        draft.forwards = effect.forwards if effect.state is State.FINE else ()
        decision = f"{head}: {'; '.join(effect.words)}"
        return draft.end(decision, effect.state, effect.remedy)

    def _obey(self, draft: _Draft, found: DotQmailFound, user: User, domain: bytes) -> Effect:
        assert found.dot_qmail is not None
        is_default = found.name.startswith(b"control/")
        file = os.fsdecode(found.name if is_default else os.path.join(user.home, found.name))
        scene = Scene(user, domain, user.home, file, self._sources.break_character)
        effect = follow(found.dot_qmail, found.is_executable, scene, draft.steps)
        if effect.forwards:
            draft.steps += find_owner_files(user).steps
        return effect


def _refused(draft: _Draft, head: str, user: User, found: DotQmailFound, is_theirs: bool) -> Hop:
    report = found.report
    assert report is not None
    last = found.steps[-1]
    if last.answer == UNKNOWN and not is_theirs:
        remedy = f"ask again as root or as {show(user.name)}"
        return draft.end(f"{head}: cannot tell", State.UNKNOWN, remedy)
    decision = f"{head}: {report_words(report)}"
    return draft.end(decision, State.PROBLEM, _remedy(user, draft.steps, last))


def _remedy(user: User, steps: list[Step], last: Step) -> str:
    for step in steps:
        if step.question == "routing.directory" and step.answer == NO:
            path = show(step.subject)
            return f"let {show(user.name)} pass through {path}: {step.source} now"
    path = show(os.path.join(user.home, last.subject))
    if last.question == "routing.home":
        return (
            f"make {path} a directory of {show(user.name)} that others may not write: {last.source}"
        )
    if last.answer == NO:
        exact = candidates(user.dash, user.ext)[0].name
        return f"create {show(os.path.join(user.home, exact))}, or write the address as it exists"
    if last.answer == YES:
        return f"mend {path}: {last.source}"
    return f"let {show(user.name)} read {path}"
