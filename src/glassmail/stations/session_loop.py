"""The loop of an SMTP session: bytes to the protocol core, its events to answers, answers out.

Purpose:
    What every session does whatever it is asked: feed the core, let `_handle` answer events,
    send replies together, look at the time, end. `Session` adds the answers themselves.

Always:
    - A check that asks nothing that must be waited for costs no Task; one that waits goes on as
      a Task.
    - While it is our turn at most one further read is kept; then the client is not read from.
    - Every 4xx and 5xx is told as an event with the steps that led to it.
    - A fault in a check is alerted and answered by 451: the client keeps its message.

Knows nothing of:
    Sockets (services.Wire), listening, privileges.
"""

import asyncio
import traceback
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from glassmail.core.model import code as trace_code
from glassmail.core.model.limits import UNSENT_REPLIES_BYTES_MAX
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, Step, Trail
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy import pipeline
from glassmail.core.policy.account_rate import HOLD
from glassmail.core.policy.connections import COUNTED
from glassmail.core.policy.facts import Client, Facts
from glassmail.core.policy.told import LOG
from glassmail.core.protocol import replies
from glassmail.core.protocol.smtp_commands import State
from glassmail.core.protocol.smtp_events import Event
from glassmail.core.protocol.smtp_server import SmtpServer
from glassmail.stations.body import Body
from glassmail.stations.client_rules import meet
from glassmail.stations.eager import resume
from glassmail.stations.gate_session import GatedSession
from glassmail.stations.limits import (
    DATA_S_MAX,
    LINGER_S_MAX,
    STORY_STEPS_MAX,
)
from glassmail.stations.record import NOTHING_BEGUN, Begun, Record
from glassmail.stations.services import Services, Wire

P = ParamSpec("P")


