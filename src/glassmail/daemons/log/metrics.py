"""A small web server for the metrics (control/metrics): GET /metrics, on the loopback only.

Always:
    - Figures only: no address, name or text of anybody's mail.
    - Bounded: CONNECTIONS_MAX clients, REQUEST_BYTES_MAX of a request, ANSWER_S for all of it.
"""

import asyncio
import ipaddress
from collections.abc import Callable

from glassmail.daemons.log.metrics_text import CONTENT_TYPE

CONNECTIONS_MAX = 16
REQUEST_BYTES_MAX = 8_192
ANSWER_S = 5.0


class MetricsError(ValueError):
    """control/metrics cannot be obeyed; str() says why."""


def parse_place(text: str) -> tuple[str, int]:
    """Read `127.0.0.1:9154` or `[::1]:9154`; raises MetricsError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        is_own = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_own = False
    if not colon or not is_own or not (port.isascii() and port.isdigit()):
        raise MetricsError(f"control/metrics:1: {text}: write an address of the loopback interface "
                           "and a port, as in `127.0.0.1:9154`")  # fmt: skip
    if not 0 < int(port) < 65_536:
        raise MetricsError(f"control/metrics:1: {text}: a port is a number from 1 to 65535")
    return host, int(port)


class MetricsServer:
    """Serves what `text` makes."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, place: tuple[str, int]) -> None:
        """Listen; raises OSError."""
        self._server = await asyncio.start_server(self._client, *place, limit=REQUEST_BYTES_MAX)

    def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) <= CONNECTIONS_MAX:
                async with asyncio.timeout(ANSWER_S):
                    writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # no request, or nobody reads the answer: the connection is all there is to end
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        method, _blank, rest = request.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", b"GET only\n", "Allow: GET, HEAD\r\n")
        if path != b"/metrics":
            return _response("404 Not Found", b"the metrics are at /metrics\n")
        text = self._text()
        whole = _response("200 OK", text)
        return whole if method == b"GET" else whole[: -len(text)]


def _response(status: str, body: bytes, more: str = "") -> bytes:
    kind = CONTENT_TYPE if status.startswith("200") else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode("ascii") + body
