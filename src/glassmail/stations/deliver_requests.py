"""What our own programs (stations.deliver_own) ask of whoever runs them: forward, run, look.

Apart from the other wants of a delivery because commands that are started for a single message
import this module: it must stay small.
"""

from glassmail.stations.programs import Ended


class Forward:
    """Queue the message for others; `top` is put before it.

    Attributes:
        body: a message of our own to be queued instead; None: the one that is delivered.
        letter: the answer: K, Z or D.
        text: why not, without letter and newline.
        message: the new message's number.
    """

    __slots__ = ("body", "letter", "message", "recipients", "sender", "text", "top")

    def __init__(
        self,
        recipients: tuple[bytes, ...],
        sender: bytes,
        top: bytes,
        body: bytes | None = None,
    ) -> None:
        self.body = body
        self.recipients = recipients
        self.sender = sender
        self.top = top
        self.letter = "Z"
        self.text = b""
        self.message = 0


class Run:
    """Run a program with `top` and the message as its input.

    Attributes:
        ended: the answer; None when it could not be started, then `error` says why.
    """

    __slots__ = ("arguments", "ended", "error", "top")

    def __init__(self, arguments: tuple[bytes, ...], top: bytes = b"") -> None:
        self.arguments = arguments
        self.top = top
        self.ended: Ended | None = None
        self.error: OSError | None = None


class Look:
    """Look at the message's header.

    Attributes:
        header: the answer: the beginning of the message, with all of its header.
        directory: the answer: where relative file names are meant from.
        host_name: the answer: of this machine.
    """

    __slots__ = ("directory", "header", "host_name")

    def __init__(self) -> None:
        self.header = b""
        self.directory = b""
        self.host_name = b""
