"""Tokens of an address field (RFC 822, 3.3), read and written as qmail does (token822.c).

Pure:
    Bytes in, tokens out, and back; time and memory grow linearly with the input.

Always:
    - A token is (kind, text). Text is without its quotes, brackets or parentheses and without
      backslashes; the parentheses of a comment inside a comment are lost.
    - An atom that holds a byte no atom may hold becomes a quoted string.
    - `render` folds after commas only, so that a line gets no longer than LINE_BYTES when that
      can be done, and puts backslashes where they are needed. What it writes is one field.

Refuses:
    `tokenise` returns None for an unfinished comment, quoted string or literal, and for a `)` or
    `]` that closes nothing.
"""

LINE_BYTES = 80  # qmail-inject.c LINELEN

Token = tuple[int, bytes]

ATOM, QUOTE, LITERAL, COMMENT, LEFT, RIGHT, AT, COMMA, SEMI, COLON, DOT = range(1, 12)
_NOTHING = 0

_MARKS = {LEFT: b"<", RIGHT: b">", AT: b"@", COMMA: b",", SEMI: b";", COLON: b":", DOT: b"."}
_WORDS = {QUOTE: (b'"', b'"'), LITERAL: (b"[", b"]"), COMMENT: (b"(", b")")}
_BLANKS = b" \t\r\n"
_BACKSLASH = 0x5C

# One entry a byte: a finished token, the kind of what it opens, or None where an atom begins.
_FIRST: list[Token | int | None] = [None] * 256
for _kind, _mark in _MARKS.items():
    _FIRST[_mark[0]] = (_kind, _mark)
for _kind, (_open, _close) in _WORDS.items():
    _FIRST[_open[0]] = _kind
_IS_BLANK = [byte in _BLANKS for byte in range(256)]


def _stops(stopping: bytes) -> bytes:
    """Make a table that maps the bytes that end a run to NUL and all others to 1."""
    return bytes(0 if byte in stopping else 1 for byte in range(256))


_ATOM_STOPS = _stops(_BLANKS + b'(["<>;:@,.\\')
_WORD_STOPS = {QUOTE: _stops(b'"\\'), LITERAL: _stops(b"]\\"), COMMENT: _stops(b"()\\")}
_NO_ATOM = bytes(range(32)) + bytes(range(127, 256)) + b")]\\"
_ESCAPED = b'"[]()\\\r\n'


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._atom_stops = data.translate(_ATOM_STOPS)
        self._word_stops: dict[int, bytes] = {}

    def atom(self, at: int) -> tuple[Token, int]:
        """Read an atom that begins at `at`; return it and where it ends."""
        data, stops, size = self._data, self._atom_stops, len(self._data)
        end = stops.find(0, at)
        if end < 0:
            end = size
        text = data[at:end]
        if end < size and data[end] == _BACKSLASH:
            parts = [text]
            while end < size and data[end] == _BACKSLASH:
                parts.append(data[end + 1 : end + 2])
                at = min(end + 2, size)
                end = stops.find(0, at)
                if end < 0:
                    end = size
                parts.append(data[at:end])
            text = b"".join(parts)
        is_atom = len(text.translate(None, _NO_ATOM)) == len(text)
        return (ATOM if is_atom else QUOTE, text), end

    def word(self, kind: int, at: int) -> tuple[Token, int] | None:
        """Read what the byte before `at` opened; None when it is never closed."""
        data, size = self._data, len(self._data)
        stops = self._word_stops.get(kind)
        if stops is None:
            stops = self._word_stops[kind] = data.translate(_WORD_STOPS[kind])
        closing = _WORDS[kind][1][0]
        parts = []
        level = 1
        while True:
            end = stops.find(0, at)
            if end < 0:
                return None
            parts.append(data[at:end])
            at = end + 1
            byte = data[end]
            if byte == closing:
                level -= 1
                if not level:
                    return (kind, b"".join(parts)), at
            elif byte != _BACKSLASH:
                level += 1
            elif at >= size:
                return None
            else:
                parts.append(data[at : at + 1])
                at += 1


def tokenise(data: bytes) -> list[Token] | None:
    """Read a whole field, its name and colon included; None when it cannot be parsed."""
    scanner = _Scanner(data)
    tokens: list[Token] = []
    at = 0
    size = len(data)
    while at < size:
        byte = data[at]
        first = _FIRST[byte]
        if first is None:
            if _IS_BLANK[byte]:
                at += 1
            elif byte in b")]":
                return None
            else:
                token, at = scanner.atom(at)
                tokens.append(token)
        elif isinstance(first, tuple):
            tokens.append(first)
            at += 1
        else:
            found = scanner.word(first, at + 1)
            if found is None:
                return None
            tokens.append(found[0])
            at = found[1]
    return tokens


def _needs_space(left: int, right: int) -> bool:
    """Tell whether a blank goes between two neighbours (token822.c needspace)."""
    if left == _NOTHING:
        return False
    if left in {COLON, COMMA} or right == LEFT:
        return True
    return left <= COMMENT and right <= COMMENT


_SPACE = [[b" " if _needs_space(left, right) else b"" for right in range(12)] for left in range(12)]


def render(tokens: list[Token]) -> bytes:
    """Write a field, folded, with its final newline."""
    folder = _Folder()
    parts: list[bytes] = []
    last = _NOTHING
    for token in tokens:
        kind, text = token
        parts.append(_SPACE[last][kind])
        last = kind
        if kind > COMMENT:
            parts.append(text)
            if kind == COMMA:
                folder.add(b"".join(parts))
                parts.clear()
        else:
            parts.append(_written(kind, text))
    folder.add(b"".join(parts))
    return folder.text()


def unquote(tokens: list[Token]) -> bytes:
    """Write an address as an envelope has it: no quotes, backslashes, comments or blanks."""
    return b"".join(
        b"[%b]" % text if kind == LITERAL else text for kind, text in tokens if kind != COMMENT
    )


def _written(kind: int, text: bytes) -> bytes:
    if len(text.translate(None, _ESCAPED)) != len(text):
        text = text.replace(b"\\", b"\\\\")
        for byte in (b'"', b"[", b"]", b"(", b")", b"\r"):
            text = text.replace(byte, b"\\" + byte)
        if b"\n" in text:
            text = _inside_one_field(text)
    if kind == ATOM:
        return text
    opening, closing = _WORDS[kind]
    return opening + text + closing


def _inside_one_field(text: bytes) -> bytes:
    """Escape newlines that a blank follows, as qmail does, and make others blanks.

    Those would end the field and could begin a forged one: a full name may come from a web form.
    """
    first, *others = text.split(b"\n")
    return first + b"".join(
        (b"\\\n" if other.startswith((b" ", b"\t")) else b" ") + other for other in others
    )


class _Folder:
    """Join pieces that end in commas to lines."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._line: list[bytes] = []
        self._length = 0

    def add(self, piece: bytes) -> None:
        """Put a piece on this line or the next.

        The two bytes on top are the newline and blank of the break that would follow: token822.c
        measures with them in place.
        """
        if self._line and self._length + 2 + len(piece) > LINE_BYTES:
            self._lines.append(b"".join(self._line))
            self._line = [b" "]
            self._length = 1
        self._line.append(piece)
        self._length += len(piece)

    def text(self) -> bytes:
        """Return the lines."""
        self._lines.append(b"".join(self._line))
        return b"\n".join(self._lines) + b"\n"
