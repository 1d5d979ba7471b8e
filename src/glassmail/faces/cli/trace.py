"""`glass trace`: what would happen to mail for an address, or to a client's session."""

import asyncio
import ipaddress
import json
import os
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

import click

from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.formats.dns_servers import DnsServersError
from glassmail.core.formats.listen import SERVICES
from glassmail.explain.instructions import State
from glassmail.explain.remedies import Advice
from glassmail.explain.session import SessionQuestion, Stage, trace_session
from glassmail.explain.steps import WIDTH, printable, shown, step_row, step_text
from glassmail.explain.trace import Hop, Inquiry, Trace, trace_address
from glassmail.faces.cli import account_completion as completion
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root
from glassmail.store.control import ControlError

_EXIT = {State.FINE: 0, State.PROBLEM: 1, State.UNKNOWN: 3}


@click.command("trace")
@click.argument("address", required=False, shell_complete=completion.all_addresses)
@root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--dns/--no-dns", default=True, help="Ask DNS where remote mail goes (default).")
@click.option(
    "--probe",
    is_flag=True,
    help="Try the connections too, and see where the MX of a domain of ours leads.",
)
@click.option("--client", metavar="IP", help="Trace the session of this client instead.")
@click.option("--name", metavar="HOST", help="The client's name in DNS (TCPREMOTEHOST).")
@click.option("--helo", metavar="NAME", help="What it says in HELO.")
@click.option("--from", "sender", metavar="ADDRESS", help="Its MAIL FROM; may be empty.")
@click.option("--rcpt", "recipients", metavar="ADDRESS", multiple=True, help="A RCPT TO.")
@click.option("--service", type=click.Choice(SERVICES), default="smtp", show_default=True,
              help="The service that it connects to.")
@click.option("--tls", is_flag=True, help="It says STARTTLS.")
@click.option("--auth", "login", metavar="USER", help="It logs in, with the right password.")
@click.option("--run-programs", is_flag=True, help="Let RCPTCHECK's program be asked, too.")
@click.pass_context
def trace(
    context: click.Context,
    /,
    address: str | None,
    root: str | None,
    as_json: bool,
    dns: bool,
    probe: bool,
    **_session: object,
) -> None:
    """Tell what would happen to mail for ADDRESS, and why; nothing is sent or changed.

    With --client it is a client's session that is traced, by the checks of the SMTP server:
    --tls, --helo, --auth, --from and --rcpt are its commands (--from is empty when only --rcpt
    is given).

    Exit status: 0 fine, 1 a problem was found, 2 wrong usage, 3 cannot tell (the reason is said).
    """
    place = Place(find_root(root))
    given = context.params
    if (given["client"] is None) == (address is None):
        raise click.UsageError("name an ADDRESS, or a client by --client")
    if address is None:
        sys.exit(_trace_client(place, given, as_json=as_json))
    if any(given[name] for name in _OF_CLIENTS):
        options = "--name, --tls, --helo, --auth, --from, --rcpt and --run-programs"
        raise click.UsageError(f"{options} need --client")
    try:
        if not os.path.isdir(place.control):
            raise FileNotFoundError(f"{place.control}: no such directory: name the site by --root")
        inquiry = Inquiry(dns=dns or probe, probe=probe)
        found = trace_address(place, os.fsencode(_bare(address)), inquiry)
    except (ControlError, DaemonsError, DnsServersError, OSError) as error:
        click.echo(f"glass trace: {printable(str(error))}", err=True)
        is_closed = isinstance(error, PermissionError | FileNotFoundError) or isinstance(
            error.__cause__, PermissionError
        )
        sys.exit(_EXIT[State.UNKNOWN if is_closed else State.PROBLEM])
    for line in json_lines(found) if as_json else text_lines(found):
        click.echo(line)
    sys.exit(_EXIT[found.state])


def _bare(address: str) -> str:
    """Take the brackets and blanks away that an address is pasted with."""
    address = address.strip()
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address


