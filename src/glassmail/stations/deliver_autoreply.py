"""`vacation` and `autorespond` in dot-qmail files, run without starting a process (RFC 3834).

Purpose:
    `| vacation [options] USER` answers with the text of `.vacation.msg`, as vacation(1) does:
    `-m FILE`, `-f RECORD`, `-a ADDRESS` (another address of the person; again for more),
    `-r DAYS` or `-t DAYS`, `-j` (also when no address of ours stands in To or Cc); `-z` is so.
    `| autorespond SECONDS NUMBER MESSAGE DIRECTORY [FLAG [FROM]]` is the line that qmailadmin
    writes. Both decide by core.route.autoreply.

Always:
    - A sender gets one answer a week, or fewer when the line asks for a longer time.
    - Relative names are meant from the directory of the dot-qmail file's owner.
    - The message itself is never held up: whatever goes wrong with an answer is said in the
      report, and the next line is obeyed (exit 0).
"""

import os
import stat
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from glassmail.core.model.system_errors import words_of
from glassmail.core.route import autoreply
from glassmail.core.route.autoreply import Reply
from glassmail.stations.deliver_requests import Forward, Look
from glassmail.stations.programs import Ended
from glassmail.store import reply_record

TEXT_BYTES_MAX = 65_536
VACATION_TEXT = b".vacation.msg"
VACATION_RECORD = b".vacation.record"
RESPOND_RECORD = b".autorespond"
_DAY_S = 86_400
_ADDRESSES_MAX = 100

Environment = Mapping[bytes, bytes]
Steps = Generator[Forward | Look, None, Ended]


@dataclass(slots=True)
class _Line:
    """What a program line asks for."""

    program: bytes
    text: bytes
    record: bytes
    aliases: list[bytes]
    interval_s: int = reply_record.INTERVAL_S
    must_be_named: bool = True
    shown_from: bytes = b""


def vacation(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Answer for a person who is away."""
    line = _Line(b"vacation", VACATION_TEXT, VACATION_RECORD, [])
    words = list(arguments)
    while words and words[0].startswith(b"-") and len(words[0]) > 1:
        word = words.pop(0)
        letter, value = word[1:2], word[2:]
        if letter in (b"j", b"z", b"d") and not value:
            line.must_be_named = line.must_be_named and letter != b"j"
            continue
        if letter not in (b"a", b"m", b"f", b"r", b"t") or not (value or words):
            return Ended(0, b"vacation: no reply: option " + word + b" is not known here\n")
        value = value or words.pop(0)
        if letter == b"a":
            line.aliases = [*line.aliases, value][:_ADDRESSES_MAX]
        elif letter == b"m":
            line.text = value
        elif letter == b"f":
            line.record = value
        else:
            line.interval_s = max(line.interval_s, _number(value) * _DAY_S)
    return (yield from _answer(line, environment))


def autorespond(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Answer for an address that answers by itself."""
    if len(arguments) < 4:
        usage = b"usage: autorespond SECONDS NUMBER MESSAGE DIRECTORY [FLAG [FROM]]\n"
        return Ended(0, b"autorespond: no reply: " + usage)
    seconds, _most, text, directory = arguments[:4]
    line = _Line(b"autorespond", text, os.path.join(directory, RESPOND_RECORD), [])
    line.interval_s = max(line.interval_s, _number(seconds))
    line.must_be_named = False
    if len(arguments) > 5 and b"@" in arguments[5]:
        line.shown_from = arguments[5]
    return (yield from _answer(line, environment))


def _answer(line: _Line, environment: Environment) -> Steps:
    look = Look()
    yield look
    fields = autoreply.read_fields(look.header)
    sender = environment.get(b"SENDER", b"")
    own = _own_addresses(environment, line.aliases)
    reason = autoreply.why_silent(fields, sender, own, line.must_be_named)
    if reason:
        return _said(line, "no reply", reason)
    named = autoreply.find_named(fields, [address.lower() for address in own])
    try:
        text = _read(os.path.join(look.directory, line.text))
        now = int(time.time())
        path = os.path.join(look.directory, line.record)
        if not reply_record.take_turn(path, sender, now, line.interval_s):
            return _said(line, "no reply", "its sender was answered lately")
    except OSError as error:
        where = os.fsdecode(error.filename or line.text)
        return _said(line, "no reply", f"{where}: {words_of(error).lower()}")
    message_id = b"%d.%d.%s@%s" % (now, os.getpid(), os.urandom(4).hex().encode(), look.host_name)
    shown = line.shown_from or named or own[0]
    body = autoreply.make_reply(fields, Reply(sender, shown, text, now, message_id))
    want = Forward((sender,), b"", b"", body)
    yield want
    if want.letter != "K":
        return _said(line, "no reply", want.text.decode("utf-8", "backslashreplace"))
    return Ended(0, line.program + b": qp %d\n" % want.message)


def _own_addresses(environment: Environment, aliases: list[bytes]) -> list[bytes]:
    """List the addresses that the message may have been sent to, the likeliest first.

    A virtual domain's mail comes for `PREPEND-EXT@HOST` and was sent to `EXT@HOST`; vpopmail's
    prepend is the domain's name.
    """
    local, host, ext = (environment.get(name, b"") for name in (b"LOCAL", b"HOST", b"EXT"))
    both = [local + b"@" + host]
    if ext and local != ext:
        is_vpopmail = b"." in local.removesuffix(ext)
        both.insert(0 if is_vpopmail else 1, ext + b"@" + host)
    return [*both, *(alias if b"@" in alias else alias + b"@" + host for alias in aliases)]


def _read(path: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "not a regular file", path)
        return os.read(descriptor, TEXT_BYTES_MAX)
    finally:
        os.close(descriptor)


def _number(text: bytes) -> int:
    is_number = text and len(text) <= 9 and not text.strip(b"0123456789")
    return int(text) if is_number else 0


def _said(line: _Line, what: str, why: str) -> Ended:
    return Ended(0, line.program + f": {what}: {why}\n".encode())
