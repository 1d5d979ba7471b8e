"""One SMTP session: what a client asks is answered by the policy, and the queue takes the message.

Purpose:
    An answer for each event of the protocol core, by the pipeline's verdict or by the queue.
    The loop around it is session_loop's.

Always:
    - 250 at the end of DATA only follows Enqueued: the queue has the message durably.
    - Nothing of one transaction is left when the next begins.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from glassmail.core.formats import date, received
from glassmail.core.model.limits import HELO_BYTES_MAX
from glassmail.core.model.redaction import safe_command
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy import pipeline, recipient_exists, relay
from glassmail.core.policy.facts import Client, MessageFacts
from glassmail.core.protocol import replies, smtp_events
from glassmail.core.protocol.smtp_address import replace_literal
from glassmail.core.protocol.smtp_events import Event
from glassmail.net.messages import Enqueue, Enqueued
from glassmail.net.queue_client import Answer
from glassmail.stations.body import Body
from glassmail.stations.limits import RECIPIENTS_FORESEEN_MAX, STORY_STEPS_MAX
from glassmail.stations.login_session import LoginSession
from glassmail.stations.queue_program import is_foreign
from glassmail.stations.services import Services, Wire

MENDING = b"FIXCRIO"  # the client's variable that mends line ends instead of refusing the message


class Session(LoginSession):
    """One connection of a client, with its transaction."""

    __slots__ = ("_foreseen",)

    def __init__(self, services: Services, wire: Wire, client: Client, service: str) -> None:
        """Meet a client; see SessionLoop."""
        super().__init__(services, wire, client, service)
        self._start_as_stranger()
        self._foreseen = 0  # recipients to come that were asked about already

    def _handle(self, event: Event) -> None:
        _HANDLERS[type(event)](self, event)

    def on_chunk(self, event: smtp_events.BodyChunk) -> None:
        """A piece of the body."""
        assert self._body is not None
        self._body.add(event.data)

    def on_quit(self, _event: smtp_events.Quit) -> None:
        """QUIT."""
        self._how = "quit"
        self._core.reply(replies.goodbye(self._greeting()))

    def on_reset(self, _event: smtp_events.Reset) -> None:
        """RSET."""
        self._forget()

    def on_refused(self, event: smtp_events.Refused) -> None:
        """A command that is none, or comes at the wrong time."""
        step = Step("session.order", safe_command(event.line), NO, event.name)
        self._told("command", event.name, (step,))

    # --- events of the core --------------------------------------------------------------------

    def _greeting(self) -> bytes:
        return self._facts.environment.get(b"SMTPGREETING", self._settings.greeting)

    def _connect_decided(self, verdict: Verdict) -> None:
        if self._settings.policy.is_tcpserver_log:
            self._log_connection(is_denied=verdict.reply is not None)
        if verdict.reply is not None:
            self._refuse(pipeline.CONNECT, verdict)
            return
        self._known = self._connected = self._known + verdict.steps
        if self._facts.variables.greet_delay_s:
            self._hold_greeting()
        else:
            self._core.greet(replies.greeting(self._greeting()))

    def on_helo(self, event: smtp_events.Helo) -> None:
        """HELO or EHLO."""
        self._forget()
        self._facts.helo = self.record.helo = event.name[:HELO_BYTES_MAX]
        then = self._ehlo_decided if event.is_extended else self._helo_decided
        self._decide(pipeline.HELO, then)

    def _helo_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.HELO, verdict)
            return
        self._known = self._connected + verdict.steps  # of the last HELO alone
        self._core.reply(replies.helo(self._greeting()))

    def _ehlo_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.HELO, verdict)
            return
        self._known = self._connected + verdict.steps  # of the last HELO alone
        self._core.reply(self._offer())

    def on_mail(self, event: smtp_events.Mail) -> None:
        """MAIL FROM."""
        self._forget()
        self._facts.sender = self._unliteral(event.sender)
        self._facts.declared_size = event.size
        self._decide(pipeline.MAIL, self._mail_decided)

    def _mail_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.MAIL, verdict)
            self._forget()
            return
        self._steps += verdict.steps
        self._core.reply(replies.MAIL_OK)

    def on_rcpt(self, event: smtp_events.Rcpt) -> None:
        """RCPT TO."""
        facts = self._facts
        facts.recipient = relay.final_recipient(facts, self._unliteral(event.recipient))
        facts.recipients_asked += 1
        if self._foreseen:
            self._foreseen -= 1
        elif self._core.has_unread:
            self._look_ahead()
        self._decide(pipeline.RCPT, self._rcpt_decided)

    def _look_ahead(self) -> None:
        """A client names many recipients at once: have all asked about before the first answer."""
        facts = self._facts
        upcoming = self._core.upcoming_recipients(RECIPIENTS_FORESEEN_MAX)
        self._foreseen = len(upcoming)
        finals = (relay.final_recipient(facts, self._unliteral(each)) for each in upcoming)
        asked = [facts.recipient, *finals]
        self._services.ask.foresee(a for a in asked if recipient_exists.is_asked(facts, a))

    def _rcpt_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.RCPT, verdict)
            self._facts.recipients_refused += 1
            self._facts.invalid_recipients += verdict.decided_by == "validrcptto"
        else:
            self._recipients.append(self._facts.recipient)
            if len(self._steps) < STORY_STEPS_MAX:
                self._steps += verdict.steps
            self._core.reply(replies.RCPT_OK)
            if self._facts.settings.is_sqmail_log:
                self._note_sqmail("")
        self._facts.recipient = b""

    def on_data(self, _event: smtp_events.DataBegins) -> None:
        """DATA: the answer says whether the body may come."""
        if not self._services.queue.is_up:
            step = Step("session.queue", self._facts.sender or b"", NO, "the queue does not answer")
            self._refuse(pipeline.DATA, Verdict(replies.QUEUE_DOWN, (step,), (), "queue"))
            self._forget()
            return
        self._decide(pipeline.DATA, self._data_decided)

    def _data_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.DATA, verdict)
            self._forget()
            return
        self._steps += verdict.steps
        self._body = Body(self._services.queue, self._go_on)
        self._body_began_at = self._active_at
        facts = self._facts
        self._core.accept_body(facts.size_max, is_mending=MENDING in facts.environment)

    def on_end(self, event: smtp_events.BodyEnds) -> None:
        """The end of the body: the queue is asked to take the message."""
        self._facts.message = MessageFacts(
            event.size, event.hops, event.bare, event.message_id, event.mended
        )
        self._decide(pipeline.MESSAGE, self._message_decided)

    # --- the message ---------------------------------------------------------------------------

    def _message_decided(self, verdict: Verdict) -> None:
        if verdict.reply is not None:
            self._refuse(pipeline.MESSAGE, verdict)
            self._forget()
            return
        self._steps += verdict.steps
        body = self._body
        assert body is not None
        if body.is_long:
            self._task = asyncio.get_running_loop().create_task(self._complete(body))
        else:
            self._hand_in(body)

    async def _complete(self, body: Body) -> None:
        failure = await body.complete()
        self._task = None
        if failure is None:
            self._safely(self._hand_in, body)
        else:
            self._safely(self._decline, failure, "the body could not be written")
        self._safely(self._go_on)

    def _hand_in(self, body: Body) -> None:
        """Give the message to the queue; its answer comes to `_answered`."""
        record, facts, queue = self.record, self._facts, self._services.queue
        message = facts.message
        assert facts.sender is not None
        assert message is not None
        record.part += 1
        recipients = tuple(self._recipients)
        if facts.variables.deliver_to:
            recipients = (*recipients, facts.variables.deliver_to)
        program = facts.variables.queue_program
        if program and is_foreign(program, self._services.root):
            if self._is_held:  # what a program does with it nobody here could hold back
                self._decline(replies.ACCOUNT_HELD, "mail of this account is held")
                return
            giving = self._give_to_program(body, recipients)
            self._task = asyncio.get_running_loop().create_task(giving)
            return
        file = body.hand_over()
        enqueue = Enqueue(
            queue.next_ref(),
            facts.sender,
            recipients,
            self._received(),
            None if file else body.inline(),
            file,
            body.size,
            record.code,
            record.part,
            record.story(facts.sender, recipients, (*self._known, *self._steps)),
            "network",
            None,
            message.message_id,
            self._is_held,
        )
        self._is_handing_in = True
        queue.enqueue(enqueue, self._queue_said)

    def _received(self) -> bytes:
        facts = self._facts
        who = received.origin(
            facts.client.host or b"unknown", facts.client.ip, facts.helo, facts.client.info
        )
        local = facts.environment.get(b"TCPLOCALHOST", self._settings.me)
        when = date.rfc822(self._services.now_ns() // 1_000_000_000)
        return received.line(who, local, self._protocol(), self._part_code(), when)

    def _part_code(self) -> bytes:
        return b"%b/%d" % (self._code, self.record.part) if self._code else b""

    def _queue_said(self, answer: Answer) -> None:
        self._safely(self._answered, answer)

    def _answered(self, answer: Answer) -> None:
        """The queue has the message, or has not."""
        self._is_handing_in = False
        if self._is_lost:
            # The client will not hear it, and may send the message again: a duplicate, no loss.
            self.record.accepted += isinstance(answer, Enqueued)
            self.record.end(self._how)
            return
        if isinstance(answer, Enqueued):
            self.record.accepted += 1
            self._count_message()
            now = self._services.now_ns() // 1_000_000_000
            self._core.reply(replies.queued(now, answer.message, self._part_code()))
            self._forget()
        else:
            reply = replies.declined(answer.letter == "D", answer.exit_code, answer.text)
            self._decline(reply, f"the queue's exit code {answer.exit_code}")
        self._go_on()

    def _decline(self, reply: Reply, source: str) -> None:
        step = Step("session.queue", self._facts.sender or b"", NO, source)
        self._refuse(pipeline.MESSAGE, Verdict(reply, (step,), (), "queue"))
        self._forget()

    def _unliteral(self, address: bytes) -> bytes:
        if not address.endswith(b"]"):
            return address
        return replace_literal(address, self._services.is_ours, self._settings.localiphost)

    def _forget(self) -> None:
        """The transaction is over."""
        facts = self._facts
        if facts.sender is None:
            return  # none has begun: MAIL comes before all that is forgotten here
        facts.sender = None
        facts.recipient = b""
        facts.message = None
        facts.declared_size = facts.recipients_asked = facts.recipients_refused = 0
        self._foreseen = 0
        self._is_held = False
        if self._steps:
            self._steps = []
        if self._recipients:
            self._recipients = []
        if self._body is not None:
            self._body.drop()
            self._body = None


# A table instead of a match: every event of every session comes through here. It stands outside
# the class because there, compiled, the class has no methods yet.
_HANDLERS: dict[type[Event], Callable[[Session, Any], None]] = {
    smtp_events.Helo: Session.on_helo,
    smtp_events.Mail: Session.on_mail,
    smtp_events.Rcpt: Session.on_rcpt,
    smtp_events.DataBegins: Session.on_data,
    smtp_events.BodyChunk: Session.on_chunk,
    smtp_events.BodyEnds: Session.on_end,
    smtp_events.Quit: Session.on_quit,
    smtp_events.Reset: Session.on_reset,
    smtp_events.Refused: Session.on_refused,
    smtp_events.Auth: LoginSession.on_auth,
    smtp_events.AuthResponse: LoginSession.on_auth_response,
    smtp_events.StartTls: LoginSession.on_starttls,
}

