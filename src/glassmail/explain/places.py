"""Where a decision is set: the file and line that a person would change.

The source of a deciding step is not always that: of a program it is who ran it, of another server
its words. `place_of` says where to look, or nothing.
"""

import os

from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, YES, Step, Trail

_BY_DOT_QMAIL = frozenset({"delivery.program", "delivery.refusal", "delivery.forward"})
_FILED = frozenset({"delivery.maildir", "delivery.mbox"})
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
    if decided.question in _FILED and decided.answer == NO:
        return dot_qmail_of(steps)  # its source is the reason
    if decided.question == "routing.home":
        return f"{show(decided.subject)} ({decided.source})"
    if decided.question == "routing.dot_qmail" and decided.answer != NO:
        return _of_file(decided, steps)
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


def _of_file(decided: Step, steps: Trail) -> str:
    """Name a .qmail file that was found and decided; its source is `HOME, mode 0644: reason`."""
    home = next((step.subject for step in steps if step.question == "routing.home"), b"")
    about = decided.source.removeprefix(show(home)).lstrip(",: ")
    path = show(os.path.join(home, decided.subject))
    return f"{path} ({about})" if about else path
