"""What is amiss with the domains of a site: the way of postmaster's mail, and vpopmail's files."""

from collections.abc import Iterator

from glassmail.admin import domain_report
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.formats.control import show
from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.formats.dns_servers import DnsServersError
from glassmail.explain.hop import Hop
from glassmail.explain.instructions import State
from glassmail.explain.remedies import Advice
from glassmail.explain.trace import trace_files
from glassmail.settings.place import Place
from glassmail.stations.routing import own_domains
from glassmail.store.account_writer import AccountChangeError
from glassmail.store.control import ControlError, take_snapshot
from glassmail.store.edit import EditError
from glassmail.store.sql.marker import MarkerError
from glassmail.store.sql.session import SqlError

DOMAINS_MAX = 100  # looked at closely; `glass trace` and `glass domain show` tell of the others

ERRORS = (
    OSError, ControlError, DaemonsError, DnsServersError, AccountError, AccountChangeError,
    EditError, MarkerError, SqlError,
)  # fmt: skip

# That nobody has the name is a fault of the one address, not of the domain.
_OF_ONE_ADDRESS = frozenset((
    "no_mailbox", "alias_missing", "assign_missing", "extension_missing", "mailbox_full",
    "mailbox_locked",
))  # fmt: skip


def ailments(place: Place) -> Iterator[tuple[bool, str]]:
    """Tell faults (True) and warnings (False), each with its remedy; raises ERRORS."""
    names = own_domains(take_snapshot(place.control, ("locals", "virtualdomains")))
    addresses = [b"postmaster@" + name for name in names[:DOMAINS_MAX]]
    for trace in trace_files(place, addresses):
        for hop in trace.hops:
            yield from _of_hop(hop)
    yield from _of_accounts(place)
    if len(names) > DOMAINS_MAX:
        yield False, (
            f"only {DOMAINS_MAX} of {len(names)} domains were looked at closely: "
            "`glass trace postmaster@DOMAIN` tells of another"
        )


def _of_hop(hop: Hop) -> Iterator[tuple[bool, str]]:
    address = show(hop.address)
    if hop.state is State.PROBLEM:
        is_fault = hop.advice.id not in _OF_ONE_ADDRESS
        yield is_fault, f"mail for {address}: {_words(hop.advice) or hop.decision}"
    elif hop.state is State.UNKNOWN:
        yield False, f"mail for {address}: {hop.decision}; {hop.remedy}"
    for warning in hop.warnings:
        yield False, _words(warning)


def _words(advice: Advice) -> str:
    return f"{advice.fault}; {advice.sentence}" if advice.id else ""


def _of_accounts(place: Place) -> Iterator[tuple[bool, str]]:
    """Vpopmail's domains: their lines in each file, broken vpasswd lines, unfinished changes."""
    try:
        site = Site.at(place)
    except AccountError:
        return  # no virtual domains in vpopmail's layout
    for entry in site.entries()[:DOMAINS_MAX]:
        for problem in domain_report.problems(site, entry.domain):
            yield False, f"{show(entry.domain)}: {problem}"
