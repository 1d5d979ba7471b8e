"""bench/toy.py as a server object of the harnesses."""

import os
import sys

from server import HERE, Layout, Server


class Toy(Server):
    """The toy; `mode` says how well it keeps its promise."""

    def __init__(self, layout: Layout, mode: str) -> None:
        super().__init__(layout)
        self.name = f"toy-{mode}"
        self._mode = mode

    def prepare(self) -> None:
        """Make the Maildir."""
        self.surround()

    def command(self) -> list[str]:
        """The toy in the foreground."""
        program = os.path.join(HERE, "toy.py")
        return [sys.executable, program, str(self.layout.port), self.layout.maildir, self._mode]

    def queue_length(self) -> int:
        """It delivers before it answers."""
        return 0

    def flush(self) -> None:
        """Nothing waits."""
