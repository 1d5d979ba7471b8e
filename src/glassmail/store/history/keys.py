"""Search keys: what a record can be found by, and how keys are packed.

Purpose:
    A key is a 40-bit hash of a kind and a value. An entry is the key and a record's number,
    counted from the first record of its segment, in one 64-bit number; sorted entries of a
    segment make pages of about 4 kB that are found by their first key.

Why so:
    Keys come in no order. In one index each insert would touch a page of its own, 4 kB of disk
    for 8 bytes; a segment is sorted in memory and appended instead.

Hashes may collide: a reader compares the records themselves.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

import msgspec

from glassmail.core.model.address import fold
from glassmail.events.case import LIFE
from glassmail.events.queue import Accepted, Settled, Started
from glassmail.events.smtpd import Handed, Noted, Refused, SessionEnded
from glassmail.store.history.remote_ids import ids_in

HASH_BITS = 40
OFFSET_BITS = 24
SEGMENT_RECORDS_MAX = 1 << OFFSET_BITS
PAGE_ENTRIES = 496  # 3,968 bytes: with its header one row fills one page of 4,096
OFFSET_MASK = SEGMENT_RECORDS_MAX - 1
_CACHE_KEYS_MAX = 16_384
_MESSAGE_KEYS_MAX = 4_096

_IS_SWAPPED = sys.byteorder == "big"


class _Client(msgspec.Struct, array_like=True, tag="story", gc=False):
    """The front of a smtpd.Story: its steps need not be decoded to find the client."""

    at: int
    code: int
    part: int
    service: str
    client: str


_client_decoder = msgspec.msgpack.Decoder(_Client)


def number_key(kind: bytes, number: int) -> int:
    """Hash a number: a message (m), an origin (o), a delivery (d), a trace code (c)."""
    mixed = (number * 0x9E3779B97F4A7C15 + kind[0] * 0xC2B2AE3D27D4EB4F) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return mixed >> (64 - HASH_BITS)


@lru_cache(_MESSAGE_KEYS_MAX)  # four events of every message come one after the other
def message_key(number: int) -> int:
    """Hash a message's number, whichever life of it."""
    return number_key(b"m", number % LIFE)


