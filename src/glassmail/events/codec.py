"""Events as bytes: one msgpack array per batch, decoded with full type checks."""

from collections.abc import Sequence

import msgspec

from glassmail.events.event import Event
from glassmail.events.gate import GateEvent
from glassmail.events.process import ProcessEvent
from glassmail.events.queue import QueueFact
from glassmail.events.smtpd import SmtpdEvent, Story

AnyEvent = GateEvent | QueueFact | SmtpdEvent | ProcessEvent

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[AnyEvent])
_story_decoder = msgspec.msgpack.Decoder(Story)


def encode(events: Sequence[Event]) -> bytes:
    """Encode a batch of events."""
    return _encoder.encode(events)


def decode(data: bytes) -> list[AnyEvent]:
    """Decode a batch; raises msgspec.DecodeError or ValidationError on foreign bytes."""
    return _decoder.decode(data)


def encode_story(story: Story) -> bytes:
    """Encode the session part of an accepted message."""
    return _encoder.encode(story)


def decode_story(data: bytes) -> Story:
    """Decode what encode_story made."""
    return _story_decoder.decode(data)
