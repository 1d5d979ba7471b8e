"""Talk to the queue over run/queue.sock without msgspec: open a body file, enqueue, get the answer.

Always:
    QueueAwayError means that the queue cannot have the message; NotTakenError that it said no, or
    that it may have the message but did not say so.
"""

import os

from glassmail.core.formats.msgpack_small import MsgpackError, Value, decode, encode
from glassmail.core.formats.queue_exit import text_of
from glassmail.net.blocking import BlockingChannel, ChannelError, connect

CONNECT_S = 10.0  # for a free place in the queue's backlog, and for the frame to be taken
OPEN_BODY_S = 10.0  # for the queue to open a file
ANSWER_S = 300.0  # for the commit; a disk that needs longer than this is not coming back

_REF = 1


class NotTakenError(Exception):
    """The message was not queued: qmail-queue's exit code, and a text that begins with D or Z."""

    def __init__(self, exit_code: int, text: bytes = b"") -> None:
        super().__init__(f"qmail-queue exit {exit_code}")
        self.exit_code = exit_code
        self.text = text or text_of(exit_code)


class QueueAwayError(Exception):
    """The queue does not answer, and it cannot have the message."""


class QueueClient:
    """One connection to the queue, made when it is first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._channel: BlockingChannel | None = None

    def open_body(self) -> tuple[int, int]:
        """Ask for a file; return (number for `enqueue`, descriptor).

        Raises:
            QueueAwayError: no answer; the queue has nothing of the message yet.
            NotTakenError: the queue takes no message now.
        """
        channel = self._connected()
        try:
            channel.sock.settimeout(OPEN_BODY_S)
            channel.send(encode(("open_body", _REF)))
            answer, descriptors = _receive(channel)
        except OSError as error:
            self.close()
            raise QueueAwayError(str(error)) from error
        if answer[0] != "body_opened" or len(descriptors) != 1:
            for number in descriptors:
                os.close(number)
            raise _refusal(answer)
        return _integer(answer, 2), descriptors[0]

    def enqueue(
        self, sender: bytes, recipients: tuple[bytes, ...], body: bytes | None, file: int, size: int
    ) -> int:
        """Hand the message in; return its number once it is durable.

        Args:
            sender: envelope sender.
            recipients: envelope recipients.
            body: the message, None when it is in `file`.
            file: what open_body returned, else 0.
            size: length of the message.

        Raises:
            QueueAwayError: the frame did not go out whole, so that the queue cannot have it.
            NotTakenError: refused, or (53) sent without an answer.
        """
        message: Value = (
            "enqueue", _REF, sender, recipients, b"", body, file, size, 0, 0, b"", "user", None,
        )  # fmt: skip
        channel = self._connected()
        try:
            channel.sock.settimeout(CONNECT_S)
            channel.send(encode(message))
        except OSError as error:
            raise QueueAwayError(str(error)) from error
        try:
            channel.sock.settimeout(ANSWER_S)
            answer, _none = _receive(channel)
        except OSError:
            raise NotTakenError(53) from None
        if answer[0] != "enqueued":
            raise _refusal(answer)
        return _integer(answer, 2)

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _connected(self) -> BlockingChannel:
        if self._channel is None:
            try:
                channel = connect(self._path, CONNECT_S)
            except OSError as error:
                raise QueueAwayError(str(error)) from error
            self._channel = channel
            try:
                channel.send(encode(("hello", "client", os.getpid())))
            except OSError as error:
                self.close()
                raise QueueAwayError(str(error)) from error
        return self._channel


def _receive(channel: BlockingChannel) -> tuple[tuple[Value, ...], tuple[int, ...]]:
    """Wait for one answer; raises OSError when none comes, or none that can be understood."""
    try:
        received = channel.receive()
        if received is None:
            raise ConnectionResetError("end of file")
        answer = decode(received[0])
    except (ChannelError, MsgpackError) as error:
        raise ConnectionAbortedError(str(error)) from error
    if not isinstance(answer, tuple) or len(answer) < 3:
        raise ConnectionAbortedError("not a message of ours")
    return answer, received[1]


def _integer(answer: tuple[Value, ...], at: int) -> int:
    value = answer[at]
    return value if isinstance(value, int) else 0


def _refusal(answer: tuple[Value, ...]) -> NotTakenError:
    """Turn Declined(ref, letter, exit_code, text) into the exit code and text for the caller."""
    if answer[0] != "declined" or len(answer) < 5:
        return NotTakenError(81)
    letter, exit_code, text = answer[2], _integer(answer, 3), answer[4]
    if not 0 < exit_code < 128 or not isinstance(text, bytes):
        return NotTakenError(31 if letter == "D" else 71)
    return NotTakenError(exit_code, (b"D" if letter == "D" else b"Z") + text if text else b"")
