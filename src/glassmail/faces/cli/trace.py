"""`glass trace ADDRESS`: what would happen to mail for it, question by question."""

import json
import os
import sys
from collections.abc import Iterator

import click

from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.formats.dns_servers import DnsServersError
from glassmail.explain.instructions import State
from glassmail.explain.remedies import Advice
from glassmail.explain.steps import printable, shown, step_row, step_text
from glassmail.explain.trace import Hop, Inquiry, Trace, trace_address
from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE, Place, find_root
from glassmail.store.control import ControlError

_EXIT = {State.FINE: 0, State.PROBLEM: 1, State.UNKNOWN: 3}


@click.command("trace")
@click.argument("address")
@click.option(
    "--root", metavar="DIR", help=f"The site; else ${ROOT_VARIABLE}, else {DEFAULT_ROOT}."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--dns/--no-dns", default=True, help="Ask DNS where remote mail goes (default).")
@click.option(
    "--probe",
    is_flag=True,
    help="Try the connections too, and see where the MX of a domain of ours leads.",
)
def trace(address: str, root: str | None, as_json: bool, dns: bool, probe: bool) -> None:
    """Tell what would happen to mail for ADDRESS, and why; nothing is sent or changed.

    Exit status: 0 fine, 1 a problem was found, 3 cannot tell (the reason is said).
    """
    place = Place(find_root(root))
    try:
        if not os.path.isdir(place.control):
            raise FileNotFoundError(f"{place.control}: no such directory: name the site by --root")
        inquiry = Inquiry(dns=dns or probe, probe=probe)
        found = trace_address(place, os.fsencode(address), inquiry)
    except (ControlError, DaemonsError, DnsServersError, OSError) as error:
        click.echo(f"glass trace: {printable(str(error))}", err=True)
        is_closed = isinstance(error, PermissionError | FileNotFoundError) or isinstance(
            error.__cause__, PermissionError
        )
        sys.exit(_EXIT[State.UNKNOWN if is_closed else State.PROBLEM])
    for line in json_lines(found) if as_json else text_lines(found):
        click.echo(line)
    sys.exit(_EXIT[found.state])


def text_lines(found: Trace) -> Iterator[str]:
    """Write a trace for people."""
    for hop in found.hops:
        if hop.chain:
            yield ""
            yield f"forwarded by {shown(hop.chain[-1])} to {shown(hop.address)}:"
        yield from step_text(hop.steps)
        yield f"decision: {printable(hop.decision)}"
        for warning in hop.warnings:
            yield f"warning: {printable(warning_text(warning))}"
        if hop.remedy:
            yield f"remedy: {printable(hop.remedy)}"


def json_lines(found: Trace) -> Iterator[str]:
    """Write a trace for programs: a line for each step, then its decision, for each address."""
    for hop in found.hops:
        for step in hop.steps:
            yield json.dumps(step_row(step))
        yield json.dumps({"decision": decision_row(hop)})


def decision_row(hop: Hop) -> dict[str, str | list[str]]:
    """Make the JSON object of a decision.

    Fields: address, forwarded_by (the addresses that led here), sentence, state (`fine`,
    `problem`, `cannot tell`), fault (an id of explain.remedies), remedy, command, warnings.
    """
    return {
        "address": shown(hop.address),
        "forwarded_by": [shown(address) for address in hop.chain],
        "sentence": printable(hop.decision),
        "state": hop.state.value,
        "fault": hop.advice.id,
        "remedy": printable(hop.remedy),
        "command": printable(hop.advice.command),
        "warnings": [printable(warning_text(warning)) for warning in hop.warnings],
    }


def warning_text(warning: Advice) -> str:
    """Say what is not as it should be, and what to do."""
    return f"{warning.fault}; {warning.sentence}"
