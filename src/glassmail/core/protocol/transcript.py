"""What was said in a session, as lines for people: bytes of both sides in, lines out.

Purpose:
    `glass tap` shows a session while it runs. `client` and `server` take the bytes in the order
    in which they came and went; each returns the lines that are complete.

Always:
    - Unless asked for, bodies are told by their length and secrets by `(not shown)`: what follows
      AUTH and each 334, and after an AUTH whatever is no command.
    - What the client sends behind DATA or AUTH waits until the server has answered: only the
      answer tells what it is.
    - At most HELD_BYTES_MAX bytes are kept.

Pure:
    It follows what both sides say; it knows nothing of the session itself.
"""

from enum import Enum
from typing import NamedTuple

from glassmail.core.model.redaction import safe_command

CLIENT, SERVER, NOTE = "<", ">", "-"
HIDDEN = b"(not shown)"
HELD_BYTES_MAX = 1_048_576
LINE_BYTES_MAX = 4_096  # shown of a line
_END = b"\r\n.\r\n"
_VERBS = frozenset(
    b"HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY EXPN HELP AUTH STARTTLS ETRN BDAT".split()
)


class Line(NamedTuple):
    """A line: who said it (`<` client, `>` server, `-` a note), and its text without line end."""

    side: str
    text: bytes


class _State(Enum):
    COMMAND = 0
    WAITING = 1  # for the answer to DATA, AUTH or a response
    SECRET = 2
    BODY = 3


class Transcript:
    """One session's lines."""

    def __init__(
        self,
        *,
        has_bodies: bool = False,
        has_secrets: bool = False,
        is_in_body: bool = False,
        is_in_auth: bool = False,
        is_greeted: bool = False,
        unanswered: int = 0,
    ) -> None:
        """Begin.

        Args:
            has_bodies: whether messages are told.
            has_secrets: whether passwords are told.
            is_in_body: whether the client is in the middle of a message now.
            is_in_auth: whether its next line answers a challenge of AUTH.
            is_greeted: whether the greeting was said already.
            unanswered: commands that wait for their replies now.
        """
        self._has_bodies = has_bodies
        self._has_secrets = has_secrets
        self._state = _State.COMMAND
        if is_in_body or is_in_auth:
            self._state = _State.BODY if is_in_body else _State.SECRET
        self._held = b""  # of the client
        self._said = b""  # of the server, a line's beginning
        self._tail = b""  # of a body, what may begin its end
        self._partial = b""  # of a body, a line's beginning
        self._size = 0
        self._is_greeted = is_greeted
        self._unanswered = unanswered  # commands and bodies whose reply has not come yet
        self._has_tried_auth = is_greeted  # nobody knows what was said before

    def client(self, data: bytes) -> list[Line]:
        """Take what the client sent."""
        self._held = (self._held + data)[-HELD_BYTES_MAX:]
        return self._go_on()

    def server(self, data: bytes) -> list[Line]:
        """Take what the server sent."""
        lines = []
        *whole, self._said = (self._said + data).split(b"\n")
        for each in whole:
            text = each.rstrip(b"\r")
            lines.append(Line(SERVER, text[:LINE_BYTES_MAX]))
            if text[3:4] != b"-":
                self._answered(text[:3])
                lines += self._go_on()
        self._said = self._said[:LINE_BYTES_MAX]
        return lines

    def _answered(self, code: bytes) -> None:
        if not self._is_greeted:
            self._is_greeted = True
            return
        self._unanswered = max(0, self._unanswered - 1)
        # 354 and 334 say for certain what comes next, whatever was missed before.
        if code == b"354":
            self._state = _State.BODY
            self._tail = b"\r\n"
            self._size = 0
        elif code == b"334":
            self._state = _State.SECRET
        elif self._state is _State.WAITING and not self._unanswered:
            self._state = _State.COMMAND  # other replies are those of commands before it

    def _go_on(self) -> list[Line]:
        lines: list[Line] = []
        while self._held and self._state is not _State.WAITING:
            if self._state is _State.BODY:
                lines += self._body()
                continue
            line, newline, rest = self._held.partition(b"\n")
            if not newline:
                break
            self._held = rest
            text = line.rstrip(b"\r")
            lines.append(Line(CLIENT, self._line(text)[:LINE_BYTES_MAX]))
        return lines

    def _line(self, text: bytes) -> bytes:
        self._unanswered += 1
        if self._state is _State.SECRET:
            self._state = _State.WAITING
            return text if self._has_secrets else HIDDEN
        verb = text.split(b" ", 1)[0].upper()
        if verb in (b"DATA", b"AUTH", b"STARTTLS"):
            self._state = _State.WAITING
        if verb == b"AUTH":
            self._has_tried_auth = True
        if self._has_secrets or verb in _VERBS - {b"AUTH"}:
            return text
        # After an AUTH any other line may be its response; before it, a login out of place.
        return HIDDEN if self._has_tried_auth and verb != b"AUTH" else safe_command(text, HIDDEN)

    def _body(self) -> list[Line]:
        data, self._held = self._held, b""
        window = self._tail + data
        end = window.find(_END)
        if end >= 0:
            used = end + len(_END) - len(self._tail)
            data, self._held = data[:used], data[used:]
            self._state = _State.COMMAND
            self._unanswered += 1
        else:
            self._tail = window[-len(_END) + 1 :]
        self._size += len(data)
        lines = self._body_lines(data) if self._has_bodies else []
        if end >= 0:  # without the final dot
            lines.append(Line(NOTE, b"message of %d bytes" % max(0, self._size - 3)))
        return lines

    def _body_lines(self, data: bytes) -> list[Line]:
        *whole, rest = (self._partial + data).split(b"\n")
        self._partial = rest[:LINE_BYTES_MAX]
        return [Line(CLIENT, line.rstrip(b"\r")[:LINE_BYTES_MAX]) for line in whole]
