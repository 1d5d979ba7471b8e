"""Why no connection came about, or why it took a detour: read from the steps of remote delivery.

Always:
    All addresses that were tried speak with one voice (all refused, all silent), or the advice is
    the general one; a dead MX host is named even when another one took the message.
"""

from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, YES, Step, Trail
from glassmail.explain.remedies import NONE, Advice, advise

_REFUSED = ("refused",)
_SILENT = ("no answer within", "timed out")
_NO_WAY = ("unreachable", "no route")


def of_connections(steps: Trail, address: str, domain: str) -> Advice:
    """Name the fault of a delivery that reached no server.

    Args:
        steps: of the delivery.
        address: the recipient.
        domain: of the recipient.
    """
    tried = [step for step in steps if step.question == "remote.connect" and step.answer == NO]
    passed = [step for step in steps if step.question == "remote.timed_out" and step.answer == YES]
    for name, words in (
        ("connection_refused", _REFUSED),
        ("connection_timed_out", _SILENT),
        ("network_unreachable", _NO_WAY),
    ):
        if tried and all(_says(step, words) for step in tried):
            if passed and name != "connection_timed_out":
                continue
            return advise(name, address=address, domain=domain, **_where(tried[0]))
    if passed and not tried:
        return advise("connection_timed_out", address=address, **_where(passed[0]))
    return advise("no_connection", address=address)


def of_detour(steps: Trail, address: str, domain: str) -> Advice:
    """Name a dead MX host that a delivery had to pass over; NONE when all were well."""
    is_reached = any(step.question == "remote.connect" and step.answer == YES for step in steps)
    if not is_reached:
        return NONE
    for step in steps:
        is_dead = step.question == "remote.connect" and step.answer == NO
        if is_dead or (step.question == "remote.timed_out" and step.answer == YES):
            return advise("mx_partly_dead", address=address, domain=domain, **_where(step))
    return NONE


def silent_addresses(steps: Trail) -> list[str]:
    """Return the addresses that did not answer at all: worth a ping."""
    return [
        _where(step)["ip"]
        for step in steps
        if step.question == "remote.connect" and step.answer == NO and _says(step, _SILENT)
    ]


def _says(step: Step, words: tuple[str, ...]) -> bool:
    return any(word in step.source.lower() for word in words)


def _where(step: Step) -> dict[str, str]:
    """The server as people call it, and its numeric address, of `192.0.2.1 port 25 (mx.test)`."""
    shown = show(step.subject)
    return {"server": shown, "ip": shown.partition(" ")[0]}
