"""Questions of the policy pipeline, answered by the running system.

Always:
    - Nobody waits longer than KEEPER_ANSWER_S_MAX; then, or when the keeper is away, the answer
      is "cannot tell", with the reason.
    - An answer is believed for a second, so that a client's many messages to one recipient
      ask once; "cannot tell" is never remembered.
    - Whoever asks what is being asked already waits for the same answer.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from glassmail.core.ask import Existence, LoginFact
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.protocol.sasl import Attempt
from glassmail.net.limits import KEEPER_ANSWER_S_MAX
from glassmail.net.link import Link
from glassmail.net.messages import Found, LoggedIn, Lookup, Verified
from glassmail.stations.limits import (
    EXISTENCE_KEPT_S,
    EXISTENCES_KEPT_MAX,
    QUESTIONS_FORESEEN_MAX,
)
from glassmail.stations.login_ask import LoginQuestions

FromKeeper = Found | LoggedIn | Verified


class LiveAsk:
    """Asks the keeper."""

    def __init__(self, keeper_socket: str, role: str) -> None:
        """Make an asker that cannot tell anything until `start`.

        Args:
            keeper_socket: where the keeper listens.
            role: what this process is.
        """
        self._link: Link[FromKeeper] = Link(
            keeper_socket, role, msgspec.msgpack.Decoder(FromKeeper), self._answered
        )
        self.logins = LoginQuestions(self._link.send)
        self._link.on_down = self._down
        self._loop = asyncio.get_running_loop()
        self._ref = 0
        self._waiting: dict[int, _Question] = {}
        self._refs: dict[bytes, int] = {}  # of questions under way, by recipient
        self._kept: dict[bytes, tuple[Existence, float]] = {}

    def start(self) -> None:
        """Connect, or keep trying in the background."""
        self._link.start()

    def close(self) -> None:
        """Hang up; whoever waits is told that nobody can tell."""
        self._link.close()

    async def account_exists(self, recipient: bytes) -> Existence:
        """Tell whether mail for this recipient finds a mailbox, alias or program."""
        kept = self._kept.get(recipient)
        if kept is not None and self._loop.time() - kept[1] < EXISTENCE_KEPT_S:
            return kept[0]
        question = self._ask(recipient)
        if question is None:
            return _cannot_tell(recipient, "the keeper is not running, or its socket is closed")
        future: asyncio.Future[Existence] = self._loop.create_future()
        question.futures.append(future)
        return await future

    def foresee(self, recipients: Iterable[bytes]) -> None:
        """Ask about recipients that will be asked about next; the answers are kept."""
        soon = self._loop.time() - EXISTENCE_KEPT_S / 2  # older answers may not live until then
        for recipient in recipients:
            if len(self._waiting) >= QUESTIONS_FORESEEN_MAX:
                return
            kept = self._kept.get(recipient)
            if kept is None or kept[1] < soon:
                self._ask(recipient)

    def _ask(self, recipient: bytes) -> "_Question | None":
        """Join a question under way, or ask it; None when nobody can be asked."""
        ref = self._refs.get(recipient)
        if ref is not None:
            return self._waiting[ref]
        self._ref += 1
        ref = self._ref
        if not self._link.send(Lookup(ref, recipient)):
            return None
        timer = self._loop.call_later(KEEPER_ANSWER_S_MAX, self._give_up, ref)
        question = self._waiting[ref] = _Question(recipient, [], timer)
        self._refs[recipient] = ref
        return question

    async def log_in(self, attempt: Attempt, client: bytes, auth_cdb: bytes) -> LoginFact:
        """Ask whether a client is who it says."""
        return await self.logins.log_in(attempt, client, auth_cdb)

    def verified_mechanisms(self) -> frozenset[bytes]:
        """Return the mechanisms of AUTH that every account has a verifier for."""
        return self.logins.verified

    def _answered(self, message: FromKeeper, _descriptors: tuple[int, ...]) -> None:
        if isinstance(message, Found):
            self._found(message)
        else:
            self.logins.answered(message)

    def _found(self, message: Found) -> None:
        question = self._take(message.ref)
        if question is None:
            return
        answer = message.answer if message.answer in (YES, NO) else UNKNOWN
        existence = Existence(answer, message.steps)
        if answer != UNKNOWN:
            if len(self._kept) >= EXISTENCES_KEPT_MAX:
                self._kept.clear()
            self._kept[question.recipient] = (existence, self._loop.time())
        question.answer(existence)

    def _take(self, ref: int) -> "_Question | None":
        question = self._waiting.pop(ref, None)
        if question is not None:
            question.timer.cancel()
            del self._refs[question.recipient]
        return question

    def _give_up(self, ref: int) -> None:
        self._cannot(ref, f"the keeper did not answer within {KEEPER_ANSWER_S_MAX:.0f} s")

    def _down(self, reason: str) -> None:
        self.logins.down(reason)
        for ref in list(self._waiting):
            self._cannot(ref, f"the keeper went away: {reason}")

    def _cannot(self, ref: int, reason: str) -> None:
        question = self._take(ref)
        if question is not None:
            question.answer(_cannot_tell(question.recipient, reason))


class _Question(NamedTuple):
    """A question under way and those who wait for its answer; nobody, when it was foreseen."""

    recipient: bytes
    futures: list[asyncio.Future[Existence]]
    timer: asyncio.TimerHandle

    def answer(self, existence: Existence) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(existence)


def _cannot_tell(recipient: bytes, reason: str) -> Existence:
    return Existence(UNKNOWN, (Step("session.keeper", recipient, UNKNOWN, reason),))
