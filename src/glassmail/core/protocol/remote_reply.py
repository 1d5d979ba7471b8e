"""Read replies of another SMTP server (RFC 5321, 4.2), as qmail-remote's smtpcode does.

Always:
    - The first line's three characters make the code, digits or not (`ch - '0'`): garbage is
      mostly a permanent refusal there, and so it is here.
    - At most REMOTE_REPLY_BYTES_MAX bytes of a reply are kept, CR left out; a reply that goes on
      beyond REPLY_STREAM_BYTES_MAX raises ReplyError, so that nobody can talk for ever.
"""

from typing import NamedTuple

from glassmail.core.model.limits import REMOTE_REPLY_BYTES_MAX

REPLY_STREAM_BYTES_MAX = 1_048_576  # of one reply, kept or not
_LINE_KEPT_MAX = REMOTE_REPLY_BYTES_MAX + 4  # of an unfinished line; what follows is not kept
_GARBAGE = 599  # qmail's arithmetic is unsigned: below zero it wraps to far above 500


class ReplyError(Exception):
    """The server's reply does not end."""


class RemoteReply(NamedTuple):
    """One reply: its code, and its text with codes, lines ended by LF."""

    code: int
    text: bytes


class ReplyReader:
    """Bytes in, replies out, at any split."""

    __slots__ = ("_code", "_partial", "_seen", "_text")

    def __init__(self) -> None:
        self._partial = b""
        self._text = b""
        self._code = -1  # of the reply under way; -1 between replies
        self._seen = 0

    @property
    def is_between(self) -> bool:
        """Tell whether no byte of a further reply has come."""
        return not self._partial and self._code < 0

    def feed(self, data: bytes) -> list[RemoteReply]:
        """Take what was read; return the replies that are complete."""
        self._seen += len(data)
        if self._partial:
            data = self._partial + data
        lines = data.split(b"\n")
        rest = lines.pop()
        self._partial = rest[:_LINE_KEPT_MAX] if len(rest) > _LINE_KEPT_MAX else rest
        replies = []
        for line in lines:
            reply = self._line(line)
            if reply is not None:
                replies.append(reply)
        if replies:
            self._seen = len(rest)
        elif self._seen > REPLY_STREAM_BYTES_MAX:
            raise ReplyError(f"a reply of more than {REPLY_STREAM_BYTES_MAX} bytes")
        return replies

    def _line(self, line: bytes) -> RemoteReply | None:
        if self._code < 0:
            self._code = code_of(line)
        text = line.replace(b"\r", b"") + b"\n"
        if line[3:4] == b"-":
            if len(self._text) < REMOTE_REPLY_BYTES_MAX:
                self._text += text
            return None
        if self._text:
            text = self._text + text
            self._text = b""
        reply = RemoteReply(self._code, text[:REMOTE_REPLY_BYTES_MAX])
        self._code = -1
        return reply


def code_of(line: bytes) -> int:
    """Compute the code of a line without its LF: three digits, or garbage by value."""
    digits = line[:3]
    if len(digits) == 3 and digits.isdigit():  # bytes.isdigit knows the ten ASCII digits only
        return int(digits)
    first, second, third = (line + b"\n\n\n")[:3]
    code = (first - 48) * 100 + (second - 48) * 10 + third - 48
    return code if code >= 0 else _GARBAGE
