"""From an accepted connection to a session: the PROXY header, then who the client is.

Always:
    - On a listener for proxies only those that it names are heard, and only with a correct header
      within HEADER_S; everybody else is hung up on, and told.
    - Bytes that came with the header or while names were asked wait for the session.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.formats.listen import Listener
from glassmail.core.model import networks
from glassmail.core.model.trail import NO, YES, Step, Trail
from glassmail.core.policy.facts import Client
from glassmail.core.protocol import proxy_protocol
from glassmail.core.protocol.proxy_protocol import ProxyError, ProxyHeader
from glassmail.stations.introduction import introduce, wants_name
from glassmail.stations.services import Services

QUESTION = "session.proxy"
UNREAD_BYTES_MAX = 65_536
HEADER_S = 10.0  # proxy-protocol.txt, 2: at least 3 seconds


class Met(NamedTuple):
    """A client that has arrived.

    Attributes:
        steps: what was asked on the way.
        unread: what it said already.
        is_refused: whether it is hung up on; the last step says why.
    """

    client: Client
    steps: Trail
    unread: bytes = b""
    is_refused: bool = False


def is_simple(services: Services, listener: Listener) -> bool:
    """Tell whether a client of this listener needs no arrival: its address says all."""
    settings = services.settings.now()
    is_named = wants_name(settings, services.rules) or settings.remote_info_s > 0
    return not listener.proxies and not is_named


class Arrival:
    """One connection before its session."""

    def __init__(
        self,
        services: Services,
        listener: Listener,
        client: Client,
        on_met: Callable[[Met], None],
    ) -> None:
        """Take a connection.

        Args:
            services: shared by the process.
            listener: where it was accepted.
            client: both ends of the connection.
            on_met: called once, when the session can begin; not after `lost`.
        """
        self._services = services
        self._listener = listener
        self._client = client
        self._on_met = on_met
        self._steps: list[Step] = []
        self._unread = b""
        self._began_at = services.clock()
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more should be read before the session."""
        return len(self._unread) > UNREAD_BYTES_MAX

    def begin(self) -> None:
        """Ask what is to be asked."""
        proxies = self._listener.proxies
        if not proxies:
            self._introduce()
            return
        address = networks.address_of(self._client.ip)
        if address is None or networks.find(proxies, address) is None:
            self._refuse(f"it is no proxy of {self._listener.source}")

    def receive(self, data: bytes) -> None:
        """Take what the client, or its proxy, sent."""
        if self._is_over:
            return
        self._unread += data
        if self._task is not None or not self._listener.proxies:
            return
        try:
            header = proxy_protocol.read(self._unread)
        except ProxyError as error:
            self._refuse(str(error))
            return
        if header is not None:
            self._proxied(header)

    def end_of_input(self) -> bool:
        """Nothing more will come; True when nothing came at all: a proxy that looks for life."""
        if self._task is None and not self._is_over and self._listener.proxies:
            if not self._unread:
                return True
            self._refuse("it ended before its PROXY header did")
        return False

    def tick(self, now: float) -> None:
        """Look at the time."""
        is_late = now - self._began_at > HEADER_S
        if is_late and self._task is None and not self._is_over and self._listener.proxies:
            self._refuse(f"no PROXY header within {HEADER_S:g} s")

    def lost(self) -> None:
        """The connection is gone."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()

    def _proxied(self, header: ProxyHeader) -> None:
        self._unread = self._unread[header.size :]
        proxy = self._client
        if header.client is not None and header.local is not None:
            (ip, port), (local_ip, local_port) = header.client, header.local
            self._client = Client(ip, port, None, None, local_ip, local_port)
            source = f"PROXY v{header.version}: client {ip.decode('ascii')}"
        else:
            source = f"PROXY v{header.version}: the proxy itself"
        self._steps.append(Step(QUESTION, proxy.ip, YES, f"{source}; {self._listener.source}"))
        self._introduce()

    def _introduce(self) -> None:
        settings = self._services.settings.now()
        rules = self._services.rules
        if not wants_name(settings, rules) and not settings.remote_info_s:
            self._arrived(self._client)
            return

        async def ask() -> None:
            client, steps = await introduce(self._client, settings, rules, self._services.ask)
            self._steps += steps
            self._task = None
            self._arrived(client)

        self._task = asyncio.get_running_loop().create_task(ask())

    def _arrived(self, client: Client) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_met(Met(client, tuple(self._steps), self._unread))

    def _refuse(self, source: str) -> None:
        self._is_over = True
        step = Step(QUESTION, self._client.ip, NO, source)
        self._on_met(Met(self._client, (*self._steps, step), is_refused=True))
