"""What a change did, and the commands that undo it, for the administrator to read."""

import shlex

_COMMAND_WORDS = 3


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
        """Add a command, its words quoted for a shell where they need it.

        Args:
            words: `glass`, a group, a verb, then its arguments, and options, which are text that
                begins with `--`, with their values behind them.
        """
        left = list(words[_COMMAND_WORDS:])
        options: list[str | bytes] = []
        arguments: list[str | bytes] = []
        while left:
            word = left.pop(0)
            if _is_option(word):
                options.append(word)
                if left and not _is_option(left[0]):
                    options.append(left.pop(0))
            else:
                arguments.append(word)
        shown = list(map(_text, arguments))
        if any(text.startswith("-") for text in shown):  # a name, but it looks like an option
            line = [*words[:_COMMAND_WORDS], *options, "--", *shown]
        else:
            line = [*words[:_COMMAND_WORDS], *shown, *options]
        self.undo.append(shlex.join(map(_text, line)))

    def note(self, text: str) -> None:
        """Add a note."""
        self.notes.append(text)


def _is_option(word: str | bytes) -> bool:
    return isinstance(word, str) and word.startswith("--")


def _text(word: str | bytes) -> str:
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word
