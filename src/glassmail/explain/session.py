"""What would happen to a client's session: the checks of the SMTP server, asked without a client.

Purpose:
    `trace_session` goes through the stages connect, helo, mail, rcpt and data as a session does,
    by core.policy.pipeline, with the site's rules, settings and files. No connection is needed
    and nothing is changed: nobody waits, no program runs unless that is asked for.

Always:
    - The answers come from the same checks as the server's; here is only the order of commands.
    - What was not asked because somebody has to be run for it is told as a step, not guessed.
    - It ends where the server would hang up.
"""

import time
from collections.abc import Mapping
from contextlib import chdir
from typing import NamedTuple

from glassmail.core.ask import Counts, Existence, Held, ProgramEnd
from glassmail.core.formats.client_keys import unmapped
from glassmail.core.formats.listen import WITH_TLS
from glassmail.core.model.limits import HELO_BYTES_MAX
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.policy import login, pipeline, relay
from glassmail.core.policy.facts import Client, Facts
from glassmail.core.protocol import replies, smtp_address
from glassmail.core.protocol.smtp_address import replace_literal
from glassmail.explain.advice import of_refusal
from glassmail.explain.remedies import NONE, Advice
from glassmail.explain.running import gate_counts
from glassmail.explain.session_login import DryLogin
from glassmail.net.dns import MxRecord, Status
from glassmail.net.own_addresses import is_ours
from glassmail.settings.place import Place
from glassmail.stations.client_rules import ClientRules, meet
from glassmail.stations.existence import Sources, account_exists
from glassmail.stations.front_ask import FrontAsk
from glassmail.stations.introduction import introduce
from glassmail.stations.resolve import sources_of
from glassmail.stations.routing import routing_tables
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import Controls

EXCHANGERS_MAX = 5  # MX hosts looked up to see whether one is this host
NOT_RUN = "not run: use --run-programs"


class SessionQuestion(NamedTuple):
    """What is asked about.

    Attributes:
        client: numeric address.
        service: smtp or submission.
        helo: None: no HELO is said; sender: None: nothing after HELO.
        host: the client's name in DNS (TCPREMOTEHOST), None when unknown.
        runs_programs: whether RCPTCHECK and programs of control/recipients may run.
        login: who logs in, its password taken as right; None: nobody.
        is_tls: whether it says STARTTLS; a listener of `smtps` or `submissions` begins with the
            handshake, and it is not said there.
    """

    client: bytes
    service: str = "smtp"
    helo: bytes | None = None
    sender: bytes | None = None
    recipients: tuple[bytes, ...] = ()
    host: bytes | None = None
    runs_programs: bool = False
    login: bytes | None = None
    is_tls: bool = False


class Stage(NamedTuple):
    """One command and what became of it.

    Attributes:
        name: connect, tls, helo, auth, mail, rcpt, data; tls comes before connect where the
            session begins with the handshake.
        subject: the command's argument.
        steps: every question asked.
        reply: as it would be sent, without trace code and line end.
        code: its code; 0 when a program would have to be run, or rights are missing, to tell.
        decided_by: name of the check that refused; empty when none did.
    """

    name: str
    subject: bytes
    steps: Trail
    reply: bytes
    code: int
    decided_by: str
    advice: Advice

    @property
    def is_open(self) -> bool:
        """Tell whether it depends on a program that was not run."""
        return not self.code

    @property
    def is_refused(self) -> bool:
        """Tell whether the client is turned away here."""
        return self.code >= 400


