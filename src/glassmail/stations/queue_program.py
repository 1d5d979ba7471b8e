"""QMAILQUEUE: hand a message to a program in the place of qmail-queue, and read its answer.

The program reads the message on descriptor 0 and the envelope on 1, may write a text for the
client to 4 (combined patch) or 6 (notqmail), and tells by its exit code what became of the message.

Always:
    - 250 only follows exit code 0, or 1 for a message that the program says it dropped.
    - Message and envelope are files that only we and the program hold; a message that the program
      rejects is nowhere in the queue.
"""

import os
import tempfile
from typing import NamedTuple

from glassmail.core.ask import ProgramEnd
from glassmail.core.formats.queue_exit import CRASHED, TEXT_BYTES_MAX, text_of
from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies
from glassmail.stations.front_programs import Call, Programs

DROPPED, NOT_ACCEPTED = 1, 32
OWN = (b"qmail-queue", b"bin/qmail-queue")
_COPY_BYTES = 1_048_576


class Handed(NamedTuple):
    """What became of a message.

    Attributes:
        reply: what the client is told; None when the program took the message.
        exit_code: the program's.
        detail: for the trail.
        ended: how it ended.
    """

    reply: Reply | None
    exit_code: int
    detail: str
    ended: ProgramEnd


def is_foreign(program: bytes, root: str) -> bool:
    """Tell whether QMAILQUEUE names another program than the queue's own."""
    return program not in (*OWN, os.fsencode(root) + b"/bin/qmail-queue")


def envelope(sender: bytes, recipients: tuple[bytes, ...]) -> bytes:
    """Write an envelope as qmail-queue reads it."""
    return b"F" + sender + b"\0" + b"".join(b"T" + r + b"\0" for r in recipients) + b"\0"


def message_file(head: bytes, body: bytes | int) -> int:
    """Write head and body (bytes, or a descriptor that holds it) into a file of our own.

    Returns:
        A descriptor at the file's start. Blocks for a long body: call it in a thread then.
    """
    if isinstance(body, bytes):
        made = os.memfd_create("message")
        _write(made, head + body)
    else:
        with tempfile.TemporaryFile() as file:
            made = os.dup(file.fileno())
        _write(made, head)
        at = 0
        while data := os.pread(body, _COPY_BYTES, at):
            _write(made, data)
            at += len(data)
    os.lseek(made, 0, os.SEEK_SET)
    return made


async def hand_in(
    programs: Programs,
    program: bytes,
    message: int,
    written: bytes,
    environment: dict[bytes, bytes],
    seconds: float,
) -> Handed:
    """Run the program; both files are closed afterwards.

    Args:
        programs: of this process.
        program: QMAILQUEUE; a relative path is below the site.
        message: descriptor from `message_file`.
        written: the envelope.
        environment: what the program is told.
        seconds: time limit.
    """
    second = os.memfd_create("envelope")
    try:
        _write(second, written)
        os.lseek(second, 0, os.SEEK_SET)
        inputs = {0: message, 1: second}
        call = Call((program,), environment, inputs, (4, 6), TEXT_BYTES_MAX, False, seconds)
        ended = await programs.run(call)
    finally:
        os.close(second)
        os.close(message)
    return judge(program, ended)


def judge(program: bytes, ended: ProgramEnd) -> Handed:
    """Read a program's exit code and text (qmail.c qmail_close; rules-interface, 5)."""
    name = program.decode("utf-8", "replace")
    code = ended.exit_code
    if ended.problem and not ended.pid:
        return _declined(text_of(120), 120, f"{name}: {ended.problem}", ended)
    if ended.problem:
        return _declined(CRASHED, 81, f"{name}: {ended.problem}", ended)
    detail = f"{name}: exit code {code}"
    if code == DROPPED:
        return Handed(replies.SPAM_IGNORED, code, detail, ended)
    if code == NOT_ACCEPTED:
        return Handed(replies.NO_SPAM, code, detail, ended)
    text = text_of(code, ended.text)
    if not text:
        return Handed(None, 0, detail, ended)
    return _declined(text, code, detail, ended)


def _declined(text: bytes, code: int, detail: str, ended: ProgramEnd) -> Handed:
    reply = Reply(554 if text[:1] == b"D" else 451, text[1:].rstrip(b"\r\n"))
    return Handed(reply, code, detail, ended)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
