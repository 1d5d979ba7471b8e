"""AUTH and STARTTLS of a traced session: what is offered, and what a login would change.

Always:
    - No password is asked for or compared: it is taken as right, and the trace says so.
    - Accounts are looked up by the keeper's own functions, with the caller's rights; what these
      do not allow is "cannot tell".
"""

import os
import time

from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.policy import login, security
from glassmail.core.policy.facts import Facts, TlsFacts
from glassmail.core.protocol import replies
from glassmail.settings.place import Place
from glassmail.stations.certificates import Certificates
from glassmail.stations.login_verifiers import verified_mechanisms
from glassmail.stations.logins import accepted, find_secret, sources_of_logins
from glassmail.stations.resolve import sources_of
from glassmail.stations.routing import routing_tables
from glassmail.stations.session_settings import SessionSettings
from glassmail.store.cdb import Cdb
from glassmail.store.control import Snapshot

ASSUMED = "the password is taken as right"
NOT_ASKED = "a checkpassword program decides, which is not run by a trace"


class DryLogin:
    """AUTH and STARTTLS without a client."""

    def __init__(self, place: Place, snapshot: Snapshot, settings: SessionSettings) -> None:
        """Name the sources of logins and certificates; nothing is read yet."""
        self._problems: list[str] = []
        self._settings = settings
        self._certificates = Certificates(place.root, time.monotonic, self._problems.append)
        self._sources = sources_of_logins(
            snapshot,
            routing_tables(snapshot),
            sources_of(place, snapshot.line("breakcharacter")),
            lambda path: Cdb(os.path.join(place.root, os.fsdecode(path))),
        )

    def offer(self, facts: Facts) -> security.Offer:
        """Say what this client would be offered."""
        return security.offer(
            facts,
            has_certificate=self._has_certificate(facts),
            verified=frozenset(verified_mechanisms(self._sources)),
        )

    def shake_hands(self, facts: Facts) -> tuple[Trail, Reply]:
        """Begin a session with the handshake: nothing is said for it, or a client hung up on."""
        if not self._has_certificate(facts):
            return (self._no_certificate(facts),), replies.DENIED
        return (self._secured(facts),), Reply(replies.TLS_READY.code, b"")

    def start_tls(self, facts: Facts) -> tuple[Trail, Reply]:
        """Let the client say STARTTLS."""
        if not self._has_certificate(facts):
            return (self._no_certificate(facts),), replies.TLS_UNAVAILABLE
        if not self.offer(facts).is_tls:
            reason = f"{facts.rule.source}: STARTTLS is not offered"
            step = Step("session.tls", facts.client.ip, NO, reason)
            return (step,), replies.UNIMPLEMENTED
        return (self._secured(facts),), replies.TLS_READY

    def _certificate_name(self, facts: Facts) -> str:
        return os.fsdecode(facts.variables.login.certificate) or "control/servercert.pem"

    def _no_certificate(self, facts: Facts) -> Step:
        reason = "; ".join(self._problems) or f"{self._certificate_name(facts)} (no such file)"
        return Step("session.tls", facts.client.ip, NO, reason)

    def _secured(self, facts: Facts) -> Step:
        name = self._certificate_name(facts)
        facts.tls = TlsFacts("TLS", "", certificate=name)
        return Step("session.tls", facts.client.ip, YES, f"{name}; the handshake is taken as done")

    def refusal(self, facts: Facts, user: bytes) -> tuple[Trail, Reply] | None:
        """Return the answer to AUTH where the client is offered no mechanism."""
        made = self.offer(facts)
        if made.mechanisms:
            return None
        if made.no_auth is replies.AUTH_ENCRYPTION:
            reason = "no password is taken in the clear (ALLOW_INSECURE_AUTH)"
            return (Step("session.force_tls", facts.client.ip, NO, reason),), made.no_auth
        offered = "AUTH is not offered"
        if not security.has_accounts(facts):
            offered = f"nobody can log in: {self._nobody(facts)}"
        return (Step("session.login", user, NO, offered),), made.no_auth

    def log_in(self, facts: Facts, user: bytes) -> tuple[Trail, Reply | None]:
        """Let the client log in by the first mechanism; no reply when nobody can tell."""
        path = facts.variables.login.auth_cdb
        secret = find_secret(user, self._sources, path, int(time.time()))
        if secret.source == "checkpassword":
            return (Step("session.login", user, UNKNOWN, NOT_ASKED),), None
        if secret.answer != YES:
            step = Step("session.login", user, secret.answer, secret.source)
            is_unknown = secret.answer == UNKNOWN
            return (step,), None if is_unknown else replies.AUTH_FAILED
        fact = accepted(secret)
        source = f"{fact.source}; {fact.reason or ASSUMED}"
        if fact.answer == YES:
            login.take_login(facts, self.offer(facts).mechanisms[0], fact)
        step = Step("session.login", fact.user, fact.answer, source)
        return (step,), replies.AUTH_OK if fact.answer == YES else replies.AUTH_FAILED

    def _has_certificate(self, facts: Facts) -> bool:
        wanted = facts.variables.login
        ciphers = wanted.ciphers or self._settings.ciphers
        return self._certificates.choose(wanted.certificate, ciphers) is not None

    def _nobody(self, facts: Facts) -> str:
        if facts.variables.login.is_auth_off:
            return f"{facts.rule.source}: SMTPAUTH"
        return "control/smtpauth names no source of logins"

