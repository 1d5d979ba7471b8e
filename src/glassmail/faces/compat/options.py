"""Options the way qmail's commands read them (subgetopt.c, sgetopt.c).

Letters may be joined, an argument may follow its letter directly, options end at the first word
that does not begin with `-`, at `-` alone, and at any word that begins with `--`, which goes.
"""

import os


class OptionError(Exception):
    """An option that the command does not have, or one without its argument; str() tells it."""


class Options:
    """Iterate over (letter, argument); `rest` holds the words after the options."""

    def __init__(self, words: list[bytes], known: bytes) -> None:
        """Prepare to read.

        Args:
            words: the arguments without the command's name.
            known: option letters, each followed by `:` if it takes an argument.
        """
        self.rest = words
        self._known = known
        self._letters = b""

    def __iter__(self) -> "Options":
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        if not self._letters:
            self._next_word()
        letter = self._letters[:1]
        self._letters = self._letters[1:]
        at = self._known.find(letter) if letter != b":" else -1
        if at < 0:
            raise OptionError(f"illegal option -- {os.fsdecode(letter)}")
        if self._known[at + 1 : at + 2] != b":":
            return letter, b""
        argument, self._letters = self._letters, b""
        if not argument:
            if not self.rest:
                raise OptionError(f"option requires an argument -- {os.fsdecode(letter)}")
            argument, self.rest = self.rest[0], self.rest[1:]
        return letter, argument

    def skip_rest_of_word(self) -> None:
        """Pass over what follows a letter in its word: an optional argument."""
        self._letters = b""

    def _next_word(self) -> None:
        if not self.rest or len(self.rest[0]) < 2 or not self.rest[0].startswith(b"-"):
            raise StopIteration
        word, self.rest = self.rest[0], self.rest[1:]
        if word.startswith(b"--"):
            raise StopIteration
        self._letters = word[1:]
