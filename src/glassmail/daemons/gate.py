"""The gate: the one process that knows what all sessions share.

Purpose:
    The SMTP server processes tell it of connections, failures and messages; it counts (the book
    is core.schedule.gate_book), answers, and sends blocks and taps to all of them.

Always:
    - Only the SMTP server's user, root and the site's owner are heard as smtpd; orders come from
      root, the owner and group `glass`. The kernel tells who asks (SO_PEERCRED).
    - What a process of the server counted is counted out when its connection ends, so that a
      process that died leaves no connections behind.
    - Nobody waits for the disk: blocks and held accounts are saved by a thread, and read again
      at the start.
"""

import asyncio
import socket
import time
from collections import Counter

import msgspec

from glassmail.core.model.networks import Network, address_of
from glassmail.core.schedule import gate_book
from glassmail.core.schedule.gate_book import Blocked, GateBook, GateLimits, HeldAccount
from glassmail.daemons.context import Context
from glassmail.daemons.gate_crowds import Crowds
from glassmail.daemons.gate_keeping import GateKeeping
from glassmail.daemons.gate_orders import GateOrders
from glassmail.daemons.gate_peer import Peer, Rights
from glassmail.daemons.life import Life, live
from glassmail.events.gate import AccountHeld, NetworkBlocked
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.net.doorway import CLIENT, Doorway, Places, admit, read_message
from glassmail.net.gate_messages import (
    Alone,
    Block,
    Enter,
    Entered,
    Happened,
    Leave,
    MayLogIn,
    MaySend,
    Moved,
    Permitted,
    Transcript,
)
from glassmail.net.messages import Failed, Hello, Message, Request
from glassmail.net.reporter import Reporter, tell_once
from glassmail.net.unix_listener import listen_unix
from glassmail.stations.held_notice import HeldNotice
from glassmail.store.control import ControlError, Controls, Snapshot

ROLE = "gate"
CANNOT_START = 111
CONNECTIONS_MAX = 256
CONNECTIONS_PER_UID_MAX = 16  # of people
TICK_S = 1.0

Told = Enter | Leave | Moved | Happened | MayLogIn | MaySend | Transcript
FromPeer = Hello | Request | Told
_DECODER: msgspec.msgpack.Decoder[FromPeer] = msgspec.msgpack.Decoder(FromPeer)


def main(context: Context) -> int:
    """Serve until told to stop; 111 when the settings or the socket cannot be used."""
    place = context.place
    try:
        controls = Controls(place.control)
        sock = context.internal if context.internal is not None else listen_unix(place.gate_socket)
    except (ControlError, OSError) as error:
        text = f"cannot start: {error}"
        tell_once(place.log_socket, ROLE, Alerted(time.time_ns(), ROLE, text))
        return CANNOT_START

    async def start(life: Life) -> None:
        GateProcess(life, controls).start(sock)

    return live(context, start)


