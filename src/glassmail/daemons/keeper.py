"""The keeper: answers smtpd's questions about mailboxes, with rights that smtpd does not have.

Purpose:
    It runs as vpopmail's user, who alone may read the virtual domains, and answers
    `account_exists` by the very functions that deliver (stations/existence).

Always:
    - Only smtpd's user, root, the site's owner and the keeper's own user are heard; the kernel
      tells who asks (SO_PEERCRED).
    - Each peer has a limit of questions a second; what passes it is answered "cannot tell".
    - An answer is kept for ANSWER_KEPT_S at most, so that a new mailbox is seen at once.
    - Routing tables are those of start or reload, as in the queue.
    - Passwords are compared in threads (keeper_logins); lookups go on meanwhile.
"""

import asyncio
import dataclasses
import os
import signal
import socket
import time

import msgspec

from glassmail.core.ask import Existence
from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import UNKNOWN, Step
from glassmail.core.route.rewrite import RoutingTables
from glassmail.daemons.context import Context
from glassmail.daemons.keeper_logins import Logins
from glassmail.daemons.life import Life, live
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.net.channel import Channel, peer_credentials
from glassmail.net.doorway import Doorway, read_message
from glassmail.net.messages import (
    AskVerified,
    Failed,
    Found,
    Hello,
    LoggedIn,
    LogIn,
    Lookup,
    Verified,
    encode,
)
from glassmail.net.reporter import Reporter, tell_once
from glassmail.net.unix_listener import listen_unix
from glassmail.stations.existence import Sources, account_exists
from glassmail.stations.resolve import UserSources, sources_of
from glassmail.store.control import ControlError, Controls, Snapshot

CANNOT_START = 111
ANSWER_KEPT_S = 1.0
ANSWERS_KEPT_MAX = 4_096
LOOKUPS_A_SECOND_MAX = 20_000  # of one peer; beyond it the answer is "cannot tell"
CONNECTIONS_MAX = 256

_DECODER = msgspec.msgpack.Decoder(Hello | Lookup | LogIn | AskVerified)


class Answers:
    """The questions of one second are answered once."""

    def __init__(self, controls: Controls, users: UserSources) -> None:
        self._controls = controls
        self._users = users
        self._kept: dict[bytes, tuple[float, Existence]] = {}
        self._tables = _tables(controls.snapshot())

    def reload(self) -> None:
        """Take the routing tables anew, as the queue does at HUP."""
        self._controls.refresh()
        self._tables = _tables(self._controls.snapshot())
        self._kept.clear()

    @property
    def tables(self) -> RoutingTables:
        """Return the routing tables in use."""
        return self._tables

    def exists(self, recipient: bytes, now: float) -> Existence:
        """Answer now, or from what was found within the last second."""
        kept = self._kept.get(recipient)
        if kept is not None and now < kept[0]:
            return kept[1]
        default_delivery = self._controls.snapshot().line("defaultdelivery")
        answer = account_exists(recipient, Sources(self._tables, self._users, default_delivery))
        if len(self._kept) >= ANSWERS_KEPT_MAX:
            self._kept.clear()
        self._kept[recipient] = (now + ANSWER_KEPT_S, answer)
        return answer


class Allowance:
    """How many questions a peer may still ask in this second."""

    __slots__ = ("_began", "_left", "_most")

    def __init__(self, most: int, now: float) -> None:
        self._most = self._left = most
        self._began = now

    def take(self, now: float) -> bool:
        """Use up one question; False when there is none left."""
        if now - self._began >= 1.0:
            self._began, self._left = now, self._most
        self._left -= 1
        return self._left >= 0


