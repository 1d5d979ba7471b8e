"""Networks whose connections every process has to ask about (see net.gate_shares)."""

from collections.abc import Callable, Iterator

from glassmail.core.model.networks import Network
from glassmail.core.schedule.gate_book import GateBook
from glassmail.net.gate_messages import Crowded, Enter
from glassmail.net.gate_shares import network_of

CROWDS_MAX = 10_000  # beyond it all networks are asked about


class Crowds:
    """What is near a limit now."""

    def __init__(self, book: GateBook, tell: Callable[[Crowded], None]) -> None:
        """Begin with none.

        Args:
            book: the counts.
            tell: sends to all processes of the SMTP server.
        """
        self._book = book
        self._tell = tell
        self._networks: dict[Network, int] = {}  # until no more than so many are open
        self._total = -1  # as for a network; -1: not crowded

    def asked(self, address: Network, message: Enter) -> None:
        """Somebody had to ask: let everybody ask until it is quiet there."""
        network_most, total_most = message.free
        network = network_of(address)
        kept = self._networks.get(network, -1)
        if network_most >= 0 and kept < 0 and len(self._networks) >= CROWDS_MAX:
            total_most = max(total_most, 0)
        elif network_most >= 0:
            if kept < 0:
                self._tell(Crowded(network.text, True))
            self._networks[network] = min(kept, network_most) if kept >= 0 else network_most
        if total_most >= 0:
            if self._total < 0:
                self._tell(Crowded("", True))
            self._total = total_most if self._total < 0 else min(self._total, total_most)

    def left(self, address: Network) -> None:
        """A connection is counted out."""
        if not self._networks and self._total < 0:
            return
        network = network_of(address)
        _own, count, total = self._book.count(address)
        most = self._networks.get(network)
        if most is not None and count <= most:
            del self._networks[network]
            self._tell(Crowded(network.text, False))
        if self._total >= 0 and total <= self._total:
            self._total = -1
            self._tell(Crowded("", False))

    def all(self) -> Iterator[Crowded]:
        """Yield what a new process has to know."""
        for network in self._networks:
            yield Crowded(network.text, True)
        if self._total >= 0:
            yield Crowded("", True)
