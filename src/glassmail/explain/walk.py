"""The way of one address through a site, as the daemons would go it."""

import os

from glassmail.core.formats import assign
from glassmail.core.formats.assign import AssignError
from glassmail.core.formats.control import show
from glassmail.core.model.address import split_address
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import UNKNOWN, YES, Step
from glassmail.core.route.mx import Address
from glassmail.core.route.rcpthosts import is_allowed
from glassmail.core.route.rewrite import Channel, Destination, route
from glassmail.core.route.smtproutes import find_relay
from glassmail.core.route.users import User
from glassmail.explain.advice import of_delivery
from glassmail.explain.directories import Way, files_warnings, way_home
from glassmail.explain.exchange import Inquiry, Network
from glassmail.explain.hop import Draft, Hop
from glassmail.explain.instructions import Effect, Scene, State, follow, report_words
from glassmail.explain.remedies import NONE, Advice, advise, ask_as
from glassmail.settings.place import Place
from glassmail.stations.resolve import (
    DotQmailFound,
    UserSources,
    find_dot_qmail,
    find_owner_files,
    find_user,
)
from glassmail.stations.rights import as_user
from glassmail.stations.routing import more_rcpthosts, routing_tables
from glassmail.store.control import ControlError, Snapshot, read_file

_MX_SHOWN = 3


