"""What a session does for AUTH and STARTTLS: offers them, asks who it is, begins the handshake.

Purpose:
    Between the loop and the answers. A site without certificate and logins passes through `_offer`
    once at EHLO and comes here no more.

Always:
    - What was known of the client before the handshake is forgotten with it: name, login.
    - A password is judged by the keeper; the session waits as for any check, and a wrong one is
      answered after control/authdelay seconds.
    - Every try is told: as a log line, as a step of all that comes after, or as a refusal.
"""

import asyncio
import base64
import secrets
from abc import abstractmethod

from glassmail.core.ask import LoginFact
from glassmail.core.model.redaction import safe_login_name
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy import login, pipeline, security
from glassmail.core.policy.facts import SUBMISSION, Client, TlsFacts
from glassmail.core.protocol import replies, sasl, smtp_events
from glassmail.core.protocol.sasl import Attempt, Challenge, Exchange, Next
from glassmail.core.route.tcp_rules import RuleMatch
from glassmail.core.schedule.gate_book import LOGIN, UNJUDGED
from glassmail.events import sqmail_lines
from glassmail.events.sqmail_lines import Party
from glassmail.stations.certificates import Certificate
from glassmail.stations.front_session import FrontSession

# qmail's safe bytes of a Received line have no underscore, which names of ciphers have.
_COMMENT = bytes(
    byte if byte < 127 and (chr(byte).isalnum() or byte in b" ._-@+") else 0x3F
    for byte in range(256)
)
QUESTION = "session.login"
TLS_QUESTION = "session.tls"
_NONCE_BYTES = 18
_OFFERS_MAX = 64  # of a rule


