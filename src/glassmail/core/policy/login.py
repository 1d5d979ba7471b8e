"""What a login, or a certificate, changes for the client: its rule from then on.

Purpose:
    A login is a rule made for one client: the variables that it had, as AUTH_SET_x and
    AUTH_UNSET_x change them, those of the account, and RELAYCLIENT. Every check then works as for
    any other rule, and whatever names the rule as its source names the login.

Always:
    - RELAYCLIENT of a login is empty and is not told to programs (combined patch).
    - A certificate lets relay only the addresses in control/tlsclients.
"""

from glassmail.core.ask import LoginFact
from glassmail.core.formats.control import Table, show
from glassmail.core.policy.facts import RELAYCLIENT, Facts
from glassmail.core.policy.login_variables import AUTH_SET, AUTH_UNSET
from glassmail.core.route.tcp_rules import RuleMatch

SEPARATORS = b"@%/"  # vpopmail.c parse_email: what parts name and domain
USER = b"SMTP_AUTH_USER"
INFO = b"TCPREMOTEINFO"


def account_name(user: bytes) -> bytes:
    """Write a login name as limits count it: vpopmail's `%` and `/` are an `@` like any other."""
    folded = user.lower()
    at = next((n for n, byte in enumerate(folded) if byte in SEPARATORS), len(folded))
    return folded[:at] + b"@" + folded[at + 1 :] if at < len(folded) else folded


def take_login(facts: Facts, mechanism: bytes, fact: LoginFact) -> None:
    """Let the client be who it has proven to be."""
    environment = {
        name: value
        for name, value in facts.environment.items()
        if not name.startswith((AUTH_SET, AUTH_UNSET))
    }
    for name, changed in facts.variables.login.changes:
        if changed is None:
            environment.pop(name, None)
        else:
            environment[name] = changed
    environment |= dict(fact.environment)
    environment |= {USER: fact.user, INFO: fact.user}
    facts.is_relaying_by_login = fact.may_relay and RELAYCLIENT not in environment
    if facts.is_relaying_by_login:
        environment[RELAYCLIENT] = b""
    source = f"login {show(fact.user)} ({show(mechanism)}, {fact.source})"
    facts.login, facts.mechanism = fact.user, mechanism
    facts.client = facts.client._replace(info=fact.user)
    facts.take_rule(RuleMatch(True, tuple(environment.items()), source), is_own=True)


def take_certificate(facts: Facts, email: bytes, clients: Table) -> None:
    """Let a client relay whose certificate names an address of control/tlsclients."""
    entry = clients.find(email.lower()) if email else None
    if entry is None or facts.may_relay:
        return
    environment = (*facts.environment.items(), (RELAYCLIENT, b""))
    facts.is_relaying_by_login = True
    source = f"certificate of {show(email)} ({entry.source})"
    facts.take_rule(RuleMatch(True, environment, source), is_own=True)
