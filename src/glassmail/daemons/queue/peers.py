"""Who is connected to the queue, and what each may do.

Anyone may hand in messages; the uid comes from the kernel (SO_PEERCRED). A role other than
`client` needs the uid that this role runs as, root, or the owner of the site.
"""

import os
from typing import Protocol

import msgspec

from glassmail.net import doorway
from glassmail.net.messages import (
    Enqueue,
    Hello,
    OpenBody,
    Request,
    Settle,
    TakeCodes,
)

FromPeer = Hello | TakeCodes | OpenBody | Enqueue | Settle | Request
DECODER = msgspec.msgpack.Decoder(FromPeer)


class Peer(doorway.Peer):
    """One connection.

    Attributes:
        bodies: files opened for it and not yet handed in: token -> (name, descriptor).
    """

    __slots__ = ("bodies",)

    def __init__(self, pid: int, uid: int, gid: int) -> None:
        super().__init__(pid, uid, gid)
        self.bodies: dict[int, tuple[str, int]] = {}


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