class Walk:
    """One site at one moment."""

    def __init__(
        self,
        place: Place,
        settings: Snapshot,
        sources: UserSources,
        network: Network,
        inquiry: Inquiry,
    ) -> None:
        """Nothing is looked at yet but the tables."""
        self._place = place
        self._settings = settings
        self._sources = sources
        self._network = network
        self._inquiry = inquiry
        self._tables = routing_tables(settings)
        self._more = more_rcpthosts(place).current()
        self._default_delivery = settings.line("defaultdelivery")

    def follow_address(self, draft: Draft) -> Hop:
        """Walk the way of one address; forwards found are left in the draft."""
        is_first = draft.chain == ()
        is_accepted = not is_first or self._ask_rcpthosts(draft)
        destination = route(draft.address, self._tables)
        draft.steps += destination.steps
        domain = split_address(destination.address)[1]
        if destination.channel is Channel.REMOTE:
            return self._remote(draft, destination, is_listed=is_first and is_accepted)
        self._warn_of_both(draft, domain)
        hop = self._local(draft, destination)
        if is_first and self._inquiry.probe and hop.state is State.FINE and domain:
            hop = self._from_outside(hop, domain)
        if hop.state is State.FINE and not is_accepted:
            return hop._replace(
                decision=f"{hop.decision}; but other servers cannot send it here",
                state=State.PROBLEM,
                advice=advise("rcpthosts", domain=show(domain)),
            )
        return hop

    def _ask_rcpthosts(self, draft: Draft) -> bool:
        table = self._settings.table("rcpthosts")
        is_accepted, step = is_allowed(draft.address, table, self._more)
        draft.steps.append(step)
        return is_accepted

    def _warn_of_both(self, draft: Draft, domain: bytes) -> None:
        """Tell of a line of virtualdomains that locals takes the effect of."""
        if draft.steps[-1].question != "routing.locals":
            return
        without = self._tables._replace(locals=self._tables.percenthack._replace(entries={}))
        virtual = route(draft.address, without)
        if virtual.channel is Channel.LOCAL:
            # A warning alone: the daemons do not ask this, and a trail holds what they ask.
            line = virtual.steps[-1].source
            draft.warnings.append(advise("locals_wins", domain=show(domain), line=line))

    # --- to other servers ---------------------------------------------------------------------

    def _remote(self, draft: Draft, destination: Destination, *, is_listed: bool) -> Hop:
        domain = split_address(destination.address)[1]
        found = find_relay(domain, self._settings.table("smtproutes"))
        is_relayed = found.relay is not None
        if is_listed and not is_relayed and self._settings.is_set("rcpthosts"):
            draft.warnings.append(advise("not_ours", domain=show(domain)))
        if found.report is not None or not self._inquiry.dns:
            draft.steps += found.steps
        if found.report is not None:
            advice = self._advice(draft, found.report)
            return draft.end(report_words(found.report), State.PROBLEM, advice)
        if found.relay is not None:
            to = f"the relay {show(found.relay.host)}, port {found.relay.port}"
        else:
            to = f"the mail exchangers of {show(domain)}"
        decision = f"send {show(destination.address)} by SMTP to {to}"
        if not self._inquiry.dns:
            return draft.end(decision)
        return self._by_dns(draft, domain, decision, is_relayed=is_relayed)

    def _by_dns(self, draft: Draft, domain: bytes, decision: str, *, is_relayed: bool) -> Hop:
        plan = self._network.plan(domain)
        draft.steps += plan.steps
        if plan.report is not None:
            advice = self._advice(draft, plan.report)
            is_unknown = any(step.answer == UNKNOWN for step in plan.steps)
            state = State.UNKNOWN if is_unknown else State.PROBLEM
            return draft.end(f"{decision}: {report_words(plan.report)}", state, advice)
        if not is_relayed:
            decision += f": {_shown(plan.addresses)}"
        if not self._inquiry.probe:
            return draft.end(decision)
        probed = self._network.probe(plan.addresses)
        draft.steps += [each.step for each in probed]
        if probed[-1].is_open:
            return draft.end(decision)
        last = probed[-1].step
        port = plan.addresses[len(probed) - 1].port
        advice = advise("port_closed", where=show(last.subject), port=port)
        words = f"{decision}; but none takes a connection: keep it and try again later"
        return draft.end(words, State.PROBLEM, advice)

    def _from_outside(self, hop: Hop, domain: bytes) -> Hop:
        own = self._network.of_our_own(domain)
        hop = hop._replace(steps=(*hop.steps, *own.steps))
        if own.advice is NONE:
            return hop
        is_unknown = own.advice.id == "mx_unknown"
        return hop._replace(
            decision=f"{hop.decision}; but from outside: {own.advice.fault}",
            state=State.UNKNOWN if is_unknown else State.PROBLEM,
            advice=own.advice,
        )

    # --- to users of this host ----------------------------------------------------------------

    def _local(self, draft: Draft, destination: Destination) -> Hop:
        address = destination.address
        local, domain = split_address(address)
        found = find_user(local, self._sources)
        draft.steps += found.steps
        self._warn_of_assign(draft)
        head = f"deliver locally to {show(address)}"
        if found.user is None:
            assert found.report is not None  # nobody, or a reason
            is_unknown = draft.steps[-1].answer == UNKNOWN
            state = State.UNKNOWN if is_unknown else State.PROBLEM
            advice = self._advice(draft, found.report) if local else advise("nobodys")
            if is_unknown and advice.id != "assign_broken":
                advice = advise("ask_as", or_user="")
            return draft.end(f"{head}: {report_words(found.report)}", state, advice)
        return self._at_home(draft, f"{head} as {show(found.user.name)}", found.user, domain)

    def _warn_of_assign(self, draft: Draft) -> None:
        """Tell of a users/assign that does not count, and why qmail-newu would refuse it."""
        if all(step.question != "routing.assign_built" for step in draft.steps):
            self._tell_of_assign(draft)
            return
        try:
            assign.parse(read_file(self._place.assign) or b"")
        except AssignError as error:
            draft.warnings.append(advise("assign_malformed", source=str(error)))
        except ControlError as error:
            source = str(error)
            draft.steps.append(Step("routing.assign_built", b"users/assign", UNKNOWN, source))
        else:
            draft.warnings.append(advise("assign_stale"))

    def _tell_of_assign(self, draft: Draft) -> None:
        """Say that users/cdb is up to date, which deliveries do not stop to say."""
        at = [place for place, s in enumerate(draft.steps) if s.question == "routing.assign"]
        if at and os.path.exists(self._place.assign) and os.path.exists(self._place.assign_cdb):
            source = f"users/cdb is not older{self._line(draft.steps[at[0]])}"
            draft.steps.insert(at[0], Step("routing.cdb_fresh", b"users/assign", YES, source))

    def _line(self, step: Step) -> str:
        """Name the line of users/assign that a record of users/cdb was made from."""
        key = step.source.partition(" ")[2]
        try:
            data = read_file(self._place.assign) or b""
        except ControlError:
            return ""  # the record is told all the same
        number = assign.line_of(data, os.fsencode(key))
        return f"; it has users/assign:{number} {key}" if number else ""

    def _at_home(self, draft: Draft, head: str, user: User, domain: bytes) -> Hop:
        way = way_home(user)
        draft.steps += way.steps
        draft.warnings += way.warnings
        with as_user(user.uid, user.gid) as is_theirs:
            found = find_dot_qmail(user, False, self._default_delivery)
            draft.steps += [step for step in found.steps if not _is_told(step, way, is_theirs)]
            if found.dot_qmail is None:
                return self._refused(draft, head, user, found, is_theirs)
            draft.warnings += files_warnings(user, found.name)
            effect = self._obey(draft, found, user, domain)
        draft.forwards = effect.forwards if effect.state is State.FINE else ()
        decision = f"{head}: {'; '.join(effect.words)}"
        return self._end(draft, decision, effect.state, effect.advice)

    def _obey(self, draft: Draft, found: DotQmailFound, user: User, domain: bytes) -> Effect:
        assert found.dot_qmail is not None
        is_default = found.name.startswith(b"control/")
        file = os.fsdecode(found.name if is_default else os.path.join(user.home, found.name))
        scene = Scene(
            user, domain, user.home, file, self._sources.break_character,
            own_directories=self._place.own_programs(), address=draft.address,
        )  # fmt: skip
        effect = follow(found.dot_qmail, found.is_executable, scene, draft.steps)
        for doubt in found.dot_qmail.doubts:
            source = f"{file}:{doubt.line}:{doubt.column}: {doubt.text}"
            draft.warnings.append(advise("dot_qmail_doubtful", source=source, file=file))
        if effect.asks_owner:
            draft.steps += find_owner_files(user).steps
        return effect

    def _refused(
        self, draft: Draft, head: str, user: User, found: DotQmailFound, is_theirs: bool
    ) -> Hop:
        report = found.report or Report(Outcome.DEFERRAL, b"")
        if found.steps[-1].answer == UNKNOWN and not is_theirs:
            return draft.end(f"{head}: cannot tell", State.UNKNOWN, ask_as(user))
        decision = f"{head}: {report_words(report)}"
        advice = of_delivery(
            tuple(draft.steps), report.text, draft.address, user=show(user.name)
        )
        return self._end(draft, decision, State.PROBLEM, advice)

    def _end(self, draft: Draft, decision: str, state: State, advice: Advice) -> Hop:
        """End; where a line of users/assign does not count yet, that comes first."""
        pending = [w for w in draft.warnings if w.id in {"assign_stale", "assign_malformed"}]
        if pending and state is State.PROBLEM and advice.id in _MISSING:
            draft.warnings.remove(pending[0])
            advice = pending[0]
        return draft.end(decision, state, advice)

    def _advice(self, draft: Draft, report: Report) -> Advice:
        return of_delivery(tuple(draft.steps), report.text, draft.address)


# Faults that a line of users/assign which does not count yet explains.
_MISSING = frozenset((
    "assign_missing", "assign_stale", "alias_missing", "extension_missing", "no_mailbox",
    "home_missing",
))  # fmt: skip


def _is_told(step: Step, way: Way, is_theirs: bool) -> bool:
    """Tell whether the way home says it; with rights that are not the user's, it alone counts."""
    return step in way.steps or (step.question == "routing.directory" and not is_theirs)


def _shown(addresses: tuple[Address, ...]) -> str:
    hosts = [f"{show(a.host)} [{a.ip}]" for a in addresses[:_MX_SHOWN]]
    more = len(addresses) - len(hosts)
    return ", ".join(hosts) + (f" and {more} more" if more else "")


