"""Who is connected to the queue, and what each may do.

Anyone may hand in messages; the uid comes from the kernel (SO_PEERCRED). A role other than
`client` needs the uid that this role runs as, root, or the owner of the site.
"""

import os
from typing import Protocol

import msgspec

from glassmail.net.channel import Channel
from glassmail.net.messages import (
    Enqueue,
    Hello,
    Message,
    OpenBody,
    Request,
    Settle,
    TakeCodes,
    encode,
)

FromPeer = Hello | TakeCodes | OpenBody | Enqueue | Settle | Request
DECODER = msgspec.msgpack.Decoder(FromPeer)


class Peer:
    """One connection.

    Attributes:
        role: client until Hello says otherwise.
        bodies: files opened for it and not yet handed in: token -> (name, descriptor).
    """

    __slots__ = ("bodies", "channel", "pid", "role", "uid")

    def __init__(self, uid: int, pid: int) -> None:
        self.channel: Channel | None = None
        self.uid = uid
        self.pid = pid
        self.role = "client"
        self.bodies: dict[int, tuple[str, int]] = {}

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send, unless the peer is gone."""
        if self.channel is not None:
            self.channel.send(encode(message), descriptors)

    def close(self, reason: str) -> None:
        """Hang up."""
        if self.channel is not None:
            self.channel.close(reason)


class Handler(Protocol):
    """What the queue process does with what peers say."""

    def hello(self, peer: Peer, message: Hello) -> None:
        """A peer said its role."""

    def gone(self, peer: Peer, reason: str) -> None:
        """A peer's connection ended."""


def may_be(peer: Peer, role: str, uids: dict[str, tuple[int, int]], owner: int) -> bool:
    """Tell whether a peer may take a role."""
    if role == "client":
        return True
    expected = uids.get(role)
    return peer.uid in (0, owner) or (expected is not None and peer.uid == expected[0])


def is_administrator(
    peer: Peer, owner: int, queue_uid: int, glass_gid_members: frozenset[int]
) -> bool:
    """Tell whether a peer sees and changes everybody's mail."""
    return peer.uid in (0, owner, queue_uid) or peer.uid in glass_gid_members


def close_bodies(peer: Peer) -> list[str]:
    """Close the descriptors of bodies that were never handed in; return their names."""
    names = []
    for name, descriptor in peer.bodies.values():
        os.close(descriptor)
        names.append(name)
    peer.bodies.clear()
    return names
