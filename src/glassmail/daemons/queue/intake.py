"""Taking messages in: from Enqueue to a durable row and the answer.

Always:
    - Every answer follows the commit that holds the message.
    - A repeated forward (same message, recipient and part) is answered with the message it
      already became.
    - Below `queueminfree` free bytes nothing is taken (qmail-queue's exit 53).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from glassmail.core.formats import date
from glassmail.core.formats.message_id import find_message_id
from glassmail.core.model.limits import (
    BODY_INLINE_BYTES_MAX,
    ENVELOPE_ADDRESS_BYTES_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
)
from glassmail.core.model.trail import Trail
from glassmail.core.route.remembered import routes
from glassmail.core.route.rewrite import Channel, RoutingTables
from glassmail.daemons.queue.active import Active
from glassmail.daemons.queue.limits import (
    CLIENT_OPEN_BODIES_MAX,
    HEADER_BYTES_LOOKED_AT,
    OPEN_BODIES_MAX,
)
from glassmail.daemons.queue.peers import Peer
from glassmail.events.queue import Accepted, Administered
from glassmail.net.messages import BodyOpened, Declined, Enqueue, Enqueued, OpenBody
from glassmail.stations.bounce import Bounce
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.disk import QueueDisk
from glassmail.store.queue.rows import LOCAL, REMOTE, NewMessage, NewRecipient

FULL_TEXT = b"qq write error or disk full (#4.3.0)"
BAD_BODY_TEXT = b"qq read error (#4.3.0)"
TOO_LONG_TEXT = b"envelope address too long for qq (#5.1.3)"
TOO_MANY_TEXT = b"too many recipients (#5.5.3)"


class Incoming(NamedTuple):
    """A message to queue in the next transaction.

    Attributes:
        invoked: how the Received line says it came: `from network`, `by uid 1001`, ...
        dropped: name of the file in queue/drop, empty for others.
    """

    message: Enqueue
    uid: int
    kind: str
    invoked: bytes
    file: str | None
    answer: Callable[[Enqueued | Declined], None]
    dropped: str = ""


class Taken(NamedTuple):
    """A message that the transaction holds, and the routing trail of each recipient."""

    new: NewMessage
    steps: tuple[Trail, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of one transaction."""

    seconds: int
    nanoseconds: int


