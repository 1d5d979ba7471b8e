"""What core asks of the world: questions as Protocols, implemented by stations.

Core cannot gather answers itself. Each answer is yes, no or cannot tell, with the steps that
led to it, so that a caller can tell its own story with them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from glassmail.core.model.trail import Trail


class Existence(NamedTuple):
    """Whether a recipient exists: YES, NO or UNKNOWN (of core.model.trail) and how we know."""

    answer: str
    steps: Trail


class DnsFact(NamedTuple):
    """What DNS says: YES with records, NO, or UNKNOWN; detail tells of TTL or failure.

    Records are texts: `10 mx.example` for MX, addresses for A and AAAA.
    """

    answer: str
    records: tuple[bytes, ...]
    detail: str


class CdbFact(NamedTuple):
    """Which of several keys a cdb has first: YES with key and value, NO, or UNKNOWN and why."""

    answer: str
    key: bytes = b""
    value: bytes = b""
    detail: str = ""


class ProgramEnd(NamedTuple):
    """How a program of the administrator ended.

    Attributes:
        exit_code: its own; meaningless when there is a problem.
        text: what it wrote for us, at most what the protocol of the program allows.
        problem: empty, or why it did not end by itself: not executable, crashed, time limit.
        pid: its process id, 0 when it never ran.
        output: the beginning of what it wrote to standard output and error.
    """

    exit_code: int
    text: bytes = b""
    problem: str = ""
    pid: int = 0
    output: bytes = b""


class Ask(Protocol):
    """Questions of the policy pipeline. Live, recorded and faked implementations exist."""

    async def account_exists(self, recipient: bytes) -> Existence:
        """Tell whether mail for this recipient would find a mailbox, alias or program."""
        ...

    def foresee(self, recipients: Iterable[bytes]) -> None:
        """Be told what `account_exists` will be asked next, so that the answers come together."""
        ...

    async def dns(self, name: bytes, kind: str) -> DnsFact:
        """Ask DNS for the records of a kind (MX, A, AAAA) of a name, within a time limit."""
        ...

    def find_in_cdb(self, path: bytes, keys: tuple[bytes, ...]) -> CdbFact:
        """Look keys up in a cdb of the site, up to the first that it has."""
        ...

    async def check_recipient(self, path: bytes, environment: Mapping[bytes, bytes]) -> ProgramEnd:
        """Run a program as RCPTCHECK runs: text on descriptor 4."""
        ...

    async def ask_program(self, arguments: tuple[bytes, ...], address: bytes) -> ProgramEnd:
        """Run a program of control/recipients: the address on descriptor 3."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let the client wait."""
        ...

    async def leads_here(self, domain: bytes) -> Existence | None:
        """Tell whether the MX of a domain is this host; None: not asked while a client waits."""
        ...
