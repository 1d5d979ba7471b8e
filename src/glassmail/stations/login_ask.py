"""Questions of sessions about logins, asked of the keeper.

Always:
    - Every question is answered once: by the keeper, or "cannot tell" after LOGIN_ANSWER_S or
      when the keeper is away.
    - Which mechanisms every account has a verifier for is known as of some seconds ago, so that
      EHLO never waits.
"""

import asyncio
from collections.abc import Callable

from glassmail.core.ask import LoginFact
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.protocol.sasl import Attempt
from glassmail.net.messages import AskVerified, LoggedIn, LogIn, Message, Verified

LOGIN_ANSWER_S = 40.0  # a checkpassword program has 30
VERIFIED_ASKED_EVERY_S = 10.0


class LoginQuestions:
    """Questions under way over the link to the keeper."""

    def __init__(self, send: Callable[[Message], bool]) -> None:
        """Begin with no question.

        Args:
            send: sends to the keeper; False when it is away.
        """
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ref = 0
        self._waiting: dict[int, asyncio.Future[LoginFact]] = {}
        self._verified: frozenset[bytes] = frozenset()
        self._asked_at = float("-inf")

    @property
    def verified(self) -> frozenset[bytes]:
        """Mechanisms that every account has a verifier for."""
        if self._loop.time() - self._asked_at >= VERIFIED_ASKED_EVERY_S:
            self.ask_verified()
        return self._verified

    def ask_verified(self) -> None:
        """Ask the keeper anew."""
        self._asked_at = self._loop.time()
        self._send(AskVerified())

    async def log_in(self, attempt: Attempt, client: bytes, auth_cdb: bytes) -> LoginFact:
        """Ask whether a client is who it says."""
        self._ref += 1
        ref = self._ref
        if not self._send(LogIn(ref, *attempt, client, auth_cdb)):
            text = "the keeper is not running, or its socket is closed"
            return LoginFact(UNKNOWN, attempt.user, text)
        future: asyncio.Future[LoginFact] = self._loop.create_future()
        self._waiting[ref] = future
        text = f"the keeper did not answer within {LOGIN_ANSWER_S:.0f} s"
        late = LoginFact(UNKNOWN, attempt.user, text)
        timer = self._loop.call_later(LOGIN_ANSWER_S, _resolve, future, late)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(ref, None)

    def answered(self, message: LoggedIn | Verified) -> None:
        """Take an answer of the keeper."""
        if isinstance(message, Verified):
            self._verified = frozenset(message.mechanisms)
            return
        future = self._waiting.pop(message.ref, None)
        if future is not None:
            answer = message.answer if message.answer in (YES, NO) else UNKNOWN
            _resolve(
                future,
                LoginFact(
                    answer, message.user, message.source, message.reason, message.data,
                    message.environment, message.may_relay, message.exists,
                ),
            )  # fmt: skip

    def down(self, reason: str) -> None:
        """The keeper is gone."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            _resolve(future, LoginFact(UNKNOWN, b"", f"the keeper went away: {reason}"))


def _resolve(future: asyncio.Future[LoginFact], fact: LoginFact) -> None:
    if not future.done():
        future.set_result(fact)