class KeeperServer:
    """Everything that comes over run/keeper.sock."""

    def __init__(
        self, context: Context, answers: Answers, reporter: Reporter, logins: Logins
    ) -> None:
        self._context = context
        self._answers = answers
        self._logins = logins
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._channels: set[Channel] = set()
        self._door: Doorway | None = None
        self._welcome_uids = {0, os.geteuid(), os.stat(context.place.root).st_uid}
        if "smtpd" in context.uids:
            self._welcome_uids.add(context.uids["smtpd"][0])

    def listen(self) -> None:
        """Listen on the supervisor's socket, or one of our own; raises OSError."""
        sock = self._context.internal or listen_unix(self._context.place.keeper_socket)
        self._door = Doorway(sock, self._open, self._warn)

    def close(self) -> None:
        """Stop listening and hang up."""
        if self._door is not None:
            self._door.close()
        for channel in tuple(self._channels):
            channel.close("the keeper ends")
        self._logins.close()

    def _open(self, sock: socket.socket) -> None:
        if len(self._channels) >= CONNECTIONS_MAX:
            sock.close()
            return
        _pid, uid, _gid = peer_credentials(sock)
        allowance = Allowance(LOOKUPS_A_SECOND_MAX, self._loop.time())
        channel = Channel(
            sock,
            lambda payload, descriptors: self._frame(channel, allowance, payload, descriptors),
            lambda _reason: self._channels.discard(channel),
        )
        if uid not in self._welcome_uids:
            channel.send(encode(Failed(0, 1, f"uid {uid} may not ask the keeper")))
            channel.close("uid refused")
            return
        self._channels.add(channel)

    def _frame(
        self,
        channel: Channel,
        allowance: Allowance,
        payload: bytes,
        descriptors: tuple[int, ...],
    ) -> None:
        message = read_message(_DECODER, payload, descriptors, channel)
        if message is None:
            return
        if isinstance(message, Lookup):
            answer, steps = self._look_up(message.recipient, allowance)
            channel.send(encode(Found(message.ref, answer, steps)))
        elif isinstance(message, LogIn):
            self._log_in(channel, message, allowance)
        elif isinstance(message, AskVerified):
            channel.send(encode(Verified(self._logins.verified())))

    def _log_in(self, channel: Channel, message: LogIn, allowance: Allowance) -> None:
        if allowance.take(self._loop.time()):
            self._logins.ask(message, lambda answer: channel.send(encode(answer)))
            return
        source = f"more than {LOOKUPS_A_SECOND_MAX} questions in a second"
        answer = LoggedIn(message.ref, UNKNOWN, message.user, source, "", b"", (), False)
        channel.send(encode(answer))

    def _look_up(self, recipient: bytes, allowance: Allowance) -> Existence:
        now = self._loop.time()
        if not allowance.take(now):
            source = f"more than {LOOKUPS_A_SECOND_MAX} questions in a second"
            return _cannot_tell(recipient, source)
        try:
            return self._answers.exists(recipient, now)
        except (OSError, ValueError) as error:
            self._warn(f"cannot look up {recipient!r}: {error}")
            return _cannot_tell(recipient, str(error))

    def _warn(self, text: str) -> None:
        self._reporter.tell(Warned(time.time_ns(), "keeper", text))


def main(context: Context) -> int:
    """Run the keeper until it is told to stop; 111 when it cannot start."""
    os.umask(0o077)
    # HUP and ALRM may come before the loop hears them; then they mean nothing.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    place = context.place
    try:
        controls = Controls(place.control)
        users = sources_of(place, controls.snapshot().line("breakcharacter"))
    except (ControlError, DaemonsError, OSError) as error:
        return _cannot_start(context, str(error))
    if context.is_one_user:  # perhaps by `serve --one-user`, whatever users/daemons says
        users = dataclasses.replace(users, only_uid=os.geteuid())

    async def start(life: Life) -> None:
        reporter = Reporter(place.log_socket, "keeper")
        controls.tell_problems(
            lambda problem: reporter.tell(SettingBroken(time.time_ns(), "keeper", problem)),
            "keeper",
        )
        answers = Answers(controls, users)
        life.on_reload = answers.reload
        try:
            logins = Logins(controls, users, lambda: answers.tables, place.root)
            KeeperServer(context, answers, reporter, logins).listen()
        except OSError as error:
            life.end(_cannot_start(context, f"{place.keeper_socket}: {words_of(error)}"))
            return
        reporter.start()

    return live(context, start)


def _cannot_start(context: Context, reason: str) -> int:
    text = f"cannot start: {reason}"
    tell_once(context.place.log_socket, "keeper", Alerted(time.time_ns(), "keeper", text))
    return CANNOT_START


def _tables(settings: Snapshot) -> RoutingTables:
    return RoutingTables(
        settings.line("envnoathost"),
        settings.table("percenthack"),
        settings.table("locals"),
        settings.table("virtualdomains"),
    )


def _cannot_tell(recipient: bytes, source: str) -> Existence:
    return Existence(UNKNOWN, (Step("account.recipient", recipient, UNKNOWN, source),))
