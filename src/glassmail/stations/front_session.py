"""What a session does for variables of its client: the late greeting, and QMAILQUEUE.

Purpose:
    Between the loop and the answers: GREETDELAY with DROP_PRE_GREET, and the program that gets
    messages in the queue's place. A client without these variables never comes here.
"""

import asyncio
import os
from abc import abstractmethod

from glassmail.core.model.reply import Reply
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy import pipeline, rcptcheck
from glassmail.core.policy.told import output_lines
from glassmail.core.protocol import replies
from glassmail.stations.body import Body
from glassmail.stations.queue_program import Handed, envelope, hand_in, message_file
from glassmail.stations.session_loop import SessionLoop


class FrontSession(SessionLoop):
    """A session with what variables add to it."""

    __slots__ = ()

    @abstractmethod
    def _greeting(self) -> bytes: ...

    @abstractmethod
    def _received(self) -> bytes: ...

    @abstractmethod
    def _part_code(self) -> bytes: ...

    @abstractmethod
    def _decline(self, reply: Reply, source: str) -> None: ...

    @abstractmethod
    def _forget(self) -> None: ...

    # --- GREETDELAY ----------------------------------------------------------------------------

    def _hold_greeting(self) -> None:
        self._is_greeting_late = True
        delay = self._facts.variables.greet_delay_s
        asyncio.get_running_loop().call_later(delay, self._safely, self._greet_late)
        if self._core.has_unread:
            self._spoke_early()

    def _greet_late(self) -> None:
        if self._is_greeting_late and not self.is_over:
            self._is_greeting_late = False
            self._core.greet(replies.greeting(self._greeting()))
            self._go_on()

    def _spoke_early(self) -> None:
        facts = self._facts
        if not facts.variables.is_dropping_early:
            return  # what it said waits for the greeting
        self._is_greeting_late = False
        self.record.note(b"before greeting: [%b] client sent data" % facts.client.ip)
        step = Step("session.greetdelay", facts.client.ip, NO, "it spoke before the greeting")
        self._refuse(pipeline.CONNECT, Verdict(replies.PRE_GREET, (step,), (), "greetdelay"))

    def lost(self) -> None:
        """The connection is gone."""
        if self._is_greeting_late and not self._is_lost:
            self.record.note(
                b"before greeting: [%b] client disconnected" % self._facts.client.ip
            )
        super().lost()

    # --- QMAILQUEUE ----------------------------------------------------------------------------

    async def _give_to_program(self, body: Body, recipients: tuple[bytes, ...]) -> None:
        """QMAILQUEUE: a program takes the message in the queue's place."""
        try:
            handed = await self._handed(body, recipients)
        except OSError as error:
            self._task = None
            reason = f"no room for a copy of the message: {words_of(error)}"
            self._safely(self._decline, replies.QUEUE_FULL, reason)
        else:
            self._task = None
            self._safely(self._program_said, handed, recipients)
        self._safely(self._go_on)

    async def _handed(self, body: Body, recipients: tuple[bytes, ...]) -> Handed:
        facts, services = self._facts, self._services
        loop = asyncio.get_running_loop()
        head, content = self._received(), body.content
        if isinstance(content, int):
            copying = loop.run_in_executor(None, message_file, head, content)
            try:
                message = await asyncio.shield(copying)
            except asyncio.CancelledError:
                copying.add_done_callback(_close_copy)
                raise
        else:
            message = message_file(head, content)
        environment = rcptcheck.environment(facts)
        environment[b"GLASSMAIL_ROOT"] = os.fsencode(services.root)
        written = envelope(facts.sender or b"", recipients)
        program, seconds = facts.variables.queue_program, float(self._settings.program_s)
        assert services.programs is not None
        return await hand_in(services.programs, program, message, written, environment, seconds)

    def _program_said(self, handed: Handed, recipients: tuple[bytes, ...]) -> None:
        facts, record, ended = self._facts, self.record, handed.ended
        self._carry_out(output_lines(ended.output))
        answer = NO if handed.reply is not None and handed.reply.code >= 400 else YES
        step = Step("session.queue-program", facts.sender or b"", answer, handed.detail)
        if answer == NO:
            self._refuse(pipeline.MESSAGE, Verdict(handed.reply, (step,), (), "queue"))
        else:
            now = self._services.now_ns() // 1_000_000_000
            reply = handed.reply or replies.queued(now, ended.pid, self._part_code())
            self._core.reply(reply)
            record.accepted += 1
            self._count_message()
            told = facts.variables.queue_program, ended.pid, handed.exit_code
            steps = (*self._known, *self._steps, step)
            record.handed(told, self._core.sent, facts.sender or b"", recipients, steps)
        self._forget()


def _close_copy(copying: asyncio.Future[int]) -> None:
    """Close the copy of a message that nobody waits for any more."""
    if not copying.cancelled() and copying.exception() is None:
        os.close(copying.result())
