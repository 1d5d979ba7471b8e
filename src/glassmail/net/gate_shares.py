"""Which connections a process of the SMTP server may let in without asking the gate.

Purpose:
    An answer of the gate costs two turns of the loop. While a process itself has no more than its
    share of a limit, half of the limit divided by the processes, no sum of shares passes the
    limit, and nobody need be asked. The first process that has more asks; the gate then tells all
    (`Crowded`) that this network's connections have to be asked about, until half of the limit is
    free again.

Always:
    - Limits too small to be shared are always asked about.
    - What is not known (how many processes there are) is asked.
"""

from glassmail.core.model.networks import V4, Network, NetworkError, parse, wider
from glassmail.net.gate_messages import Crowded

Limits = tuple[int, int, int]  # of an address, of its network, of all; -1 for none
EXACT: Limits = (0, 0, 0)
_NETWORK = {V4: 24, 6: 48}  # as in core.schedule.gate_book


class Shares:
    """What one process knows of the others.

    Attributes:
        servers: how many processes count; 0 before the gate has said so.
    """

    def __init__(self) -> None:
        self.servers = 0
        self._crowded: set[Network] = set()
        self._is_all_crowded = False

    def holds(self, address: Network, counts: tuple[int, int, int], limits: Limits) -> bool:
        """Tell whether these counts of this process are within its share of each limit."""
        parts = 2 * self.servers
        if not parts or self._is_all_crowded:
            return False
        for count, most in zip(counts, limits, strict=True):
            if 0 <= most < count * parts:
                return False
        return not self._crowded or network_of(address) not in self._crowded

    def free_again(self, limits: Limits) -> tuple[int, int]:
        """Return how many open connections, of the network and of all, leave half of the limits.

        -1 where there is no limit, or one that is too small to be shared: everybody asks anyway.
        """
        parts = 2 * self.servers
        own = [most // 2 for most in limits[:2] if most >= parts]
        return min(own, default=-1), limits[2] // 2 if limits[2] >= parts else -1

    def learn(self, message: Crowded) -> None:
        """Take what the gate says of a network."""
        if not message.network:
            self._is_all_crowded = message.is_crowded
            return
        try:
            network = parse(message.network)
        except NetworkError:
            return  # the gate wrote it; nothing that could be looked up stands there
        if message.is_crowded:
            self._crowded.add(network)
        else:
            self._crowded.discard(network)

    def forget(self) -> None:
        """The gate is away."""
        self.servers = 0
        self._crowded.clear()
        self._is_all_crowded = False


def network_of(address: Network) -> Network:
    """Return the network that connections of an address count for."""
    return wider(address, _NETWORK[address.family])