class Capability:
    """Keys that prove a worker was given a delivery (Origin.key)."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)

    def key(self, message: int, number: int) -> bytes:
        """Make the key of one recipient of one message."""
        return blake2b(b"%d.%d" % (message, number), key=self._secret, digest_size=16).digest()


class Intake:
    """Messages handed in since the last commit."""

    def __init__(self, store: QueueStore, disk: QueueDisk, capability: Capability) -> None:
        self._store = store
        self._disk = disk
        self._capability = capability
        self._incoming: list[Incoming] = []
        self._answers: list[tuple[Incoming, Enqueued | Declined]] = []
        self._has_new_files = False
        self._token = 0
        self.is_full = False
        self.alias_uid = -1

    @property
    def is_waiting(self) -> bool:
        """Tell whether messages wait for a commit."""
        return bool(self._incoming)

    @property
    def waiting(self) -> int:
        """Messages that wait for a commit."""
        return len(self._incoming)

    def open_body(self, peer: Peer, message: OpenBody) -> None:
        """Make a file for a large body and pass its descriptor."""
        most = OPEN_BODIES_MAX if peer.role == "smtpd" else CLIENT_OPEN_BODIES_MAX
        if self.is_full or len(peer.bodies) >= most:
            peer.send(Declined(message.ref, "Z", 53, FULL_TEXT))
            return
        try:
            name, descriptor = self._disk.make_body()
        except OSError:
            peer.send(Declined(message.ref, "Z", 53, FULL_TEXT))
            return
        self._token += 1
        peer.bodies[self._token] = (name, descriptor)
        peer.send(BodyOpened(message.ref, self._token), (descriptor,))

    def add(self, peer: Peer, message: Enqueue) -> None:
        """Check what was handed in and let it wait for the next transaction."""
        fault, name = self._check(peer, message)
        if fault is not None:
            peer.send(fault)
            return
        kind, invoked = self._kind(peer, message)
        self.add_incoming(Incoming(message, peer.uid, kind, invoked, name, peer.send))

    def add_incoming(self, incoming: Incoming) -> None:
        """Let a message wait for the next transaction."""
        if self.is_full:
            if incoming.file is not None:  # it was opened while there was room
                self._disk.remove_body(incoming.file)
            incoming.answer(Declined(incoming.message.ref, "Z", 53, FULL_TEXT))
            return
        self._has_new_files = self._has_new_files or incoming.file is not None
        self._incoming.append(incoming)

    def _check(self, peer: Peer, message: Enqueue) -> tuple[Declined | None, str | None]:
        longest = max((len(r) for r in message.recipients), default=0)
        if max(longest, len(message.sender)) > ENVELOPE_ADDRESS_BYTES_MAX:
            return Declined(message.ref, "D", 11, TOO_LONG_TEXT), None
        together = sum(map(len, message.recipients))
        if len(message.recipients) > RECIPIENTS_MAX or together > RECIPIENTS_BYTES_MAX:
            return Declined(message.ref, "D", 31, TOO_MANY_TEXT), None
        if message.origin is not None:
            origin = message.origin
            if origin.key != self._capability.key(origin.message, origin.number):
                return Declined(message.ref, "Z", 81, b"qq internal bug (#4.3.0)"), None
            return None, None
        if message.body is not None:
            if len(message.body) != message.size or message.size > BODY_INLINE_BYTES_MAX:
                return Declined(message.ref, "Z", 54, BAD_BODY_TEXT), None
            return None, None
        opened = peer.bodies.pop(message.file, None)
        if opened is None:
            return Declined(message.ref, "Z", 54, BAD_BODY_TEXT), None
        name, descriptor = opened
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
        if size != message.size:
            self._disk.remove_body(name)
            return Declined(message.ref, "Z", 54, BAD_BODY_TEXT), None
        return None, name

    def _kind(self, peer: Peer, message: Enqueue) -> tuple[str, bytes]:
        if peer.role == "smtpd":
            return "network", b"from network"
        kind = "forward" if message.origin is not None else "user"
        if peer.uid == self.alias_uid:
            return kind, b"by alias"
        return kind, b"by uid %d" % peer.uid

    def write(self, clock: Clock, tables: RoutingTables) -> list[Taken]:
        """Insert what waits; inside the transaction. Answers are given by `committed`."""
        if self._has_new_files:
            self._disk.sync_bodies()
        taken = []
        for incoming in self._incoming:
            made = self._write_one(incoming, clock, tables)
            if isinstance(made, Taken):
                taken.append(made)
                self._answers.append((incoming, Enqueued(incoming.message.ref, made.new.id)))
            else:
                self._answers.append((incoming, made))
        if taken:
            self._store.insert(made.new for made in taken)
        return taken

    def _write_one(
        self, incoming: Incoming, clock: Clock, tables: RoutingTables
    ) -> Taken | Enqueued | Declined:
        message = incoming.message
        if incoming.dropped and not self._store.note_drop(incoming.dropped):
            if incoming.file is not None:
                self._store.dead_files.append(incoming.file)
            return Enqueued(message.ref, 0)  # taken in before; only its removal was lost
        body, body_size, below = 0, message.size, b""
        origin = message.origin
        if origin is not None:
            child = self._store.forward_child(origin.message, origin.number, origin.part)
            if child is not None:
                return Enqueued(message.ref, child)
            found = self._store.body_of(origin.message)
            if found is None:
                return Declined(message.ref, "Z", 54, BAD_BODY_TEXT)
            body, body_size, below = found
        routed = [routes.find(recipient, tables) for recipient in message.recipients]
        number = self._store.next_message()
        code, part = message.code, message.part
        if not code:
            code, part = self._store.take_codes(1, clock.nanoseconds // 1_000_000), 0
        received = b"Received: (qmail %d invoked %s); %s\n" % (
            number, incoming.invoked, date.rfc822(clock.seconds),
        )  # fmt: skip
        new = NewMessage(
            id=number,
            born=clock.seconds,
            sender=message.sender,
            uid=incoming.uid,
            code=code,
            part=part,
            kind=incoming.kind,
            origin=origin.message if origin is not None else 0,
            head=received + message.head + below,
            data=message.body,
            file=incoming.file,
            body=body,
            body_size=body_size,
            recipients=tuple(
                NewRecipient(original, _channel(destination.channel), destination.address)
                for original, destination in zip(message.recipients, routed, strict=True)
            ),
        )
        if origin is not None:
            self._store.note_forward(origin.message, origin.number, origin.part, number)
        return Taken(new, tuple(destination.steps for destination in routed))

    def write_bounce(
        self, failed: Active, bounce: Bounce, clock: Clock, tables: RoutingTables
    ) -> Taken:
        """Insert the bounce of a message; inside the transaction that ends the message."""
        destination = routes.find(bounce.recipient, tables)
        found = self._store.body_of(failed.id)
        assert found is not None  # the message ends in this very transaction
        body, body_size, _head = found
        number = self._store.next_message()
        received = b"Received: (qmail %d invoked for bounce); %s\n" % (
            number, date.rfc822(clock.seconds),
        )  # fmt: skip
        new = NewMessage(
            id=number,
            born=clock.seconds,
            sender=bounce.sender,
            uid=os.getuid(),
            code=self._store.take_codes(1, clock.nanoseconds // 1_000_000),
            part=0,
            kind="bounce",
            origin=failed.id,
            head=received + bounce.head + failed.head,
            data=None,
            file=None,
            body=body,
            body_size=body_size,
            recipients=(
                NewRecipient(bounce.recipient, _channel(destination.channel), destination.address),
            ),
        )
        self._store.insert((new,))
        return Taken(new, (destination.steps,))

    def accepted(self, taken: Taken, clock: Clock, handed_in: Enqueue | None) -> Accepted:
        """Make the fact of an accepted message; handed_in is None for our own bounces."""
        new = taken.new
        known = handed_in.message_id if handed_in is not None else None
        return Accepted(
            at=clock.nanoseconds,
            message=new.id,
            code=new.code,
            part=new.part,
            size=new.size,
            sender=new.sender,
            uid=new.uid,
            origin=new.origin,
            kind=new.kind,
            message_id=self._message_id(new) if known is None else known,
            recipients=tuple(recipient.original for recipient in new.recipients),
            story=handed_in.story if handed_in is not None else b"",
        )

    def hold(self, taken: Taken, clock: Clock) -> Administered:
        """Hold a message of an account that sends too much; inside the transaction."""
        self._store.hold(taken.new.id, held=True)
        return Administered(clock.nanoseconds, taken.new.id, "hold", taken.new.uid)

    def _message_id(self, new: NewMessage) -> bytes:
        if new.data is not None:
            return find_message_id(new.data, HEADER_BYTES_LOOKED_AT)
        if new.file is None:
            return b""  # a forward or bounce: its origin tells
        descriptor = self._disk.open_body(new.file)
        try:
            return find_message_id(
                os.read(descriptor, HEADER_BYTES_LOOKED_AT), HEADER_BYTES_LOOKED_AT
            )
        finally:
            os.close(descriptor)

    def handed_in(self) -> dict[int, Enqueue]:
        """What was handed in for each message of this transaction, by message number."""
        return {
            answer.message: incoming.message
            for incoming, answer in self._answers
            if isinstance(answer, Enqueued)
        }

    def committed(self) -> None:
        """Answer everybody: the transaction is durable."""
        answers, self._answers = self._answers, []
        self._incoming.clear()
        self._has_new_files = False
        for incoming, answer in answers:
            incoming.answer(answer)

    def undone(self, *, may_be_found_again: bool = False) -> None:
        """Decline everybody: the transaction could not be made durable.

        Args:
            may_be_found_again: a sync failed after the write. The next process may recover the
                transaction, and its bodies must be there then; it sweeps the others away.
        """
        waiting, self._incoming = self._incoming, []
        self._answers.clear()
        self._has_new_files = False
        for incoming in waiting:
            if incoming.file is not None and not may_be_found_again:
                self._disk.remove_body(incoming.file)
            incoming.answer(Declined(incoming.message.ref, "Z", 53, FULL_TEXT))


def _channel(channel: Channel) -> int:
    return LOCAL if channel is Channel.LOCAL else REMOTE