class GateProcess:
    """The gate's connections around its book."""

    def __init__(self, life: Life, controls: Controls) -> None:
        """Join the settings, the saved state and the log.

        Args:
            life: the process's.
            controls: the control directory, already read.
        """
        place = life.context.place
        self._life = life
        self._controls = controls
        self._reporter = Reporter(place.log_socket, ROLE)
        self._rights = Rights(place.root, life.context.uids)
        self._peers: set[Peer] = set()
        self._places = Places(CONNECTIONS_MAX, CONNECTIONS_PER_UID_MAX, self._rights.may_serve)
        self._door: Doorway | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self.book = GateBook()
        self._crowds = Crowds(self.book, self._to_servers)
        self.keeping = GateKeeping(place.gate_state, self.book, self._warn)
        self._notice = HeldNotice(place.queue_socket, controls, self._warn)
        self._orders = GateOrders(
            self.book, self.keeping, self._reporter.tell, self._to_servers, self._notice
        )
        controls.tell_problems(self._setting_broken, "smtpd")

    def start(self, sock: socket.socket) -> None:
        """Read the saved state, then listen."""
        self._take_limits(self._controls.snapshot())
        self._reporter.start()
        self.keeping.load(time.time())
        self._notice.start()
        self._door = Doorway(sock, self._welcome, self._warn)
        self._life.on_reload = self._reload
        self._life.on_stop = self._stop
        self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _reload(self) -> None:
        self._controls.refresh()

    def _stop(self) -> None:
        if self._door is not None:
            self._door.close()
        if self._ticking is not None:
            self._ticking.cancel()
        self.keeping.save_now()
        for peer in list(self._peers):
            peer.close("the gate ends")
        self._notice.close()
        self._reporter.close()
        self._life.end()

    def _tick(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._take_limits(self._controls.snapshot())
        now = time.time()
        if self.book.expire(now):
            self.keeping.changed()
        self._orders.taps.expire(now)
        self.keeping.tick()
        self._notice.try_again()

    def _take_limits(self, settings: Snapshot) -> None:
        integer = settings.integer
        self.book.limits = GateLimits(
            bad_logins=integer("maxbadlogins"),
            bad_recipients=integer("maxbadrecipients"),
            errors=integer("maxerrors"),
            connects=integer("maxconnects"),
            messages=integer("maxmessages"),
            account_recipients=integer("maxaccountrecipients"),
            block_s=integer("blockseconds"),
        )

    def _warn(self, text: str) -> None:
        self._reporter.tell(Warned(time.time_ns(), ROLE, text))

    def _setting_broken(self, problem: str) -> None:
        self._reporter.tell(SettingBroken(time.time_ns(), ROLE, problem))

    # --- peers ---------------------------------------------------------------------------------

    def _welcome(self, sock: socket.socket) -> None:
        admit(sock, self._peers, self._places, Peer, self._frame, self._gone)

    def _gone(self, peer: Peer) -> None:
        self._peers.discard(peer)
        peer.channel = None
        for ip, count in peer.entered.items():
            address = address_of(ip)
            for _ in range(count if address is not None else 0):
                assert address is not None
                self.book.leave(address)
                self._crowds.left(address)
        peer.entered = Counter()
        if peer.role != CLIENT:
            self._tell_who_is_alone()
        self._orders.taps.gone(peer)

    def _to_servers(self, message: Message) -> None:
        """Tell every process of the SMTP server."""
        for peer in list(self._peers):
            if peer.role != CLIENT:
                peer.send(message)

    def _frame(self, peer: Peer, payload: bytes, descriptors: tuple[int, ...]) -> None:
        message = read_message(_DECODER, payload, descriptors, peer)
        if message is None:
            return
        if isinstance(message, Request):
            self._order(peer, message)
        elif isinstance(message, Hello):
            self._hello(peer, message)
        elif peer.role == CLIENT:
            peer.close("only the SMTP server may say that")
        else:
            self._told(peer, message)

    def _hello(self, peer: Peer, message: Hello) -> None:
        if message.role == CLIENT:
            return
        if not self._rights.may_serve(peer.uid):
            peer.send(Failed(0, 3, f"uid {peer.uid} may not be {message.role}"))
            peer.close("no right")
            return
        peer.role = message.role
        self._tell_who_is_alone()
        now = time.time()
        for block in self.book.blocks.values():
            if block.until > now and not block.is_login_only:
                peer.send(_block(block))
        for tap in self._orders.taps.running():
            peer.send(tap)
        for crowded in self._crowds.all():
            peer.send(crowded)

    def _order(self, peer: Peer, message: Request) -> None:
        if not self._rights.may_order(peer.uid, peer.gid):
            text = "only root, the site's owner and members of group glass may ask the gate"
            peer.send(Failed(message.ref, 3, text))
            return
        answer = self._orders.answer(peer, message, time.time())
        if answer is not None:
            peer.send(answer)

    def _told(self, peer: Peer, message: Told) -> None:
        match message:
            case Enter():
                self._enter(peer, message)
            case Leave():
                for ip in message.ips:
                    self._leave(peer, ip)
                if message.ref:
                    peer.send(Entered(message.ref, 0, 0, self.book.total))
            case Moved():
                self._moved(peer, message)
            case Happened():
                self._happened(message)
            case MayLogIn():
                self._may_log_in(peer, message)
            case MaySend():
                self._may_send(peer, message)
            case Transcript():
                self._orders.taps.forward(message)

    # --- what servers tell ---------------------------------------------------------------------

    def _enter(self, peer: Peer, message: Enter) -> None:
        for ip in message.left:
            self._leave(peer, ip)
        address = address_of(message.ip)
        if address is None:  # a rule calls the client by a name that is no address
            if message.ref:
                peer.send(Entered(message.ref, 1, 1, self.book.total + 1))
            return
        peer.entered[message.ip] += 1
        if message.ref:
            self._crowds.asked(address, message)  # before the answer leads to another client
        counts = self.book.enter(address)
        if message.ref:
            peer.send(Entered(message.ref, *counts))
            self._count(gate_book.CONNECT, address)

    def _moved(self, peer: Peer, message: Moved) -> None:
        for ip in message.entered:
            self._enter(peer, Enter(0, ip))
            address = address_of(ip)
            if address is not None:
                self._count(gate_book.CONNECT, address)
        for ip in message.left:
            self._leave(peer, ip)

    def _tell_who_is_alone(self) -> None:
        servers = [peer for peer in self._peers if peer.role != CLIENT]
        for peer in servers:
            peer.send(Alone(len(servers) == 1, len(servers)))

    def _leave(self, peer: Peer, ip: bytes) -> None:
        address = address_of(ip)
        if address is None or peer.entered[ip] <= 0:
            return
        peer.entered[ip] -= 1
        if not peer.entered[ip]:
            del peer.entered[ip]
        self.book.leave(address)
        self._crowds.left(address)

    def _happened(self, message: Happened) -> None:
        address = address_of(message.ip)
        if address is None:
            return
        if message.kind == gate_book.LOGIN:
            self.book.logged_in(address, message.account, time.time())
        elif message.kind == gate_book.UNJUDGED:
            self.book.give_back(address, message.account, time.time())
        else:
            self._count(message.kind, address)

    def _count(self, kind: str, address: Network) -> None:
        self._blocked(self.book.happened(kind, address, time.time()))

    def _may_log_in(self, peer: Peer, message: MayLogIn) -> None:
        address = address_of(message.ip)
        if address is None:  # a rule calls the client by a name that is no address
            peer.send(Permitted(message.ref, True, 0, "not counted: no numeric address"))
            return
        answer, blocked = self.book.may_log_in(address, message.account, time.time())
        peer.send(Permitted(message.ref, *answer))
        self._blocked(blocked)

    def _blocked(self, blocked: Blocked | None) -> None:
        """Save a block that a limit led to, tell it, and have it obeyed."""
        if blocked is None:
            return
        self.keeping.changed()
        if not blocked.is_login_only:
            self._to_servers(_block(blocked))
        seconds = int(blocked.until - blocked.since)
        reason = blocked.reason
        if blocked.is_login_only:
            reason += "; logins alone, mail is still taken"
        self._reporter.tell(
            NetworkBlocked(
                time.time_ns(), blocked.network.text, blocked.until, seconds, reason,
                blocked.is_login_only,
            )
        )  # fmt: skip

    def _may_send(self, peer: Peer, message: MaySend) -> None:
        answer, held = self.book.may_send(message.account, message.recipients, time.time())
        if held is not None:
            self._hold(held, message)
        peer.send(Permitted(message.ref, *answer))

    def _hold(self, held: HeldAccount, message: MaySend) -> None:
        self.keeping.changed()
        self.keeping.save_now()  # a gate that dies now must not let the account go on
        account, client = (
            text.decode("utf-8", "backslashreplace") for text in (held.account, message.ip)
        )
        self._reporter.tell(
            AccountHeld(time.time_ns(), account, held.reason, client)
        )
        self._notice.tell(account, client, held.reason)


def _block(block: Blocked) -> Block:
    return Block(block.network.text, block.until, block.reason)


