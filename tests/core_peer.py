"""A server made of core alone, for dialogues: SmtpServer and the pipeline, no queue, no socket."""

from glassmail.core.ask import CdbFact, Counts, DnsFact, Existence, Held, LoginFact, ProgramEnd
from glassmail.core.formats import tcp_rules
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.policy import pipeline, relay, security
from glassmail.core.policy.facts import Client, Facts, MessageFacts
from glassmail.core.policy.login import take_login
from glassmail.core.protocol import replies, sasl
from glassmail.core.protocol.smtp_address import replace_literal
from glassmail.core.protocol.smtp_commands import State
from glassmail.core.protocol.smtp_events import (
    Auth,
    AuthResponse,
    BodyChunk,
    BodyEnds,
    DataBegins,
    Helo,
    Mail,
    Quit,
    Rcpt,
    StartTls,
)
from glassmail.core.protocol.smtp_server import SmtpServer
from glassmail.core.route.tcp_rules import match
from glassmail.settings.place import Place
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import Controls
from tests.dialogue import Lines

CODE = b"K7Q2-M4XW-3H"


class FakeAsk:
    """Answers from a table; whatever is not in it cannot be told."""

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.asked = []
        self.dns_answers = {}
        self.cdbs = {}
        self.programs = {}
        self.pauses = []
        self.mx_here = {}
        joe = LoginFact(YES, b"joe@here.example", "the test's table")
        self.logins = {(b"joe@here.example", b"secret"): joe}
        self.attempts = []
        self.verified = frozenset()

    async def account_exists(self, recipient):
        self.asked.append(recipient)
        return Existence(self.answers.get(recipient, UNKNOWN), ())

    async def dns(self, name, kind):
        self.asked.append((name, kind))
        found = self.dns_answers.get((name, kind))
        return found or DnsFact(NO if self.dns_answers else UNKNOWN, (), "no such name")

    def find_in_cdb(self, path, keys):
        records = self.cdbs.get(path)
        if records is None:
            return CdbFact(UNKNOWN, detail="no such file")
        key = next((key for key in keys if key in records), None)
        return CdbFact(NO) if key is None else CdbFact(YES, key, records[key])

    async def check_recipient(self, path, environment):
        self.program_environment = environment
        return self.programs.get(path, ProgramEnd(0))

    async def ask_program(self, arguments, address):
        self.asked.append((arguments, address))
        return self.programs.get(arguments[0], ProgramEnd(0))

    async def pause(self, seconds):
        self.pauses.append(seconds)

    async def log_in(self, attempt, client, auth_cdb):
        self.attempts.append((attempt, client, auth_cdb))
        return self.logins.get((attempt.user, attempt.first)) or LoginFact(
            NO, attempt.user, "the test's table", "bad password"
        )

    def verified_mechanisms(self):
        return self.verified

    async def leads_here(self, domain):
        return self.mx_here.get(domain)

    def load(self):
        return getattr(self, "load_average", 0.0)

    async def connections(self, ip, port):
        return getattr(self, "counts", Counts(UNKNOWN, detail="nobody counts"))

    def block_of(self, ip):
        return getattr(self, "blocks", {}).get(ip)

    async def may_log_in(self, ip, account):
        return getattr(self, "logins", {}).get(account, Existence(YES, ()))

    async def account_sends(self, account, recipients, ip):
        return getattr(self, "held", {}).get(account, Held(YES, recipients, "a test"))

    def foresee(self, recipients):
        self.foreseen = getattr(self, "foreseen", []) + list(recipients)


def drive(coroutine):
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


