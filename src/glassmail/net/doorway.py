"""A listening socket of the event loop, who may come in, and how a frame becomes a message.

The four daemons with a socket of their own (queue, log, keeper, gate) take connections and read
messages in the same way; what they answer is theirs.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from glassmail.core.model.system_errors import words_of
from glassmail.net.channel import Channel, peer_credentials
from glassmail.net.limits import ACCEPT_REST_S, BACKLOG
from glassmail.net.messages import Message, encode

CLIENT = "client"  # the role of a peer until its Hello says otherwise


class Closable(Protocol):
    """What ends a connection with a reason: a Channel, or what owns one."""

    def close(self, reason: str) -> None:
        """Hang up."""


class Doorway:
    """Hands each connection that comes in to `welcome`, until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        welcome: Callable[[socket.socket], None],
        warn: Callable[[str], None],
    ) -> None:
        """Begin to take connections.

        Args:
            sock: listening; closed by `close`.
            welcome: takes a connection and owns it.
            warn: is told why none could be taken.
        """
        sock.setblocking(False)
        self._sock = sock
        self._welcome = welcome
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._attend()

    def close(self) -> None:
        """Take no more connections."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _attend(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            if not self._is_open:  # a connection brought the order to end
                return
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._warn(f"cannot take a connection: {words_of(error)}: it waits")
                self._rest()
                return
            self._welcome(sock)

    def _rest(self) -> None:
        """Accept nothing for a moment: the trouble (no descriptors left) would only repeat."""
        self._loop.remove_reader(self._sock.fileno())
        self._loop.call_later(ACCEPT_REST_S, self._attend)


class Peer:
    """One connection, and who the kernel says is there.

    Attributes:
        role: client until Hello says otherwise.
    """

    __slots__ = ("channel", "gid", "pid", "role", "uid")

    def __init__(self, pid: int, uid: int, gid: int) -> None:
        self.channel: Channel | None = None
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.role = CLIENT

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send, unless the peer is gone."""
        if self.channel is not None:
            self.channel.send(encode(message), descriptors)

    def close(self, reason: str) -> None:
        """Hang up."""
        if self.channel is not None:
            self.channel.close(reason)


class Places(NamedTuple):
    """How many connections a socket takes that anybody may connect to.

    Attributes:
        most: of all.
        share: of one user who is none of ours, so that nobody can take all places.
        is_ours: whether a uid is a daemon's, the owner's or root's.
    """

    most: int
    share: int
    is_ours: Callable[[int], bool]

    def has_one(self, uid: int, peers: Collection[Peer]) -> bool:
        """Tell whether there is a place for one more connection of a user."""
        if len(peers) >= self.most:
            return False
        return self.is_ours(uid) or sum(peer.uid == uid for peer in peers) < self.share


M = TypeVar("M")
P = TypeVar("P", bound=Peer)


def admit(
    sock: socket.socket,
    peers: set[P],
    places: Places,
    make: Callable[[int, int, int], P],
    on_frame: Callable[[P, bytes, tuple[int, ...]], None],
    on_gone: Callable[[P], None],
) -> None:
    """Give a connection its peer among `peers`, or hang up while there is no place for it.

    Args:
        sock: just accepted.
        peers: who is there; on_gone takes the peer out again.
        places: how many there may be.
        make: makes the peer of process id, uid and gid.
        on_frame: takes each frame of the peer.
        on_gone: called once when the connection is over.
    """
    pid, uid, gid = peer_credentials(sock)
    if not places.has_one(uid, peers):
        sock.close()
        return
    peer = make(pid, uid, gid)
    peers.add(peer)
    peer.channel = Channel(
        sock,
        lambda payload, descriptors: on_frame(peer, payload, descriptors),
        lambda _reason: on_gone(peer),
    )


def read_message(
    decoder: "msgspec.msgpack.Decoder[M]",
    payload: bytes,
    descriptors: tuple[int, ...],
    peer: Closable,
) -> M | None:
    """Decode a frame; one that is no message closes the connection.

    The descriptors that came with it are closed: nobody sends these daemons any.
    """
    for number in descriptors:
        os.close(number)
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        peer.close(f"not a message of ours: {error}")
        return None
