"""What a client may use of AUTH and STARTTLS, and whether its variables contradict each other.

Purpose:
    `offer` says it for a session as it stands; EHLO announces it, the protocol core holds to it,
    and trace tells it. `check` refuses a connection whose variables cannot all be obeyed.

Always:
    - A password travels only where nobody can read along: under TLS, on this host, or where
      ALLOW_INSECURE_AUTH says so.
    - CRAM-MD5 and SCRAM are offered where every account has a verifier, or where ALLOW_CRAM says
      that control/checkpassword's program can check a digest.
    - What control/ehlo does not name is not offered.
"""

from typing import NamedTuple

from glassmail.core.ask import Ask
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.login_variables import NO_LOGIN_VARIABLES
from glassmail.core.protocol import replies, sasl

QUESTION = "session.security"


class Offer(NamedTuple):
    """What a client may use now.

    Attributes:
        mechanisms: of AUTH.
        no_auth: the refusal of AUTH while there are none.
        is_tls: whether STARTTLS may be said.
    """

    mechanisms: tuple[bytes, ...] = ()
    no_auth: Reply = replies.AUTH_UNAVAILABLE
    is_tls: bool = False


NOTHING = Offer()


def has_accounts(facts: Facts) -> bool:
    """Tell whether anybody could log in here at all."""
    wanted = facts.variables.login
    if wanted.is_auth_off:
        return False
    return bool(facts.settings.auth_sources or wanted.auth_cdb)


def is_private(facts: Facts) -> bool:
    """Tell whether nobody can read along, or nobody minds."""
    wanted, ip = facts.variables.login, facts.client.ip
    is_here = ip.startswith(b"127.") or ip == b"::1"
    return facts.tls is not None or is_here or wanted.is_ssl or wanted.allows_insecure


def offer(facts: Facts, *, has_certificate: bool, verified: frozenset[bytes]) -> Offer:
    """Say what this client may use.

    Args:
        facts: the session.
        has_certificate: whether there is a certificate to use for it.
        verified: mechanisms that every account has a verifier for.
    """
    wanted, order = facts.variables.login, facts.settings.ehlo
    is_tls = (
        has_certificate
        and facts.tls is None
        and not (wanted.denies_tls or wanted.is_ssl)
        and b"STARTTLS" in order
    )
    is_announced = b"AUTH" in order or b"AUTH=" in order
    if not is_announced or not has_accounts(facts):
        return Offer((), replies.AUTH_UNAVAILABLE, is_tls)
    usable = [each for each in facts.settings.auth_mechanisms if _is_known(each, facts, verified)]
    if is_private(facts):
        return Offer(tuple(usable), replies.AUTH_UNAVAILABLE, is_tls)
    secret = tuple(each for each in usable if each not in sasl.WITH_PASSWORD)
    return Offer(secret, replies.AUTH_ENCRYPTION if usable else replies.AUTH_UNAVAILABLE, is_tls)


def ehlo(facts: Facts, greeting: bytes, made: Offer, *, is_enhanced: bool) -> Reply:
    """Answer EHLO with what this client may use."""
    order = facts.settings.ehlo
    if made is NOTHING and order is replies.EHLO_ORDER:
        return replies.ehlo(greeting, facts.size_max, is_enhanced=is_enhanced)
    return replies.ehlo_in_order(
        greeting, facts.size_max, order, is_enhanced=is_enhanced, is_tls=made.is_tls,
        mechanisms=made.mechanisms,
    )  # fmt: skip


def _is_known(mechanism: bytes, facts: Facts, verified: frozenset[bytes]) -> bool:
    wanted = facts.variables.login
    if mechanism in sasl.WITH_PASSWORD:
        return not wanted.is_cram_alone
    if mechanism == sasl.CRAM_MD5 and wanted.allows_cram:
        return True
    return mechanism in verified and not wanted.auth_cdb


def is_active(facts: Facts) -> bool:
    """Tell whether the client's rule says anything of AUTH or TLS."""
    return facts.variables.login is not NO_LOGIN_VARIABLES


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a connection whose variables contradict each other."""
    wanted = facts.variables.login
    reply, problem = None, ""
    if wanted.forces_tls and wanted.denies_tls:
        reply, problem = replies.TLS_BOTH, "TLS is both demanded and denied"
    elif wanted.requires_auth and not has_accounts(facts):
        reply, problem = replies.AUTH_WITHOUT_PROGRAM, "AUTH is demanded, but nobody can log in"
    elif wanted.allows_cram and wanted.auth_cdb:
        reply, problem = replies.CRAM_WITH_CDB, "AUTH_CDB holds hashes, which CRAM cannot use"
    if reply is None:
        return PASS
    step = Step(QUESTION, facts.client.ip, NO, f"{facts.rule.source}: {problem}")
    return Verdict(reply, (step,))
