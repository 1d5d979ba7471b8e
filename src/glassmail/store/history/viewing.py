"""What the owner of one mailbox may see of a case: their own mail's story, and nobody else's.

Purpose:
    `visible` cuts a case down for a viewer (`--as ADDRESS`, or `@domain` for a whole one).

Always:
    - As a recipient one sees the session, the acceptance and what became of one's own copy; other
      recipients, their number included, are gone.
    - As the sender one sees every recipient, since their bounces come to the sender, but not the
      files, homes and programs of others: the steps of their deliveries are gone.
    - An envelope sender can be forged: it counts for a message that was handed in on this host, or
      by a client that logged in or may relay. A bounce has no sender.
    - What is not known to be the viewer's is not shown, and cannot be asked for.
"""

from collections.abc import Iterable, Set
from typing import TypeVar

import msgspec

from glassmail.core.model.trail import YES, Step, Trail
from glassmail.events import codec
from glassmail.events.case import Case, Query
from glassmail.events.codec import AnyEvent
from glassmail.events.queue import Accepted, Settled, Started
from glassmail.events.smtpd import Handed, Refused, SessionEnded
from glassmail.store.history.matching import is_same, is_wanted, matches

_TRUSTED = frozenset({"session.relayclient", "session.authorization", "session.login"})
_Told = TypeVar("_Told", bound=msgspec.Struct)


class _Role:
    """How a viewer stands to a message.

    Attributes:
        is_sender: it is the viewer's own message.
        numbers: old number -> new number of the viewer's recipients; of all, for the sender.
        mine: the old numbers that are the viewer's.
    """

    def __init__(self, accepted: Accepted, viewer: bytes, *, is_own_forward: bool) -> None:
        self.is_sender = is_own_forward or (
            bool(accepted.sender)
            and is_same(accepted.sender, viewer)
            and _is_trusted(accepted)
        )
        self.mine = {
            number
            for number, recipient in enumerate(accepted.recipients)
            if is_own_forward or is_same(recipient, viewer)
        }
        shown = range(len(accepted.recipients)) if self.is_sender else sorted(self.mine)
        self.numbers = {number: position for position, number in enumerate(shown)}
        self.owns_all = len(self.mine) == len(accepted.recipients)

    @property
    def sees(self) -> bool:
        """Tell whether anything of the message is the viewer's."""
        return self.is_sender or bool(self.mine)


def visible(case: Case, viewer: str) -> Case | None:
    """Cut a case down to what a viewer may see; None when nothing of it is theirs."""
    name = viewer.encode("utf-8", "surrogateescape")
    events = codec.decode(case.events)
    roles = _roles(events, name)
    kept: list[AnyEvent] = []
    for event in events:
        shown = _shown(event, roles, name)
        if shown is not None:
            kept.append(shown)
    # A session is told together with what the viewer sees of it: else it was somebody else's,
    # whose mail led to theirs (a forward, a bounce).
    codes = {getattr(event, "code", 0) for event in kept if not isinstance(event, SessionEnded)}
    kept = [event for event in kept if _is_told(event, codes)]
    if not kept:
        return None
    data = codec.encode(kept)
    first = next((event for event in kept if isinstance(event, Accepted)), None)
    if first is None or first.message == case.message:
        return Case(case.message, case.code, case.part, data, 0, case.at)
    return Case(first.message, first.code, first.part, data, 0, first.at)


def _is_told(event: AnyEvent, codes: Set[int]) -> bool:
    if not isinstance(event, SessionEnded) or event.recipients:
        return True
    return bool(event.code) and event.code in codes


def is_asked_for(case: Case, query: Query) -> bool:
    """Tell whether what a viewer sees of a case is still what was asked for.

    Else an answer to `why BOB --as CAROL` would tell Carol that her copy went to Bob, too.
    """
    events = codec.decode(case.events)
    if {"address", "domain"} & set(query.kinds) and not any(
        matches(event, query) for event in events
    ):
        return False
    return is_wanted(events, query)


