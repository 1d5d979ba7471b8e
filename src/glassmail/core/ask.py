"""What core asks of the world: questions as Protocols, implemented by stations.

Core cannot gather answers itself. Each answer is yes, no or cannot tell, with the steps that
led to it, so that a caller can tell its own story with them.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from glassmail.core.model.trail import Trail


class Existence(NamedTuple):
    """Whether a recipient exists: YES, NO or UNKNOWN (of core.model.trail) and how we know."""

    answer: str
    steps: Trail


class Ask(Protocol):
    """Questions of the policy pipeline. Live, recorded and faked implementations exist."""

    async def account_exists(self, recipient: bytes) -> Existence:
        """Tell whether mail for this recipient would find a mailbox, alias or program."""
        ...

    def foresee(self, recipients: Iterable[bytes]) -> None:
        """Be told what `account_exists` will be asked next, so that the answers come together."""
        ...
