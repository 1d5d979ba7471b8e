"""The queue's socket: accepting peers, hearing their role, passing on what they say."""

import grp
import os
import pwd
import socket
import time

from glassmail.daemons.queue.admin import Administration
from glassmail.daemons.queue.limits import CONNECTIONS_MAX, CONNECTIONS_PER_UID_MAX
from glassmail.daemons.queue.peers import (
    DECODER,
    FromPeer,
    Peer,
    close_bodies,
    is_administrator,
    may_be,
)
from glassmail.daemons.queue.process import QueueProcess
from glassmail.net.doorway import Doorway, Places, admit, read_message
from glassmail.net.messages import (
    Codes,
    Enqueue,
    Failed,
    Hello,
    OpenBody,
    Request,
    Settle,
    TakeCodes,
)
from glassmail.net.unix_listener import listen_unix

GROUP = "glass"  # its members see everybody's mail
CODES_AT_ONCE = 1_024


class QueueServer:
    """Everything that comes over run/queue.sock."""

    def __init__(self, process: QueueProcess) -> None:
        self._process = process
        self._context = process.life.context
        self._peers: set[Peer] = set()
        self._places = Places(CONNECTIONS_MAX, CONNECTIONS_PER_UID_MAX, self._is_ours)
        self._administration = Administration(process)
        self._uids = tuple(self._context.uids.values())
        self._owner = os.stat(self._context.place.root).st_uid
        self._door: Doorway | None = None

    def listen(self) -> None:
        """Take connections."""
        sock = self._context.internal or listen_unix(self._context.place.queue_socket)
        self._door = Doorway(sock, self._welcome, self._process.warn)

    def _welcome(self, sock: socket.socket) -> None:
        # A submitter that gets no place tries again, or leaves the message in queue/drop.
        admit(sock, self._peers, self._places, Peer, self._frame, self._gone)

    def _is_ours(self, uid: int) -> bool:
        """Tell whether a user is a daemon's, the owner or root."""
        return uid in (0, self._owner) or any(uid == known for known, _gid in self._uids)

    def _gone(self, peer: Peer) -> None:
        self._peers.discard(peer)
        peer.channel = None
        for name in close_bodies(peer):
            self._process.disk.remove_body(name)
        self._process.dispatcher.gone(peer, self._process.clock_now())
        if peer.role in ("local", "remote"):
            self._process.schedule()

    def _frame(self, peer: Peer, payload: bytes, descriptors: tuple[int, ...]) -> None:
        message = read_message(DECODER, payload, descriptors, peer)
        if message is None:
            return
        self._said(peer, message)

    def _said(self, peer: Peer, message: FromPeer) -> None:
        process = self._process
        match message:
            case Enqueue():
                process.enqueue(peer, message)
            case Settle():
                self._settle(peer, message)
            case OpenBody():
                process.intake.open_body(peer, message)
            case TakeCodes():
                self._give_codes(peer)
            case Hello():
                self._hello(peer, message)
            case Request():
                administers = is_administrator(peer, self._owner, os.getuid(), _members())
                answer = self._administration.answer(peer, message, administers=administers)
                peer.send(answer)

    def _hello(self, peer: Peer, message: Hello) -> None:
        known = message.role in ("client", "smtpd", "local", "remote")
        if not known or not may_be(peer, message.role, self._context.uids, self._owner):
            peer.send(Failed(0, 1, f"uid {peer.uid} may not be {message.role}"))
            peer.close("role refused")
            return
        peer.role = message.role
        if message.role in ("local", "remote"):
            self._process.dispatcher.connected(peer, self._process.clock_now())
            self._process.schedule()

    def _settle(self, peer: Peer, message: Settle) -> None:
        if not self._process.dispatcher.is_from(peer):
            peer.close("results are taken from the delivery processes only")
            return
        for result in message.results:
            if not self._process.deliveries.report(result):
                # qmail-send.c: a result nobody waits for
                self._process.warn("internal error: delivery report out of range")
        self._process.schedule()

    def _give_codes(self, peer: Peer) -> None:
        if peer.role != "smtpd":
            peer.close("trace codes are for smtpd")
            return
        process = self._process

        def order() -> None:
            first = process.store.take_codes(CODES_AT_ONCE, time.time_ns() // 1_000_000)
            process.after_commit.append(lambda: peer.send(Codes(first, CODES_AT_ONCE)))

        process.orders.append(order)
        process.schedule()

    def close(self) -> None:
        """Stop listening."""
        if self._door is not None:
            self._door.close()


def _members() -> frozenset[int]:
    """The uids of the members of group `glass`."""
    try:
        names = grp.getgrnam(GROUP).gr_mem
    except KeyError:
        return frozenset()
    uids = set()
    for name in names:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue  # a member without an account sees nothing
    return frozenset(uids)