class _DryAsk(FrontAsk):
    """Answers from the files themselves, without the keeper; nobody waits."""

    def __init__(self, place: Place, controls: Controls, *, runs_programs: bool) -> None:
        super().__init__(place, "trace", controls)
        snapshot = controls.snapshot()
        self._runs_programs = runs_programs
        self._sources = Sources(
            routing_tables(snapshot),
            sources_of(place, snapshot.line("breakcharacter")),
            snapshot.line("defaultdelivery"),
        )

    async def account_exists(self, recipient: bytes) -> Existence:
        return account_exists(recipient, self._sources)

    async def connections(self, ip: bytes, port: int) -> Counts:
        """Tell what it would be with one more connection."""
        del port
        found = gate_counts(self._place, ip)
        if isinstance(found, str):
            return Counts(UNKNOWN, detail=found)
        return Counts(YES, found["address"] + 1, found["network"] + 1, found["total"] + 1)

    def block_of(self, ip: bytes) -> tuple[str, str] | None:
        found = gate_counts(self._place, ip)
        block = None if isinstance(found, str) else found["block"]
        return (block[0], block[1]) if block else None

    async def may_log_in(self, ip: bytes, account: bytes) -> Existence:
        """Tell what the gate would say, without counting a try."""
        found = gate_counts(self._place, ip, account)
        if isinstance(found, str):
            return Existence(UNKNOWN, (Step("session.logins", ip, UNKNOWN, found),))
        is_permitted, source = found["login"]
        answer = YES if is_permitted else NO
        return Existence(answer, (Step("session.logins", ip, answer, source),))

    async def account_sends(self, account: bytes, recipients: int, ip: bytes) -> Held:
        del account, recipients, ip
        return Held(UNKNOWN, detail="not counted by a trace")

    async def pause(self, seconds: float) -> None:
        del seconds

    async def check_recipient(self, path: bytes, environment: Mapping[bytes, bytes]) -> ProgramEnd:
        if not self._runs_programs:
            return ProgramEnd(0, problem=NOT_RUN)
        with chdir(self._place.root):  # the SMTP server's directory
            return await super().check_recipient(path, environment)

    async def ask_program(self, arguments: tuple[bytes, ...], address: bytes) -> ProgramEnd:
        if not self._runs_programs:
            return ProgramEnd(0, problem=NOT_RUN)
        with chdir(self._place.root):
            return await super().ask_program(arguments, address)

    async def leads_here(self, domain: bytes) -> Existence | None:
        """Ask DNS whether mail for a domain comes here; then its MX records may be a mistake."""
        if not domain:
            return None
        found = await self.resolver().ask(domain, "MX")
        hosts = [each.name for each in found.records if isinstance(each, MxRecord)]
        for host in hosts[:EXCHANGERS_MAX]:
            for kind in ("A", "AAAA"):
                answer = await self.resolver().ask(host, kind)
                for record in answer.records:
                    if isinstance(record, str) and is_ours(record):
                        source = f"MX {host.decode('ascii', 'replace')} has our address {record}"
                        return Existence(YES, (Step("session.leads_here", domain, YES, source),))
        told = UNKNOWN if found.status is Status.FAILED else NO
        return Existence(told, (Step("session.leads_here", domain, told, found.detail),))


async def trace_session(place: Place, asked: SessionQuestion) -> tuple[Stage, ...]:
    """Tell what a client's session would be, up to the first command that ends it.

    Raises:
        ControlError: a control file or the rules cannot be used.
        OSError, DaemonsError: users/daemons cannot be used.
        DnsServersError: control/dnsserver cannot be used.
    """
    controls = Controls(place.control)
    settings = SettingsReader(controls, place, time.monotonic).now()
    is_guarded = not controls.snapshot().flag("openrelay")
    rules = ClientRules(place.tcp_rules, time.monotonic, is_guarded=is_guarded)
    ask = _DryAsk(place, controls, runs_programs=asked.runs_programs)
    client = Client(unmapped(asked.client), 0, asked.host)
    client, met = await introduce(client, settings, rules, ask)
    rule, client = meet(rules, client, settings, time.time_ns)
    facts = Facts(client, WITH_TLS.get(asked.service, asked.service), rule, settings.policy)
    logins = DryLogin(place, controls.snapshot(), settings)
    if settings.problem:
        step = Step("session.service", client.ip, NO, settings.problem)
        return (_stage("connect", client.ip, (step,), replies.NO_CONTROLS, "service"),)
    greeting = facts.environment.get(b"SMTPGREETING", settings.greeting)

    def unliteral(address: bytes) -> bytes:
        return replace_literal(address, is_ours, settings.localiphost)

    told = _Told(facts, ask, tuple(met))
    if asked.service in WITH_TLS and not told.secure(*logins.shake_hands(facts)):
        return tuple(told.stages)
    if not await told.go(pipeline.CONNECT, client.ip, replies.greeting(greeting)):
        return tuple(told.stages)
    if not await _introduce(told, asked, logins, greeting) or asked.sender is None:
        return tuple(told.stages)
    sender = told.read(pipeline.MAIL, asked.sender)
    if sender is None:
        return tuple(told.stages)
    facts.sender = unliteral(sender)
    if not await told.go(pipeline.MAIL, asked.sender, replies.MAIL_OK):
        return tuple(told.stages)
    accepted = 0
    for written in asked.recipients:
        if told.is_over:
            return tuple(told.stages)
        recipient = told.read(pipeline.RCPT, written)
        if recipient is None:
            continue
        facts.recipient = relay.final_recipient(facts, unliteral(recipient))
        facts.recipients_asked += 1
        is_taken = await told.go(pipeline.RCPT, written, replies.RCPT_OK)
        accepted += is_taken
        facts.recipients_refused += not is_taken
        facts.invalid_recipients += told.stages[-1].decided_by == "validrcptto"
    if accepted and not told.is_over:
        facts.recipient = b""
        await told.go(pipeline.DATA, b"", replies.GO_AHEAD)
    return tuple(told.stages)