def _trace_client(place: Place, given: dict[str, Any], *, as_json: bool) -> int:
    try:
        client = str(ipaddress.ip_address(given["client"].partition("%")[0]))
    except ValueError as error:
        raise click.UsageError(f"--client {given['client']}: not a numeric address") from error
    sender = "" if given["sender"] is None and given["recipients"] else given["sender"]
    asked = SessionQuestion(
        client.encode("ascii"),
        given["service"],
        None if given["helo"] is None else os.fsencode(given["helo"]),
        None if sender is None else os.fsencode(sender),
        tuple(os.fsencode(recipient) for recipient in given["recipients"]),
        None if given["name"] is None else os.fsencode(given["name"]).lower(),
        given["run_programs"],
        None if given["login"] is None else os.fsencode(given["login"]),
        given["tls"],
    )
    try:
        stages = asyncio.run(trace_session(place, asked))
    except (ControlError, DaemonsError, DnsServersError, OSError) as error:
        click.echo(f"glass trace: {printable(str(error))}", err=True)
        is_closed = isinstance(error.__cause__ or error, PermissionError)
        return _EXIT[State.UNKNOWN if is_closed else State.PROBLEM]
    for line in session_json(stages) if as_json else session_text(stages):
        click.echo(line)
    return _EXIT[_state(stages)]


def _state(stages: Sequence[Stage]) -> State:
    if any(stage.is_refused for stage in stages):
        return State.PROBLEM
    return State.UNKNOWN if any(stage.is_open for stage in stages) else State.FINE


_OF_CLIENTS = ("name", "tls", "helo", "login", "sender", "recipients", "run_programs")
_COMMANDS = {"connect": "connection from", "tls": "TLS", "helo": "HELO", "auth": "AUTH",
             "mail": "MAIL FROM", "rcpt": "RCPT TO", "data": "DATA"}  # fmt: skip


def session_text(stages: Sequence[Stage]) -> Iterator[str]:
    """Write the stages of a session for people."""
    for number, stage in enumerate(stages):
        if number:
            yield ""
        argument = shown(stage.subject)
        bracketed = f"<{argument}>" if stage.name in ("mail", "rcpt") else argument
        yield f"{_COMMANDS[stage.name]} {bracketed}".rstrip()
        yield from step_text(stage.steps, indent=2)
        silence = "hung up on without a word" if stage.is_refused else "none; the handshake"
        if stage.is_open:
            silence = "cannot be told" if stage.name == "auth" else "depends on the program"
        yield f"  reply: {shown(stage.reply) or silence}"
        if stage.decided_by:
            yield f"  decided by: the check {stage.decided_by}"
        if stage.advice.id:
            yield from _wrapped(f"remedy: {printable(stage.advice.sentence)}", "  ")
    yield ""
    yield f"decision: {_decision(stages)}"


def _decision(stages: Sequence[Stage]) -> str:
    recipients = [stage for stage in stages if stage.name == "rcpt"]
    refused = [shown(stage.subject) for stage in recipients if stage.is_refused]
    if refused and len(refused) < len(recipients):
        return f"accepted, but not for {', '.join(refused)}"
    is_login = any(stage.is_open and stage.name == "auth" for stage in stages)
    unknown = "cannot tell" if is_login else "cannot tell: ask with --run-programs"
    words = {State.PROBLEM: "refused", State.UNKNOWN: unknown, State.FINE: "accepted"}
    return words[_state(stages)]


def session_json(stages: Sequence[Stage]) -> Iterator[str]:
    """Write the stages for programs: a line for each step with its `stage`, then the stage's end.

    Fields of the end: stage, argument, code, reply, decided_by (name of a check of `glass policy
    list`), fault, remedy.
    """
    for stage in stages:
        for step in stage.steps:
            yield json.dumps({"stage": stage.name, **step_row(step)})
        yield json.dumps({
            "stage": stage.name,
            "argument": shown(stage.subject),
            "code": stage.code,
            "reply": shown(stage.reply),
            "decided_by": stage.decided_by,
            "fault": stage.advice.id,
            "remedy": printable(stage.advice.sentence),
        })


def text_lines(found: Trace) -> Iterator[str]:
    """Write a trace for people."""
    for hop in found.hops:
        if hop.chain:
            yield ""
            yield f"forwarded by {shown(hop.chain[-1])} to {shown(hop.address)}:"
        yield from step_text(hop.steps)
        yield from _wrapped(f"decision: {printable(hop.decision)}")
        for warning in hop.warnings:
            yield from _wrapped(f"warning: {printable(warning_text(warning))}")
        if hop.remedy:
            yield from _wrapped(f"remedy: {printable(hop.remedy)}")


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Break a sentence at blanks alone: a path or command that is broken cannot be copied."""
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ",
                break_on_hyphens=False, break_long_words=False)  # fmt: skip


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
