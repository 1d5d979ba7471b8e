"""Find the addresses in the tokens of a field, from right to left (token822.c, addrlist).

Pure:
    Tokens in, parts out.

Always:
    - What is not an address (names, comments, brackets, commas, group names) stays a token.
    - Two addresses without a comma between them get one.
    - Addresses found before the field turned out not to be parsable are kept: qmail-inject
      sends to them and leaves the field as it was written.
"""

from glassmail.core.formats.header_tokens import AT as AT_SIGN
from glassmail.core.formats.header_tokens import (
    ATOM,
    COLON,
    COMMA,
    COMMENT,
    DOT,
    LEFT,
    LITERAL,
    QUOTE,
    RIGHT,
    SEMI,
    Token,
)

Part = Token | list[Token]  # a list is an address

_FIRST = 2  # the field's name and its colon come before
_COMMA: Token = (COMMA, b",")
_BEFORE_BRACKET = frozenset((COMMENT, ATOM, QUOTE, AT_SIGN, DOT))


class AddressList:
    """The parts of one field.

    Attributes:
        parts: from left to right when the field is whole, else the reversed rest that was read.
        is_whole: False when the field cannot be parsed.
    """

    __slots__ = ("is_whole", "parts")

    def __init__(self, parts: list[Part], *, is_whole: bool) -> None:
        self.parts = parts
        self.is_whole = is_whole

    def addresses(self) -> list[list[Token]]:
        """Return the addresses from right to left, the order qmail-inject handles them in."""
        found = [part for part in self.parts if isinstance(part, list)]
        if self.is_whole:
            found.reverse()
        return found

    def tokens(self) -> list[Token]:
        """Return the field as tokens again."""
        flat: list[Token] = []
        for part in self.parts:
            if isinstance(part, list):
                flat += part
            else:
                flat.append(part)
        return flat


def read_addresses(tokens: list[Token]) -> AddressList:
    """Part a field (its name first) into addresses and the rest."""
    reader = _Reader(tokens)
    is_whole = reader.read()
    parts = reader.parts
    if is_whole:
        parts += tokens[_FIRST - 1 :: -1]
        parts.reverse()
    return AddressList(parts, is_whole=is_whole)


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self.parts: list[Part] = []
        self._tokens = tokens
        self._at = len(tokens) - 1
        self._address: list[Token] = []
        self._is_in_group = False
        self._may_join_word = True

    def read(self) -> bool:
        """Read all from right to left; False where the field cannot be parsed."""
        steps = {
            SEMI: self._semicolon,
            COLON: self._colon,
            RIGHT: self._bracket,
            ATOM: self._word,
            QUOTE: self._word,
            LITERAL: self._word,
            COMMENT: self._comment,
            COMMA: self._comma,
        }
        tokens = self._tokens
        while self._at >= _FIRST:
            if not steps.get(tokens[self._at][0], self._sign)():
                return False
        self._flush()
        return True

    def _flush(self) -> bool:
        """End the address that is being read; tell whether there was one."""
        if not self._address:
            return False
        self._address.reverse()
        self.parts.append(self._address)
        self._address = []
        return True

    def _flush_with_comma(self) -> None:
        if self._flush():
            self.parts.append(_COMMA)

    def _out(self) -> None:
        self.parts.append(self._tokens[self._at])
        self._at -= 1

    def _semicolon(self) -> bool:
        self._flush_with_comma()
        if self._is_in_group:
            return False
        self._is_in_group = True
        self._may_join_word = True
        self._out()
        return True

    def _colon(self) -> bool:
        self._flush()
        if not self._is_in_group:
            return False
        self._is_in_group = False
        tokens = self._tokens
        while self._at >= _FIRST and tokens[self._at][0] != COMMA:
            self._out()
        if self._at >= _FIRST:
            self._out()
        self._may_join_word = True
        return True

    def _bracket(self) -> bool:
        self._flush_with_comma()
        self._out()
        tokens = self._tokens
        while self._at >= _FIRST and tokens[self._at][0] != LEFT:
            self._address.append(tokens[self._at])
            self._at -= 1
        if not self._flush():
            self.parts.append([])  # `<>` is an address too
        if self._at < _FIRST:
            return False
        self._out()
        while self._at >= _FIRST and tokens[self._at][0] in _BEFORE_BRACKET:
            self._out()
        self._may_join_word = False
        return True

    def _word(self) -> bool:
        if not self._may_join_word:
            self._flush_with_comma()
        self._may_join_word = False
        self._address.append(self._tokens[self._at])
        self._at -= 1
        return True

    def _comment(self) -> bool:
        self._out()  # lexically a blank
        return True

    def _comma(self) -> bool:
        self._flush()
        self._may_join_word = True
        self._out()
        return True

    def _sign(self) -> bool:
        """`@`, `.` or `<`: the word to the left belongs to the same address."""
        self._may_join_word = True
        self._address.append(self._tokens[self._at])
        self._at -= 1
        return True
