"""What a local delivery is given, and what it asks its driver for.

A delivery is a generator (stations.deliver) that yields wants; the driver carries a want out,
leaves the answer in it and resumes the generator. The worker answers for many deliveries at
once, one sync for all; a process of its own answers at once.
"""

from collections.abc import Generator
from typing import NamedTuple

from glassmail.core.model.outcome import Report
from glassmail.core.route.users import User
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.programs import Limits
from glassmail.store.letter import Letter
from glassmail.store.maildir import MaildirError, Staged


class Task(NamedTuple):
    """One message for one local recipient.

    Attributes:
        user: whose delivery it is.
        local, host: the rewritten recipient, prepend included.
        sender: envelope sender.
        letter: the message.
        message, number, key: which message and recipient, and the right to refer to its body.
        born: seconds since 1970 when the queue took it.
        code, part: its trace code.
        attempt: above 0 when an earlier attempt may have happened.
    """

    user: User
    local: bytes
    host: bytes
    sender: bytes
    letter: Letter
    message: int
    number: int
    key: bytes
    born: int
    code: int = 0
    part: int = 0
    attempt: int = 0


class Terms(NamedTuple):
    """The site's rules for deliveries.

    Attributes:
        default_delivery: dot-qmail lines for users without any.
        host_name: of this machine, for names of Maildir files.
        path: PATH of programs.
        limits: of each program.
        refuses_programs: whether program and mbox lines are deferred (one-user mode as root).
        environment: further variables of programs; those of qmail-local come over them.
        own_directories: where our own commands lie; a line that names one of them there, or
            without a directory, needs no process.
        break_character: what parts a mailbox and its extension; empty: nothing does.
    """

    default_delivery: bytes
    host_name: bytes
    path: bytes
    limits: Limits
    refuses_programs: bool = False
    own_directories: tuple[bytes, ...] = ()
    environment: tuple[tuple[bytes, bytes], ...] = ()
    break_character: bytes = b"-"


class Commit:
    """Make staged Maildir files durable, move them to new/, make that durable.

    The moves may become durable after the generator goes on, but before success is reported.
    """

    __slots__ = ("errors", "files")

    def __init__(self, files: list[Staged]) -> None:
        self.files = files
        self.errors: list[MaildirError | None] = []


class Alone:
    """Go on in a process that may block: what follows runs a program or waits for a lock.

    Attributes:
        files: what the delivery has staged; a process that hands the delivery to a child of its
            own closes its descriptors of them.
        refusal: the answer; a text when it cannot be done.
    """

    __slots__ = ("files", "refusal")

    def __init__(self, files: list[Staged]) -> None:
        self.files = files
        self.refusal = b""


Want = Commit | Forward | Alone
Course = Generator[Want, None, Report]