class CorePeer:
    """Answers events as a session does."""

    def __init__(self, dialogue, root, ask=None):
        controls = Controls(str(root / "control"))
        settings = SettingsReader(controls, Place(str(root)), lambda: 0.0).now()
        rules = tcp_rules.parse("\n".join(dialogue.rules).encode(), "control/tcp.smtp")
        client = Client(dialogue.client, 4321)
        self.has_certificate = dialogue.has_certificate
        self.facts = Facts(
            client, dialogue.service, match(rules, client.ip, None, None), settings.policy
        )
        self.settings = settings
        suffix = b" [%b]" % CODE if settings.is_tracing else b""
        self.code = CODE + b"/%d" if settings.is_tracing else b""
        self.core = SmtpServer(suffix, is_enhanced=settings.is_enhanced)
        self.core.wording = self.facts.prepared.wording
        self.ask = ask or FakeAsk()
        self.lines = Lines()
        self.bodies = []
        self.envelopes = []
        self.recipients = []
        self.refused = []
        if settings.problem:
            self.core.greet(replies.NO_CONTROLS)
        else:
            reply = self._verdict("connect")
            self.core.greet(reply or replies.greeting(self._greeting()))
        self._flush()

    async def send(self, data):
        self.core.receive(data)
        while (event := self.core.next_event()) is not None:
            self._handle(event)
        self._flush()

    async def line(self):
        return self.lines.take()

    def _flush(self):
        self.lines.feed(self.core.output())
        self.lines.is_closed = self.core.state is State.CLOSED

    def _greeting(self):
        return self.facts.environment.get(b"SMTPGREETING", self.settings.greeting)

    def _verdict(self, stage):
        verdict = drive(pipeline.run(stage, self.facts, self.ask))
        if verdict.reply is not None:
            self.refused.append((stage, verdict))
        return verdict.reply

    def _address(self, address):
        return replace_literal(address, "127.0.0.1".__eq__, self.settings.localiphost)

    def _handle(self, event):
        facts, core = self.facts, self.core
        if isinstance(event, Helo):
            facts.helo = event.name
            text = self._greeting()
            offer = security.offer(
                facts, has_certificate=self.has_certificate, verified=self.ask.verified
            )
            core.mechanisms, core.no_auth, core.is_tls_offered = offer
            ok = (
                security.ehlo(facts, text, offer, is_enhanced=self.settings.is_enhanced)
                if event.is_extended
                else replies.helo(text)
            )
            core.reply(self._verdict("helo") or ok)
        elif isinstance(event, Auth):
            self.exchange = sasl.exchange(event.mechanism, b"nonce")
            self._go_on_with(self.exchange.begin(event.initial))
        elif isinstance(event, AuthResponse):
            self._go_on_with(self.exchange.step(event.data))
        elif isinstance(event, StartTls):
            core.begin_tls()
        elif isinstance(event, Mail):
            facts.sender, facts.declared_size = self._address(event.sender), event.size
            facts.recipients_asked = facts.recipients_refused = 0
            self.recipients = []
            core.reply(self._verdict("mail") or replies.MAIL_OK)
        elif isinstance(event, Rcpt):
            facts.recipient = relay.final_recipient(facts, self._address(event.recipient))
            facts.recipients_asked += 1
            reply = self._verdict("rcpt")
            if reply is not None:
                facts.recipients_refused += 1
                check = self.refused[-1][1].decided_by
                facts.invalid_recipients += check == "validrcptto"
            if reply is None:
                self.recipients.append(facts.recipient)
            core.reply(reply or replies.RCPT_OK)
        elif isinstance(event, DataBegins):
            if (refusal := self._verdict("data")) is not None:
                core.reply(refusal)
                return
            self.bodies.append(b"")
            core.accept_body(facts.size_max, is_mending=b"FIXCRIO" in facts.environment)
        elif isinstance(event, BodyChunk):
            self.bodies[-1] += event.data
        elif isinstance(event, BodyEnds):
            self._end(event)
        elif isinstance(event, Quit):
            core.reply(replies.goodbye(self._greeting()))

    def _go_on_with(self, answer):
        facts, core = self.facts, self.core
        if isinstance(answer, sasl.Challenge):
            core.challenge(answer.data)
        elif answer is None:
            core.reply(replies.AUTH_MALFORMED)
        else:
            facts.attempted = answer.user
            reply = self._verdict("auth")
            if reply is None:
                fact = drive(self.ask.log_in(answer, facts.client.ip, b""))
                if fact.answer == YES:
                    take_login(facts, answer.mechanism, fact)
                    core.wording = facts.prepared.wording
                reply = replies.AUTH_OK if fact.answer == YES else replies.AUTH_FAILED
            core.reply(reply)

    def _end(self, event):
        self.facts.message = MessageFacts(event.size, event.hops, event.bare)
        reply = self._verdict("message")
        if reply is None:
            self.envelopes.append((self.facts.sender, tuple(self.recipients)))
            number = len(self.envelopes)
            code = self.code % number if self.code else b""
            reply = replies.queued(1_795_187_040, number, code)
        self.core.reply(reply)