class _Told:
    """The stages so far.

    Attributes:
        is_over: whether the server has hung up.
    """

    def __init__(self, facts: Facts, ask: _DryAsk, met: Trail) -> None:
        """Begin with what was asked about the client before its session."""
        self.facts = facts
        self._ask = ask
        self._met = met
        self.stages: list[Stage] = []
        self.is_over = False

    def read(self, name: str, address: bytes) -> bytes | None:
        """Read an address as the server does; None when its command is no command."""
        parsed = smtp_address.parse(b":<%b>" % address)
        if parsed is None:
            step = Step("session.order", address, NO, "syntax")
            self.stages.append(_stage(name, address, (step,), replies.SYNTAX, "syntax"))
            return None
        return parsed.address

    async def go(self, name: str, subject: bytes, good: Reply) -> bool:
        """Run a stage; tell whether the client may go on."""
        verdict = await pipeline.run(name, self.facts, self._ask)
        return self.add(name, subject, verdict.steps, verdict.reply or good, verdict.decided_by)

    def secure(self, steps: Trail, reply: Reply) -> bool:
        """Add STARTTLS, or the handshake that a session begins with."""
        return self.add("tls", b"", steps, reply, "tls" if reply.code >= 400 else "")

    async def try_password(self, logins: DryLogin, user: bytes) -> bool:
        """Log in, as far as the limits of wrong passwords allow it."""
        facts = self.facts
        refusal = logins.refusal(facts, user)
        if refusal is not None:
            return self.add("auth", user, *refusal, "login")
        facts.attempted = login.account_name(user)
        verdict = await pipeline.run(pipeline.AUTH, facts, self._ask)
        if verdict.reply is not None:
            return self.add("auth", user, verdict.steps, verdict.reply, verdict.decided_by)
        steps, reply = logins.log_in(facts, user)
        steps = (*verdict.steps, *steps)
        if reply is None:
            self.stages.append(Stage("auth", user, steps, b"", 0, "", NONE))
            return False
        return self.add("auth", user, steps, reply, "login" if reply.code >= 400 else "")

    def add(self, name: str, subject: bytes, steps: Trail, reply: Reply, decided_by: str) -> bool:
        """Add a stage; tell whether the client may go on."""
        self.stages.append(_stage(name, subject, (*self._met, *steps), reply, decided_by))
        self._met = ()
        self.is_over = reply.close
        return not self.stages[-1].is_refused


async def _introduce(
    told: _Told, asked: SessionQuestion, logins: DryLogin, greeting: bytes
) -> bool:
    """Go through STARTTLS, HELO and AUTH as far as they are asked for; False at a refusal."""
    facts = told.facts
    if asked.is_tls and facts.tls is None and not told.secure(*logins.start_tls(facts)):
        return False
    if asked.helo is not None:
        facts.helo = asked.helo[:HELO_BYTES_MAX]
        if not await told.go(pipeline.HELO, asked.helo, replies.helo(greeting)):
            return False
    return asked.login is None or await told.try_password(logins, asked.login)


def _stage(name: str, subject: bytes, steps: Trail, reply: Reply, decided_by: str) -> Stage:
    if any(step.answer == UNKNOWN and NOT_RUN in step.source for step in steps):
        return Stage(name, subject, steps, b"", 0, "", NONE)
    wire = replies.render(reply, b"", is_enhanced=False)[:-2] if reply.text else b""
    advice = of_refusal(steps, subject, reply.code) if reply.code >= 400 else NONE
    return Stage(name, subject, steps, wire, reply.code, decided_by, advice)
