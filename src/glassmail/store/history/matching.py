"""What a query means: the keys to look under, and whether an event is what was asked for.

Keys are hashes and may collide, so that every event found by one is compared here.
"""

from collections.abc import Iterable

from glassmail.core.model.address import fold
from glassmail.events import codec
from glassmail.events.case import Query, shown_number
from glassmail.events.codec import AnyEvent
from glassmail.events.queue import Accepted, Settled, Started
from glassmail.events.smtpd import Handed, Refused, SessionEnded
from glassmail.store.history.keys import (
    bare_message_id,
    message_key,
    number_key,
    refused_account,
    text_key,
)
from glassmail.store.history.remote_ids import ids_in


def keys_of(query: Query) -> list[int]:
    """Return the keys that records of interest have."""
    text = query.text.encode("utf-8", "surrogateescape")
    keys = []
    for kind in query.kinds:
        if kind == "code":
            keys.append(number_key(b"c", query.number))
        elif kind == "message":
            keys.append(message_key(query.number))
        elif kind == "address":
            keys.append(text_key(b"a", fold(text)))
        elif kind == "domain":
            keys.append(text_key(b"h", fold(text).removeprefix(b"@")))
        elif kind == "message_id":
            keys.append(text_key(b"i", bare_message_id(text)))
        elif kind == "delivery":
            keys.append(number_key(b"d", query.number))
        elif kind == "remote_id":
            keys.append(text_key(b"r", text))
        elif kind == "login":
            keys.append(text_key(b"l", fold(text)))
        elif kind == "time":
            continue  # records have their times beside them
        else:
            keys.append(text_key(b"p", text))
    return keys


def restricting_keys(query: Query) -> list[int]:
    """Return the keys that a record of interest must have too: --from and --to."""
    keys = []
    for name in (query.sender, query.recipient):
        text = fold(name.encode("utf-8", "surrogateescape"))
        if text:
            is_domain = text.startswith(b"@")
            keys.append(text_key(b"h", text[1:]) if is_domain else text_key(b"a", text))
    return keys


def matches(event: AnyEvent, query: Query) -> bool:
    """Tell whether an event is what a query looks for."""
    if event.at < query.since or (query.until and event.at > query.until):
        return False
    text = query.text.encode("utf-8", "surrogateescape")
    return any(_matches_as(kind, event, query, text) for kind in query.kinds)


def _matches_as(kind: str, event: AnyEvent, query: Query, text: bytes) -> bool:
    if kind == "message":
        return shown_number(getattr(event, "message", 0)) == query.number
    if kind == "code":
        told = Accepted | Refused | SessionEnded | Handed
        if not isinstance(event, told) or event.code != query.number:
            return False
        return _has_part(event, query.part)
    if kind == "address":
        folded = fold(text)
        return any(fold(address) == folded for address in _addresses(event))
    if kind == "domain":
        domain = b"@" + text.removeprefix(b"@")
        return any(is_same(address, domain) for address in _addresses(event))
    if kind == "message_id":
        return isinstance(event, Accepted) and (
            bare_message_id(event.message_id) == bare_message_id(text)
        )
    if kind == "delivery":
        return isinstance(event, Started | Settled) and event.delivery == query.number
    if kind == "time":
        return _went_wrong(event)
    if kind == "remote_id":
        return isinstance(event, Settled) and text in ids_in(event.text)
    if kind == "login":
        return bool(text) and fold(refused_account(event)) == fold(text)
    return _is_from_client(event, query.text)


def is_wanted(events: Iterable[AnyEvent], query: Query) -> bool:
    """Tell whether sender and recipient are as a query wants them, in any of the events.

    Args:
        events: what matched, and what its case begins with.
        query: whose `sender` and `recipient` count.
    """
    if not query.sender and not query.recipient:
        return True
    told = list(events)
    kinds = Accepted | Refused | Handed | SessionEnded
    senders = [event.sender for event in told if isinstance(event, kinds)]
    recipients = [address for event in told for address in _recipients(event)]
    return _is_among(query.sender, senders) and _is_among(query.recipient, recipients)


def is_same(address: bytes, wanted: bytes) -> bool:
    """Tell whether an address is the wanted one, or in the wanted `@domain`."""
    folded = fold(address)
    if wanted.startswith(b"@"):
        return folded.endswith(fold(wanted))
    return folded == fold(wanted)


def _is_among(wanted: str, addresses: list[bytes]) -> bool:
    name = wanted.encode("utf-8", "surrogateescape")
    return not name or any(is_same(address, name) for address in addresses)


def _recipients(event: AnyEvent) -> tuple[bytes, ...]:
    if isinstance(event, Accepted):
        return event.recipients
    if isinstance(event, Refused | Handed):
        return (event.recipient, *event.recipients)
    if isinstance(event, SessionEnded):
        return event.recipients
    return (event.address,) if isinstance(event, Started | Settled) else ()


def _went_wrong(event: AnyEvent) -> bool:
    """A refusal, or a session that broke off or brought nothing."""
    if isinstance(event, SessionEnded):
        return event.how in {"dropped", "timeout"} and not event.refused
    return isinstance(event, Refused)


def _has_part(event: Accepted | Refused | SessionEnded | Handed, part: int) -> bool:
    if isinstance(event, SessionEnded):
        # A session that did nothing else is told by its end; else its messages and refusals tell.
        return not part and ((not event.accepted and not event.refused) or bool(event.recipients))
    return not part or event.part == part


def _addresses(event: AnyEvent) -> tuple[bytes, ...]:
    if isinstance(event, Accepted):
        return (event.sender, *event.recipients)
    if isinstance(event, Started):
        return (event.address,)
    if isinstance(event, Refused | Handed):
        return (event.sender, event.recipient, *event.recipients)
    if isinstance(event, SessionEnded) and event.recipients:
        return (event.sender, *event.recipients)
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