def _roles(events: Iterable[AnyEvent], viewer: bytes) -> dict[int, _Role]:
    roles: dict[int, _Role] = {}
    for event in events:
        if isinstance(event, Accepted):
            parent = roles.get(event.origin)
            # A forward of mail that was the viewer's alone is of the viewer's own making.
            is_own = event.kind == "forward" and parent is not None and parent.owns_all
            roles[event.message] = _Role(event, viewer, is_own_forward=is_own)
    return roles


def _shown(event: AnyEvent, roles: dict[int, _Role], viewer: bytes) -> AnyEvent | None:
    if isinstance(event, Refused | Handed):
        return _of_session(event, viewer)
    if isinstance(event, SessionEnded):
        return _of_end(event, viewer)
    role = roles.get(getattr(event, "message", 0))
    if role is None or not role.sees:
        return None
    if isinstance(event, Accepted):
        return _of_acceptance(event, role, viewer)
    if isinstance(event, Started | Settled):
        return _of_delivery(event, role)
    return event


def _of_acceptance(event: Accepted, role: _Role, viewer: bytes) -> Accepted:
    if role.is_sender:
        return event
    recipients = tuple(event.recipients[number] for number in sorted(role.mine))
    story = event.story
    if story:
        try:
            told = codec.decode_story(story)
        except ValueError:  # a story of another version: it may name anybody
            story = b""
        else:
            own = tuple(one for one in told.recipients if is_same(one, viewer))
            steps = _without_others(told.steps, told.recipients, own)
            story = codec.encode_story(_with(told, recipients=own, steps=steps))
    return _with(event, recipients=recipients, story=story)


def _of_delivery(event: Started | Settled, role: _Role) -> Started | Settled | None:
    number = role.numbers.get(event.number)
    if number is None:
        return None
    if event.number in role.mine:
        return _with(event, number=number)
    return _with(event, number=number, steps=())


def _of_session(event: Refused | Handed, viewer: bytes) -> Refused | Handed | None:
    is_mine = bool(event.recipient) and is_same(event.recipient, viewer)
    own = tuple(one for one in event.recipients if is_same(one, viewer))
    is_senders = bool(event.sender) and is_same(event.sender, viewer) and _has_rights(event.steps)
    if is_senders:
        return event
    if not is_mine and not (own and not event.recipient):
        return None
    everybody = (*event.recipients, event.recipient)
    mine = (*own, event.recipient) if is_mine else own
    return _with(event, recipients=own, steps=_without_others(event.steps, everybody, mine))


def _of_end(event: SessionEnded, viewer: bytes) -> SessionEnded:
    """Leave of a message that was begun what is the viewer's: their own address."""
    if event.sender and is_same(event.sender, viewer) and _has_rights(event.steps):
        return event
    own = tuple(one for one in event.recipients if is_same(one, viewer))
    steps = _without_others(event.steps, event.recipients, own) if own else ()
    return _with(event, sender=event.sender if own else b"", recipients=own, steps=steps)


def _is_trusted(accepted: Accepted) -> bool:
    if not accepted.story:
        return accepted.kind == "user"
    try:
        return _has_rights(codec.decode_story(accepted.story).steps)
    except ValueError:  # a story of another version
        return False


def _has_rights(steps: Trail) -> bool:
    return any(step.question in _TRUSTED and step.answer == YES for step in steps)


def _without_others(
    steps: Trail, everybody: tuple[bytes, ...], own: tuple[bytes, ...]
) -> tuple[Step, ...]:
    """Leave out what was asked about other recipients."""
    others = {address.lower() for address in everybody} - {address.lower() for address in own}
    return tuple(
        step
        for step in steps
        if not any(other and other in step.subject.lower() for other in others)
        and not any(
            other and other.decode("utf-8", "replace") in step.source.lower() for other in others
        )
    )


def _with(event: _Told, **changes: object) -> _Told:
    return msgspec.structs.replace(event, **changes)
