"""PolicySettings of the control files: what the front door's checks read, made once per change.

Lists are compiled here; core/policy/lists (and with it RE2) is loaded with the session anyway.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from glassmail.core.formats import recipients
from glassmail.core.formats.control import Table
from glassmail.core.formats.patterns import PatternError, compile_list
from glassmail.core.policy.facts import PolicySettings
from glassmail.core.policy.lists import Lists, sender_list
from glassmail.core.protocol.replies import EHLO_ORDER
from glassmail.stations.routing import routing_tables
from glassmail.store.cdb import CdbFile
from glassmail.store.control import Snapshot

__all__ = ["PatternError", "policy_settings"]


def policy_settings(snapshot: Snapshot, more: CdbFile | None) -> PolicySettings:
    """Read what the checks read; raises PatternError for a line that is no pattern."""
    return PolicySettings(
        databytes=snapshot.integer("databytes"),
        badmailfrom=snapshot.table("badmailfrom"),
        rcpthosts=_rcpthosts(snapshot),
        more_rcpthosts=more,
        is_checking_recipients=snapshot.flag("checkrecipients"),
        routing=routing_tables(snapshot),
        lists=_lists(snapshot),
        mf_check=snapshot.integer("mfcheck"),
        recipients_max=snapshot.integer("maxrcpt"),
        profile=snapshot.line("replyprofile"),
        relay_reply=snapshot.line("relayreply"),
        recipients=recipients.parse(snapshot.table("recipients")),
        version=_version(),
        prepared={},
        break_character=snapshot.line("breakcharacter"),
        auth_sources=tuple(snapshot.table("smtpauth").entries),
        auth_mechanisms=tuple(snapshot.line("authmechanisms").upper().split()),
        ehlo=_ehlo(snapshot),
        tls_clients=snapshot.table("tlsclients"),
        connections_max=snapshot.integer("concurrencyincoming"),
        is_tcpserver_log=snapshot.flag("tcpserverlog"),
        is_sqmail_log=snapshot.line("smtpdlog") == b"sqmail",
        account_recipients_max=snapshot.integer("maxaccountrecipients"),
    )


@cache
def _version() -> bytes:
    try:
        return b"glassmail " + version("glassmail").encode("ascii")
    except PackageNotFoundError:  # a source tree that was never installed
        return b"glassmail"


def _ehlo(snapshot: Snapshot) -> tuple[bytes, ...]:
    order = tuple(snapshot.line("ehlo").upper().split())
    return EHLO_ORDER if order == EHLO_ORDER else order


def _lists(snapshot: Snapshot) -> Lists:
    is_regex = snapshot.flag("qregex")
    return Lists(
        sender_list(snapshot.table("badmailfrom"), is_regex=is_regex),
        sender_list(snapshot.table("badmailfromnorelay"), is_regex=is_regex),
        compile_list(snapshot.table("badrcptto"), is_regex=is_regex),
        compile_list(snapshot.table("badrcpttonorelay"), is_regex=is_regex),
        compile_list(snapshot.table("badhelo"), is_regex=is_regex),
    )


def _rcpthosts(snapshot: Snapshot) -> Table:
    table = snapshot.table("rcpthosts")
    if table.is_present or snapshot.flag("openrelay"):
        return table
    return Table(table.name, True, {}, f"{table.name} (no such file, and control/openrelay is 0)")
