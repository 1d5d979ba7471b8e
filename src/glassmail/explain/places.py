"""Where a decision is set: the file and line that a person would change.

The source of a deciding step is not always that: of a program it is who ran it, of another server
its words. `place_of` says where to look, or nothing.
"""

import os

from glassmail.core.formats.control import show
from glassmail.core.model.trail import YES, Step, Trail

_BY_DOT_QMAIL = frozenset({"delivery.program", "delivery.refusal", "delivery.forward"})
# Their sources tell what the client did, or what its message is like.
_OF_WHAT_WAS_SAID = frozenset({
    "session.line-ends", "session.hops", "session.order", "session.tls", "session.queue",
    "session.login",
})  # fmt: skip
_SETTINGS = ("control/", "users/", "certificate ", "login ")


def place_of(decided: Step, steps: Trail) -> str:
    """Return where a decision is set; empty when nothing on this host sets it.

    Args:
        decided: the deciding step.
        steps: the trail that it ends.
    """
    if decided.question in _BY_DOT_QMAIL:
        file = dot_qmail_of(steps)
        line = f", {decided.source}" if decided.source.startswith("line ") else ""
        return file + line if file else decided.source
    if decided.question.startswith("remote.") and not decided.source.startswith(_SETTINGS):
        return ""
    if decided.question in _OF_WHAT_WAS_SAID:
        return ""
    return decided.source


def dot_qmail_of(steps: Trail) -> str:
    """Return the path of the .qmail file that was obeyed; empty when none was."""
    home = b""
    found = ""
    for step in steps:
        if step.question == "routing.home":
            home = step.subject
        elif step.question == "routing.dot_qmail" and step.answer == YES:
            found = show(os.path.join(home, step.subject))
    return found