class SessionLoop(GatedSession):
    """One connection of a client.

    Attributes:
        record: what was told of it.
        is_over: whether nothing more will be read or answered.
    """

    __slots__ = (
        "_active_at",
        "_body",
        "_body_began_at",
        "_code",
        "_how",
        "_is_advancing",
        "_is_at_end",
        "_is_greeting_late",
        "_is_handing_in",
        "_is_lost",
        "_is_stopping",
        "_known",
        "_recipients",
        "_steps",
        "_task",
    )

    def __init__(self, services: Services, wire: Wire, client: Client, service: str) -> None:
        """Meet a client; nothing is said before `begin`.

        Args:
            services: shared by the process.
            wire: the connection.
            client: who is there.
            service: smtp or submission.
        """
        super().__init__()
        self._services = services
        self._wire = wire
        settings = self._settings = services.settings.now()
        rule, client = meet(services.rules, client, settings, services.now_ns)
        self._facts = Facts(client, service, rule, settings.policy)
        self.record = Record(services.tell, services.now_ns, client, service)
        number = self.record.code = services.queue.take_code()
        self._code = trace_code.render(number) if number and settings.is_tracing else b""
        suffix = b" [%b]" % self._code if self._code else b""
        self._core = SmtpServer(suffix, is_enhanced=settings.is_enhanced)
        self._core.wording = self._facts.prepared.wording
        self._active_at = services.clock()
        self._body_began_at = 0.0
        self._known: Trail = ()  # steps of connect and helo: part of every message's story
        self._steps: list[Step] = []  # of the transaction
        self._recipients: list[bytes] = []  # accepted in this transaction
        self._body: Body | None = None
        self._task: asyncio.Task[None] | None = None
        self._how = "dropped"
        self._is_advancing = self._is_at_end = self._is_handing_in = False
        self._is_lost = self._is_stopping = self._is_greeting_late = False
        self.is_over = False

    @abstractmethod
    def _handle(self, event: Event) -> None:
        """Answer an event of the core, now or later."""

    @abstractmethod
    def _note_sqmail(self, check: str) -> None:
        """Tell s/qmail's log line of a refusal by a check, or of a recipient that was taken."""

    @abstractmethod
    def _spoke_early(self) -> None:
        """Something came in while the greeting is held back."""

    @abstractmethod
    def _connect_decided(self, verdict: Verdict) -> None:
        """Greet the client, or turn it away."""

    # --- from the connection -------------------------------------------------------------------

    def begin(self, refusal: Reply | None = None) -> None:
        """Greet the client, or turn it away with `refusal`."""
        self._arrived()
        reason = "this process serves as many sessions as it may"
        if refusal is None and self._settings.problem:
            refusal, reason = replies.NO_CONTROLS, self._settings.problem
        if refusal is None and not self.record.code:
            refusal, reason = replies.NO_QUEUE, "the queue has given no trace codes"
        if refusal is not None:
            self._core.greet(refusal)
            step = Step("session.service", self._facts.client.ip, NO, reason)
            self._told("connect", replies.name_of(refusal), (step,))
        elif self._is_entered and self._is_counted_later():
            return
        else:
            self._decide(pipeline.CONNECT, self._connect_decided)
        self._advance()

    def _is_counted_later(self) -> bool:
        client, gate = self._facts.client, self._services.gate
        assert gate is not None
        return gate.counted_later(client.ip, client.port, lambda: self._safely(self._counted_in))

    def _counted_in(self) -> None:
        """The gate has counted this connection: the checks have its answer at hand."""
        if not self._is_lost:
            self._decide(pipeline.CONNECT, self._connect_decided)
            self._go_on()

    def introduced(self, steps: Trail) -> None:
        """Take what was asked about the client before the session."""
        self._known = steps

    def turn_away(self, check: str) -> None:
        """Hang up without a word on a client whose last step of the introduction says no."""
        steps, self._known = self._known, ()
        self._core.greet(replies.DENIED)
        self._told("connect", check, steps)
        self._advance()

    def receive(self, data: bytes) -> None:
        """Take what the client sent."""
        self._active_at = self._services.clock()
        self.record.bytes_in += len(data)
        if self._tapping is not None:
            self._tapping.client(data, self._services.now_ns())
        self._core.receive(data)
        if self._is_greeting_late:
            self._spoke_early()
        self._advance()

    def end_of_input(self) -> None:
        """The client will send nothing more; what it sent before is still answered."""
        self._is_at_end = True
        self._advance()

    def writable(self) -> None:
        """The client reads again what we send."""
        self._active_at = self._services.clock()
        self._advance()

    def lost(self) -> None:
        """The connection is gone."""
        if self._is_lost:
            return
        self._is_lost = self.is_over = True
        begun = self._begun() if self._recipients else NOTHING_BEGUN
        self._departed(self._how)
        if self._task is not None:
            self._task.cancel()
        if self._body is not None and not self._is_handing_in:
            self._body.drop()
            self._body = None
        if not self._is_handing_in:
            self.record.end(self._how, begun)

    def _begun(self) -> Begun:
        """Tell of the message that will not come whole: its recipients may ask where it is."""
        stage = "data" if self._core.state is State.BODY else "rcpt"
        steps = (*self._known, *self._steps)
        return Begun(self._facts.sender or b"", tuple(self._recipients), stage, steps)

    def tick(self, now: float) -> None:
        """Look at the time; to be called about once a second."""
        core, gate = self._core, self._services.gate
        if gate is not None and gate.has_blocks and self._shut_out():
            return
        if self.is_over:
            if now - self._active_at > LINGER_S_MAX:
                self._wire.abort()  # it does not even take our last word
        elif self._wire.is_blocked:
            if now - self._active_at > self._settings.timeout_s:
                self._how = "timeout"
                self._wire.abort()
        elif core.is_awaiting_reply or (self._body and self._body.is_full):
            return  # it is our turn; what we wait for has its own limits
        elif now - self._active_at > self._settings.timeout_s:
            self._time_out(f"control/timeoutsmtpd {self._settings.timeout_s}")
        elif core.state is State.BODY and now - self._body_began_at > DATA_S_MAX:
            self._time_out(f"a message must be complete within {DATA_S_MAX} s")

    def stop(self, *, is_last_call: bool = False) -> None:
        """The server stops: finish the command that runs, or end at once.

        Args:
            is_last_call: also end sessions in the middle of a body.
        """
        self._is_stopping = True
        if self.is_over or self._core.is_awaiting_reply:
            return
        if is_last_call or self._core.state is not State.BODY:
            self._how = "shutdown"
            self._core.hang_up(replies.SHUTTING_DOWN)
            step = Step("session.service", self._facts.client.ip, NO, "the server was told to stop")
            self._told("command", "shutting_down", (step,))
            self._advance()

    # --- the loop ------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer what can be answered now, then send it all at once."""
        if self._is_advancing or self._is_lost:
            return
        self._is_advancing = True
        core, wire = self._core, self._wire
        try:
            while not wire.is_blocked:
                event = core.next_event()
                if event is not None:
                    self._handle(event)
                elif len(core.unsent) > UNSENT_REPLIES_BYTES_MAX:
                    self._send(core.output())
                else:
                    break
        finally:
            self._is_advancing = False
        unsent = core.unsent
        if unsent:
            core.unsent = b""
            (wire.send if self._tapping is None else self._send)(unsent)
        is_our_turn = core.is_awaiting_reply or wire.is_blocked
        if core.state is State.CLOSED or (self._is_at_end and not is_our_turn):
            self._close()
        elif self._is_stopping and not is_our_turn and core.state is not State.BODY:
            self.stop()
        elif (is_our_turn and core.has_unread) or (self._body and self._body.is_full):
            wire.pause()
        elif wire.is_paused:
            wire.resume()

    def _close(self) -> None:
        if not self.is_over:
            self.is_over = True
            if self._how == "dropped" and not self._is_at_end:
                self._how = "closed"
            if self._body is not None:
                self._body.drop()
                self._body = None
            self._wire.hang_up()

    def _go_on(self) -> None:
        """Something that was waited for has happened."""
        self._active_at = self._services.clock()
        self._advance()

    def _decide(self, stage: str, then: Callable[[Verdict], None]) -> None:
        """Ask the pipeline; `then` gets the verdict, now or when a Task has it."""
        active = pipeline.checks(stage, self._facts)
        if not active:
            then(PASS)
            return
        asking = pipeline.ask_all(active, self._facts, self._services.ask)
        try:
            waiting = asking.send(None)
        except StopIteration as stop:
            verdict = stop.value
            if verdict.effects:
                self._carry_out(verdict.effects)
            then(verdict)
        except Exception:  # noqa: BLE001 (a fault of a check must not lose the client its answer)
            self._fault(stage)
        else:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._wait(stage, resume(asking, waiting), then))

    async def _wait(
        self, stage: str, asking: Awaitable[Verdict], then: Callable[[Verdict], None]
    ) -> None:
        try:
            verdict = await asking
        except Exception:  # noqa: BLE001 (as in _decide)
            self._task = None
            self._fault(stage)
        else:
            self._task = None
            if verdict.effects:
                self._safely(self._carry_out, verdict.effects)
            self._safely(then, verdict)
        self._safely(self._go_on)

    def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        """Do what checks want done."""
        for effect in effects:
            if effect.kind == LOG:
                self.record.note(effect.key, is_own=effect.value == 0)
            elif effect.kind == HOLD:
                self._is_held = True
            elif effect.kind == COUNTED:
                self._counted(effect)

    def _safely(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call what nobody above would answer for: a fault ends this session and no other one."""
        try:
            call(*args, **kwargs)
        except Exception:  # noqa: BLE001 (it is alerted, and the client tries again)
            self._services.alert(f"a session failed: {traceback.format_exc()}")
            self._wire.abort()

    def _fault(self, stage: str) -> None:
        self._services.alert(f"a check of stage {stage} failed: {traceback.format_exc()}")
        self._refuse(stage, Verdict(replies.TROUBLE, decided_by="trouble"))

    # --- refusals ------------------------------------------------------------------------------

    def _refuse(self, stage: str, verdict: Verdict) -> None:
        reply = verdict.reply
        assert reply is not None
        if self._core.state is State.CONNECTED:
            self._core.greet(reply)
        else:
            self._core.reply(reply)
        self._told(stage, verdict.decided_by, verdict.steps)

    def _told(self, stage: str, check: str, steps: Trail) -> None:
        facts, core = self._facts, self._core
        if len(self._known) + len(self._steps) + len(steps) <= STORY_STEPS_MAX:
            steps = (*self._known, *self._steps, *steps)
        sent = (core.sent_code, core.sent)
        is_whole = stage in (pipeline.DATA, pipeline.MESSAGE)
        others = tuple(self._recipients) if is_whole else ()
        envelope = (facts.sender or b"", facts.recipient, others)
        self.record.refuse(stage, check, sent, envelope, steps)
        if facts.settings.is_sqmail_log:
            self._note_sqmail(check)
        self._count_refusal(stage, check)

    def _shown_code(self) -> str:
        return self._code.decode("ascii") or str(self.record.code)

    def _time_out(self, source: str) -> None:
        self._how = "timeout"
        self._core.hang_up(replies.TIMEOUT)
        step = Step("session.patience", self._facts.client.ip, NO, source)
        self._told("command", "timeout", (step,))
        self._advance()
