"""What core asks of the world: questions as Protocols, implemented by stations.

Core cannot gather answers itself. Each answer is yes, no or cannot tell, with the steps that
led to it, so that a caller can tell its own story with them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from glassmail.core.model.trail import Trail
from glassmail.core.protocol.sasl import Attempt


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


class LoginFact(NamedTuple):
    """Whether somebody is who he says: YES, NO or UNKNOWN, and what follows from it.

    Attributes:
        user: the account's own name, `joe@example.com`; what was asked about when there is none.
        source: where the account stands, and why not.
        reason: for NO: `unknown user`, `bad password`, `password expired`, `not allowed`.
        data: what SCRAM goes on with.
        environment: variables of the account.
        may_relay: whether the login opens every domain.
        exists: whether there is an account of that name: else it may be a password by mistake.
    """

    answer: str
    user: bytes
    source: str
    reason: str = ""
    data: bytes = b""
    environment: tuple[tuple[bytes, bytes], ...] = ()
    may_relay: bool = True
    exists: bool = False


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


class Counts(NamedTuple):
    """Connections open now, over all processes, this client's own included.

    Attributes:
        answer: YES, or UNKNOWN when nobody counts.
        address: of this client (IPv6: of its /64).
        network: of its network (IPv4: /24, IPv6: /48).
        total: of everybody.
        detail: why it cannot be told.
    """

    answer: str
    address: int = 0
    network: int = 0
    total: int = 0
    detail: str = ""


class Held(NamedTuple):
    """What an account has sent: its recipients within the hour, and whether its mail is held.

    Attributes:
        answer: YES when it may go on, NO when its mail is held, UNKNOWN when nobody counts.
        sent: recipients within the hour, those of this message included.
        detail: the limit, or why it cannot be told.
    """

    answer: str
    sent: int = 0
    detail: str = ""


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

    async def log_in(self, attempt: Attempt, client: bytes, auth_cdb: bytes) -> LoginFact:
        """Ask whether a client is who it says.

        Args:
            attempt: what it said.
            client: its address, for programs and logs.
            auth_cdb: AUTH_CDB, empty for the sources of control/smtpauth.
        """
        ...

    def verified_mechanisms(self) -> frozenset[bytes]:
        """Tell which mechanisms of AUTH every account has a verifier for."""
        ...

    async def leads_here(self, domain: bytes) -> Existence | None:
        """Tell whether the MX of a domain is this host; None: not asked while a client waits."""
        ...

    def load(self) -> float:
        """Tell this host's load average of the last minute."""
        ...

    async def connections(self, ip: bytes, port: int) -> Counts:
        """Tell how many connections are open beside this client's."""
        ...

    def block_of(self, ip: bytes) -> tuple[str, str] | None:
        """Tell the block that an address is under: (network, reason); None when it is free."""
        ...

    async def may_log_in(self, ip: bytes, account: bytes) -> Existence:
        """Tell whether a client may try a password now; a try counts until it was right."""
        ...

    async def account_sends(self, account: bytes, recipients: int, ip: bytes) -> Held:
        """Count what an account sends; tell whether it may go on."""
        ...
