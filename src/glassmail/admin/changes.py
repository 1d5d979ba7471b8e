"""What a change did, and the commands that undo it, for the administrator to read."""

import shlex


class Changes:
    """Filled while a change is made.

    Attributes:
        told: sentences, `FILE: what`, in the order they happened.
        undo: command lines that bring the former state back, in the order to give them.
        notes: what the administrator should know besides.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.undo: list[str] = []
        self.notes: list[str] = []

    def tell(self, *sentences: str) -> None:
        """Add sentences."""
        self.told += sentences

    def undo_by(self, *words: str | bytes) -> None:
        """Add a command, its words quoted for a shell where they need it."""
        shown = [w.decode("utf-8", "surrogateescape") if isinstance(w, bytes) else w for w in words]
        self.undo.append(shlex.join(shown))

    def note(self, text: str) -> None:
        """Add a note."""
        self.notes.append(text)