def text_key(kind: bytes, text: bytes) -> int:
    """Hash a text: address (a), domain (h), Message-ID (i), client (p), another server's id (r).

    An account at which a login was refused has a kind of its own (l): who guesses passwords shall
    not bury the account's mail under refusals.
    """
    return int.from_bytes(blake2b(kind + text, digest_size=HASH_BITS // 8).digest(), "big")


def refused_account(event: object) -> bytes:
    """Return the account at which an event refuses a login; empty for all other events."""
    return event.login if type(event) is Refused and event.stage == "auth" else b""


def bare_message_id(text: bytes) -> bytes:
    """Return a Message-ID without blanks and angle brackets."""
    return text.strip(b" \t\r\n<>")


class KeyMaker:
    """Keys of events; remembers the hashes of texts that come again and again."""

    def __init__(self) -> None:
        self._cache: dict[bytes, int] = {}

    def add(self, event: object, keys: set[int]) -> None:
        """Add the keys of an event."""
        kind = type(event)
        if kind is Accepted:
            self._accepted(event, keys)  # type: ignore[arg-type]
        elif kind is Started:
            keys.add(message_key(event.message))  # type: ignore[attr-defined]
            keys.add(number_key(b"d", event.delivery))  # type: ignore[attr-defined]
            keys.add(self._text(b"a", fold(event.address)))  # type: ignore[attr-defined]
        elif kind is Settled:
            keys.add(message_key(event.message))  # type: ignore[attr-defined]
            if event.channel == "remote":  # type: ignore[attr-defined]
                for name in ids_in(event.text):  # type: ignore[attr-defined]
                    keys.add(text_key(b"r", name))
        elif kind is Refused or kind is Handed:
            self._refused(event, keys)  # type: ignore[arg-type]
        elif kind is SessionEnded or kind is Noted:
            keys.add(self._text(b"p", event.client.encode()))  # type: ignore[attr-defined]
            if event.code:  # type: ignore[attr-defined]
                keys.add(number_key(b"c", event.code))  # type: ignore[attr-defined]
            if kind is SessionEnded and event.recipients:  # type: ignore[attr-defined]
                for address in (event.sender, *event.recipients):  # type: ignore[attr-defined]
                    self._address(address, keys)
        else:
            number = getattr(event, "message", 0)
            if number:
                keys.add(message_key(number))

    def _accepted(self, event: Accepted, keys: set[int]) -> None:
        keys.add(message_key(event.message))
        if event.code:
            keys.add(number_key(b"c", event.code))
        if event.origin:
            keys.add(number_key(b"o", event.origin))
        self._address(event.sender, keys)
        for recipient in event.recipients:
            self._address(recipient, keys)
        if event.message_id:
            keys.add(self._text(b"i", bare_message_id(event.message_id)))
        if event.story:
            try:
                client = _client_decoder.decode(event.story).client
            except msgspec.MsgspecError:
                return  # a story made by another version: its message is found by all else
            keys.add(self._text(b"p", client.encode()))

    def _refused(self, event: Refused | Handed, keys: set[int]) -> None:
        keys.add(self._text(b"p", event.client.encode()))
        if event.code:
            keys.add(number_key(b"c", event.code))
        for address in (event.sender, event.recipient, *event.recipients):
            self._address(address, keys)
        account = refused_account(event)
        if account:
            keys.add(self._text(b"l", fold(account)))

    def _address(self, address: bytes, keys: set[int]) -> None:
        """Add the keys of an address: itself and its domain."""
        if not address:
            return
        folded = fold(address)
        keys.add(self._text(b"a", folded))
        domain = folded.rpartition(b"@")[2]
        keys.add(self._text(b"h", domain))

    def _text(self, kind: bytes, text: bytes) -> int:
        whole = kind + text
        key = self._cache.get(whole)
        if key is None:
            if len(self._cache) >= _CACHE_KEYS_MAX:
                self._cache.clear()
            key = self._cache[whole] = text_key(kind, text)
        return key


def entry(key: int, offset: int) -> int:
    """Join a key and a record's offset in its segment."""
    return key << OFFSET_BITS | offset


def pages(entries: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Pack sorted entries as (first key, page); entries of one key never start two pages."""
    whole = array("Q", entries)
    start = 0
    while start < len(whole):
        first = whole[start] >> OFFSET_BITS
        end = start + PAGE_ENTRIES
        if end < len(whole) and whole[end] >> OFFSET_BITS == first:
            end = bisect_left(whole, (first + 1) << OFFSET_BITS, end)
        page = whole[start:end]
        if _IS_SWAPPED:
            page.byteswap()
        yield first, page.tobytes()
        start = end


def without_key(page: bytes, key: int) -> bytes:
    """Return a page without the entries of a key."""
    entries = array("Q")
    entries.frombytes(page[: len(page) - len(page) % 8])
    if _IS_SWAPPED:
        entries.byteswap()
    start = bisect_left(entries, key << OFFSET_BITS)
    del entries[start : bisect_left(entries, (key + 1) << OFFSET_BITS, start)]
    if _IS_SWAPPED:
        entries.byteswap()
    return entries.tobytes()


def offsets_in_page(page: bytes, key: int) -> list[int]:
    """Return the offsets that a page holds for a key."""
    entries = array("Q")
    entries.frombytes(page[: len(page) - len(page) % 8])
    if _IS_SWAPPED:
        entries.byteswap()
    return offsets_among(entries, key)


def offsets_among(entries: "array[int] | list[int]", key: int) -> list[int]:
    """Return the offsets that sorted entries hold for a key."""
    start = bisect_left(entries, key << OFFSET_BITS)
    end = bisect_left(entries, (key + 1) << OFFSET_BITS, start)
    return [number & OFFSET_MASK for number in entries[start:end]]
