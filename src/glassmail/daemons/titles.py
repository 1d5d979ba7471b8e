"""What `ps` shows of a process: its name, and what it is busy with just now.

Only the command line changes; the short name (comm) stays, so that `killall` finds the process.
"""

import setproctitle

SHOWN_MAX = 200  # bytes of what it is busy with


class Title:
    """The title of this process."""

    def __init__(self, name: str) -> None:
        """Take the name that the supervisor gave it."""
        self._name = name
        self._shown = ""

    def show(self, text: str) -> None:
        """Show what the process does; empty: only its name."""
        if text == self._shown:
            return
        self._shown = text
        safe = "".join(c if c.isprintable() else "?" for c in text[:SHOWN_MAX])
        setproctitle.setproctitle(f"{self._name} {safe}".rstrip())
        setproctitle.setthreadtitle(self._name)
