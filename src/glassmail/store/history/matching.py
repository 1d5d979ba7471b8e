"""What a query means: the keys to look under, and whether an event is what was asked for.

Keys are hashes and may collide, so that every event found by one is compared here.
"""

from glassmail.core.model.address import fold
from glassmail.events import codec
from glassmail.events.case import Query
from glassmail.events.codec import AnyEvent
from glassmail.events.queue import Accepted, Started
from glassmail.events.smtpd import Handed, Refused, SessionEnded
from glassmail.store.history.keys import bare_message_id, number_key, text_key


def keys_of(query: Query) -> list[int]:
    """Return the keys that records of interest have."""
    text = query.text.encode("utf-8", "surrogateescape")
    keys = []
    for kind in query.kinds:
        if kind == "code":
            keys.append(number_key(b"c", query.number))
        elif kind == "message":
            keys.append(number_key(b"m", query.number))
        elif kind == "address":
            keys.append(text_key(b"a", fold(text)))
        elif kind == "message_id":
            keys.append(text_key(b"i", bare_message_id(text)))
        else:
            keys.append(text_key(b"p", text))
    return keys


def matches(event: AnyEvent, query: Query) -> bool:
    """Tell whether an event is what a query looks for."""
    if event.at < query.since or (query.until and event.at > query.until):
        return False
    text = query.text.encode("utf-8", "surrogateescape")
    return any(_matches_as(kind, event, query, text) for kind in query.kinds)


def _matches_as(kind: str, event: AnyEvent, query: Query, text: bytes) -> bool:
    if kind == "message":
        return getattr(event, "message", 0) == query.number
    if kind == "code":
        told = Accepted | Refused | SessionEnded | Handed
        if not isinstance(event, told) or event.code != query.number:
            return False
        return _has_part(event, query.part)
    if kind == "address":
        folded = fold(text)
        return any(fold(address) == folded for address in _addresses(event))
    if kind == "message_id":
        return isinstance(event, Accepted) and (
            bare_message_id(event.message_id) == bare_message_id(text)
        )
    return _is_from_client(event, query.text)


def _has_part(event: Accepted | Refused | SessionEnded | Handed, part: int) -> bool:
    if isinstance(event, SessionEnded):
        # A session that did nothing else is told by its end; else its messages and refusals tell.
        return not part and not event.accepted and not event.refused
    return not part or event.part == part


def _addresses(event: AnyEvent) -> tuple[bytes, ...]:
    if isinstance(event, Accepted):
        return (event.sender, *event.recipients)
    if isinstance(event, Started):
        return (event.address,)
    if isinstance(event, Refused | Handed):
        return (event.sender, event.recipient, *event.recipients)
    return ()


def _is_from_client(event: AnyEvent, client: str) -> bool:
    if isinstance(event, Refused | Handed):
        return event.client == client
    if isinstance(event, SessionEnded):
        return event.client == client and not event.accepted and not event.refused
    if isinstance(event, Accepted) and event.story:
        try:
            return codec.decode_story(event.story).client == client
        except ValueError:  # msgspec's errors: a story of another version
            return False
    return False
