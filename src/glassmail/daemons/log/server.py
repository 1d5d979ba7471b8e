"""The log's socket: who tells events, who asks what happened."""

import socket
from collections.abc import Callable

import msgspec

from glassmail.daemons.log.limits import CONNECTIONS_MAX, CONNECTIONS_PER_UID_MAX
from glassmail.daemons.log.rights import Rights
from glassmail.net import doorway
from glassmail.net.doorway import CLIENT, Doorway, Places, admit, read_message
from glassmail.net.messages import (
    Facts,
    FactsKept,
    Failed,
    Hello,
    Pulse,
    Request,
    Tell,
)
from glassmail.net.unix_listener import listen_unix

FromPeer = Hello | Tell | Facts | Request | Pulse
_DECODER: msgspec.msgpack.Decoder[FromPeer] = msgspec.msgpack.Decoder(FromPeer)
NUMBER_MAX = 2**63 - 1  # SQLite's integers

_QUEUE = "queue"


class Peer(doorway.Peer):
    """One connection."""

    __slots__ = ("numbers", "rows", "sends_facts")

    def __init__(self, pid: int, uid: int, gid: int) -> None:
        super().__init__(pid, uid, gid)
        self.sends_facts = False
        self.numbers: dict[str, int] = {}  # its last pulse
        self.rows: tuple[bytes, ...] = ()


class LogServer:
    """Everything that comes over run/log.sock."""

    def __init__(
        self,
        path: str,
        rights: Rights,
        *,
        on_tell: Callable[[bytes], bool],
        on_facts: Callable[[Facts], None],
        on_request: Callable[[Peer, Request], None],
    ) -> None:
        """Make the server.

        Args:
            path: of the socket.
            rights: who may do what.
            on_tell: takes encoded events; False when they are none.
            on_facts: takes the queue's facts.
            on_request: answers a person's question.
        """
        self._path = path
        self._rights = rights
        self._on_tell = on_tell
        self._on_facts = on_facts
        self._on_request = on_request
        self._peers: set[Peer] = set()
        self._places = Places(CONNECTIONS_MAX, CONNECTIONS_PER_UID_MAX, rights.may_tell)
        self._door: Doorway | None = None
        self.on_gone: Callable[[], None] = lambda: None

    @property
    def tellers(self) -> int:
        """How many processes of the site are connected."""
        return sum(1 for peer in self._peers if peer.role != CLIENT)

    def pulses(self) -> list[tuple[str, int, dict[str, int]]]:
        """Role, process id and last numbers of each process that told some."""
        return [(peer.role, peer.pid, peer.numbers) for peer in self._peers if peer.numbers]

    def rows(self) -> list[bytes]:
        """Rows of the last pulses."""
        return [row for peer in self._peers for row in peer.rows]

    def listen(self, sock: socket.socket | None, warn: Callable[[str], None]) -> None:
        """Listen on the supervisor's socket, or make one; raises OSError."""
        listener = sock if sock is not None else listen_unix(self._path)
        self._door = Doorway(listener, self._welcome, warn)

    def confirm(self, last: int) -> None:
        """Tell the queue up to which row its facts are durable."""
        for peer in list(self._peers):
            if peer.sends_facts:
                peer.send(FactsKept(last))

    def ask_again(self) -> None:
        """Hang up on the queue, so that it sends again what was not confirmed."""
        for peer in list(self._peers):
            if peer.sends_facts:
                peer.close("facts are needed again")

    def stop_listening(self) -> None:
        """Take no new connections."""
        if self._door is not None:
            self._door.close()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self.stop_listening()
        for peer in list(self._peers):
            peer.close("the log ends")

    def _welcome(self, sock: socket.socket) -> None:
        admit(sock, self._peers, self._places, Peer, self._frame, self._gone)

    def _gone(self, peer: Peer) -> None:
        self._peers.discard(peer)
        peer.channel = None
        self.on_gone()

    def _frame(self, peer: Peer, payload: bytes, descriptors: tuple[int, ...]) -> None:
        message = read_message(_DECODER, payload, descriptors, peer)
        if message is None:
            return
        match message:
            case Tell():
                self._tell(peer, message)
            case Facts():
                self._facts(peer, message)
            case Hello():
                self._hello(peer, message)
            case Request():
                self._on_request(peer, message)
            case Pulse():
                if peer.role != CLIENT:  # it has shown that it may be what it says
                    peer.numbers, peer.rows = message.numbers, message.rows

    def _hello(self, peer: Peer, message: Hello) -> None:
        if message.role != CLIENT and not self._rights.may_tell(peer.uid):
            self._refuse(peer, f"uid {peer.uid} may not be {message.role}")
            return
        peer.role = message.role

    def _tell(self, peer: Peer, message: Tell) -> None:
        if not self._rights.may_tell(peer.uid):
            self._refuse(peer, f"uid {peer.uid} may not tell events")
        elif not self._on_tell(message.events):
            peer.close("these are no events of ours")

    def _facts(self, peer: Peer, message: Facts) -> None:
        if peer.role != _QUEUE or not self._rights.may_tell_facts(peer.uid):
            self._refuse(peer, f"uid {peer.uid} may not tell facts of messages")
            return
        numbers = [message.store, *(number for number, _data in message.rows)]
        if not 0 <= min(numbers) <= max(numbers) <= NUMBER_MAX:
            peer.close("no row of a queue store has such a number")
            return
        peer.sends_facts = True
        self._on_facts(message)

    def _refuse(self, peer: Peer, text: str) -> None:
        peer.send(Failed(0, 3, text))
        peer.close("no right")