class LoginSession(FrontSession):
    """A session with what AUTH and TLS add to it."""

    __slots__ = ("_connected", "_exchange", "_proven", "_stranger")

    _connected: Trail
    _exchange: Exchange | None
    _proven: LoginFact | None
    _stranger: tuple[Client, RuleMatch] | None

    @abstractmethod
    def _forget(self) -> None: ...

    def _start_as_stranger(self) -> None:
        self._connected = ()  # steps of connect, TLS and login: part of every message's story
        self._exchange = self._proven = None
        self._stranger = None  # client and rule before a login or certificate changed them

    # --- what is offered -----------------------------------------------------------------------

    def _offer(self) -> Reply:
        """Find out what this client may use, and hold the protocol core to it; answer EHLO."""
        facts, core = self._facts, self._core
        has_certificate = self._certificate() is not None
        verified: frozenset[bytes] = frozenset()
        if facts.settings.auth_sources or facts.variables.login.auth_cdb:
            verified = self._services.ask.verified_mechanisms()
        key = (has_certificate, verified, facts.tls is None, security.is_private(facts))
        offers = facts.prepared.offers
        made: tuple[security.Offer, Reply] | None = offers.get(key)
        if made is None:
            if len(offers) >= _OFFERS_MAX:
                offers.clear()
            made = offers[key] = self._make_offer(verified, has_certificate=has_certificate)
        core.mechanisms, core.no_auth, core.is_tls_offered = made[0]
        return made[1]

    def _make_offer(
        self, verified: frozenset[bytes], *, has_certificate: bool
    ) -> tuple[security.Offer, Reply]:
        facts = self._facts
        offer = security.NOTHING
        if has_certificate or security.has_accounts(facts):
            offer = security.offer(facts, has_certificate=has_certificate, verified=verified)
        is_enhanced = self._settings.is_enhanced
        return offer, security.ehlo(facts, self._greeting(), offer, is_enhanced=is_enhanced)

    def _certificate(self) -> Certificate | None:
        facts, certificates = self._facts, self._services.certificates
        wanted = facts.variables.login
        if certificates is None or facts.tls is not None or wanted.denies_tls or wanted.is_ssl:
            return None
        return self.certificate()

    def certificate(self) -> Certificate | None:
        """Return the certificate for this client's handshake, None when there is none."""
        certificates, wanted = self._services.certificates, self._facts.variables.login
        if certificates is None:
            return None
        clients = self._facts.settings.tls_clients
        # Servers show certificates of all kinds, and one that cannot be verified ends the
        # handshake: only where somebody could relay by one is it asked for.
        is_ours = self._facts.service == SUBMISSION and clients is not None and clients.is_present
        asks = wanted.asks_certificate or is_ours
        ciphers = wanted.ciphers or self._settings.ciphers
        return certificates.choose(wanted.certificate, ciphers, asks_certificate=asks)

    # --- TLS -----------------------------------------------------------------------------------

    def on_starttls(self, _event: smtp_events.StartTls) -> None:
        """STARTTLS, with nothing behind it."""
        certificate = self._certificate()
        if certificate is None:
            step = Step(TLS_QUESTION, b"", NO, "the certificate is gone")
            verdict = Verdict(replies.TLS_UNAVAILABLE, (step,), (), "tls")
            self._refuse("command", verdict)
            return
        self._core.begin_tls()
        self._send(self._core.output())
        self._wire.start_tls(certificate)

    def secured(self, tls: TlsFacts) -> None:
        """The handshake is over; what is said from now on nobody else can read."""
        self._active_at = self._services.clock()
        facts, core = self._facts, self._core
        if self._stranger is not None:
            facts.client, rule = self._stranger
            facts.take_rule(rule)
            facts.is_relaying_by_login = False
        facts.login = facts.mechanism = b""
        facts.helo, self.record.helo = None, b""
        facts.tls = tls
        core.secured()
        core.mechanisms = ()  # until EHLO tells them anew
        self._forget()
        step = Step(TLS_QUESTION, tls.cipher.encode("ascii", "replace"), YES, _told_of(tls))
        before = self._connected or self._known
        kept = tuple(each for each in before if each.question != QUESTION)
        self._connected = self._known = (*kept, step)
        self.record.tls = f"{tls.version} {tls.cipher}"
        self.record.login = b""
        if tls.email and facts.settings.tls_clients is not None:
            self._stranger = facts.client, facts.rule
            login.take_certificate(facts, tls.email, facts.settings.tls_clients)
            core.wording = facts.prepared.wording

    def tls_failed(self, reason: str) -> None:
        """The handshake, or a record, failed: nothing can be said any more."""
        step = Step(TLS_QUESTION, self._facts.client.ip, NO, reason)
        steps = (*self._known, step)
        self.record.refuse("connect", "tls", (0, b""), (b"", b"", ()), steps)
        self._how = "closed"

    # --- AUTH ----------------------------------------------------------------------------------

    def on_auth(self, event: smtp_events.Auth) -> None:
        """AUTH with a mechanism that is offered."""
        self._proven = None
        self._exchange = sasl.exchange(event.mechanism, self._nonce(event.mechanism))
        self._go_on_with(self._exchange.begin(event.initial))

    def on_auth_response(self, event: smtp_events.AuthResponse) -> None:
        """The client answered a challenge."""
        exchange, proven = self._exchange, self._proven
        assert exchange is not None
        if proven is not None:  # SCRAM: the client has our signature, and says nothing more
            self._logged_in(exchange.mechanism, proven)
        else:
            self._go_on_with(exchange.step(event.data))

    def _nonce(self, mechanism: bytes) -> bytes:
        unique = base64.b64encode(secrets.token_bytes(_NONCE_BYTES))
        if mechanism != sasl.CRAM_MD5:
            return unique
        seconds = self._services.now_ns() // 1_000_000_000
        return b"<%b.%d@%b>" % (unique.translate(None, b"+/="), seconds, self._settings.me)

    def _go_on_with(self, answer: Next) -> None:
        if isinstance(answer, Challenge):
            self._core.challenge(answer.data)
        elif isinstance(answer, Attempt):
            judging = self._judge(answer)
            self._task = asyncio.get_running_loop().create_task(judging)
        else:
            step = Step("session.order", b"AUTH", NO, "malformed")
            self._end_auth(replies.AUTH_MALFORMED, (step,), "auth_malformed")

    async def _judge(self, attempt: Attempt) -> None:
        """Ask whether the client is who it says."""
        facts, ask = self._facts, self._services.ask
        facts.attempted = login.account_name(attempt.user)
        fact = None
        try:
            verdict = await self._permission(attempt)
            if verdict.reply is None:
                cdb = facts.variables.login.auth_cdb
                fact = await ask.log_in(attempt, facts.client.ip, cdb)
                if fact.answer != YES and self._settings.auth_delay_s:
                    await ask.pause(self._settings.auth_delay_s)
        except Exception:  # noqa: BLE001 (the client must have its answer)
            self._task = None
            self._safely(self._fault, pipeline.AUTH)
        else:
            self._task = None
            if fact is None:
                tried = _kept(safe_login_name(attempt.user), attempt)
                self._safely(
                    self._end_auth, verdict.reply, verdict.steps, verdict.decided_by, tried
                )
            else:
                self._safely(self._judged, attempt, fact)
        self._safely(self._go_on)

    async def _permission(self, attempt: Attempt) -> Verdict:
        if attempt.mechanism == sasl.SCRAM_SHA_256:
            return Verdict(None)  # it was asked when the exchange began
        return await pipeline.run(pipeline.AUTH, self._facts, self._services.ask)

    def _judged(self, attempt: Attempt, fact: LoginFact) -> None:
        exchange = self._exchange
        assert exchange is not None
        if fact.answer == YES:
            if attempt.mechanism in (sasl.SCRAM_SALT, sasl.SCRAM_SHA_256):
                if attempt.mechanism == sasl.SCRAM_SHA_256:
                    self._proven = fact
                self._go_on_with(exchange.learned(fact.data))
            else:
                self._logged_in(attempt.mechanism, fact)
            return
        is_wrong = fact.answer == NO
        gate = self._services.gate
        if not is_wrong and gate is not None and not self._facts.variables.is_unlimited:
            # Our fault, not the client's: it will try again and again, and must not be shut out.
            gate.happened(UNJUDGED, self._facts.client.ip, self._facts.attempted)
        user = attempt.user if fact.exists else safe_login_name(attempt.user)
        self._note_login(fact.reason.encode("ascii") if is_wrong else b"cannot tell", user)
        source = f"{fact.source}: {fact.reason}" if fact.reason else fact.source
        step = Step(QUESTION, user, NO if is_wrong else UNKNOWN, source)
        reply = replies.AUTH_FAILED if is_wrong else replies.AUTH_TROUBLE
        tried = login.account_name(fact.user) if fact.exists else _kept(user, attempt)
        self._end_auth(reply, (step,), "login", tried)

    def _logged_in(self, mechanism: bytes, fact: LoginFact) -> None:
        facts, core = self._facts, self._core
        self._exchange = self._proven = None
        if self._stranger is None:
            self._stranger = facts.client, facts.rule
        login.take_login(facts, mechanism, fact)
        core.wording = facts.prepared.wording
        shown = mechanism.decode("ascii")
        step = Step(QUESTION, fact.user, YES, f"{shown}, {fact.source}")
        self._connected = (*self._connected, step)
        self._known = (*self._known, step)
        self.record.login = fact.user
        if self._services.gate is not None:
            self._services.gate.happened(LOGIN, facts.client.ip, facts.attempted)
        self._note_login(b"", fact.user)
        core.reply(replies.AUTH_OK)

    def _end_auth(
        self, reply: Reply | None, steps: Trail, check: str, tried: bytes = b""
    ) -> None:
        self._exchange = self._proven = None
        self.record.tried = tried
        self._refuse(pipeline.AUTH, Verdict(reply, steps, (), check))
        self.record.tried = b""

    def _note_login(self, reason: bytes, user: bytes) -> None:
        ip = self._facts.client.ip
        if reason:
            self.record.note(b"AUTH failed (%b) [%b] %b" % (reason, ip, user))
        else:
            self.record.note(b"AUTH successful [%b] %b" % (ip, user))

    def _note_sqmail(self, check: str) -> None:
        """Tell s/qmail's log line of a refusal by a check, or of a recipient that was taken."""
        facts = self._facts
        party = Party(
            self._protocol().partition(b" ")[0], facts.client.ip, facts.client.host or b"",
            self.record.helo, facts.sender or b"", facts.recipient,
        )  # fmt: skip
        if check:
            line = sqmail_lines.refused(self.record.pid, check, party)
        else:
            line = sqmail_lines.accepted(self.record.pid, party, is_relayed=facts.may_relay)
        if line:
            self.record.note(line, is_own=False)

    # --- the Received line ---------------------------------------------------------------------

    def _protocol(self) -> bytes:
        """Name the protocol of the Received line: SMTP as qmail does, else RFC 3848's words."""
        facts = self._facts
        if facts.tls is None and not facts.login:
            return b"SMTP"
        words = b"ESMTP" + (b"S" if facts.tls else b"") + (b"A" if facts.login else b"")
        if facts.tls is None:
            return words
        told = f"{facts.tls.version} {facts.tls.cipher}".encode("ascii", "replace")
        if facts.tls.email:
            told += b" cert " + facts.tls.email
        return b"%b (%b)" % (words, told.translate(_COMMENT))


def _kept(shown: bytes, attempt: Attempt) -> bytes:
    """Return the account that a name which may be shown whole stands for; else nothing."""
    return login.account_name(shown) if shown == attempt.user else b""


def _told_of(tls: TlsFacts) -> str:
    parts = [tls.version, tls.certificate]
    if tls.server_name:
        parts.append(f"asked for {tls.server_name}")
    if tls.email:
        parts.append(f"certificate of {tls.email.decode('ascii', 'replace')}")
    return ", ".join(part for part in parts if part)
