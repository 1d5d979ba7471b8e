"""control/listen: where to listen, one line each, `smtp 0.0.0.0:25`, `submission [::]:587`."""

from typing import NamedTuple

from glassmail.core.formats.control import lines_of, show

SERVICES = ("smtp", "submission")
LATER = ("submissions", "pop3", "pop3s", "web")


class Listener(NamedTuple):
    """One listening place: service, address without brackets, port, where it is configured."""

    service: str
    address: str
    port: int
    source: str


class ListenError(ValueError):
    """A line of control/listen cannot be obeyed; the text names file, line and remedy."""


def parse(data: bytes, name: str = "control/listen") -> list[Listener]:
    """Read the listeners; raises ListenError at the first line that cannot be obeyed."""
    listeners = []
    for number, line in lines_of(data):
        where = f"{name}:{number}"
        words = line.decode("ascii", "replace").split()
        if len(words) != 2:
            raise ListenError(
                f"{where}: {show(line)}: write `service address:port`, as in `smtp 0.0.0.0:25`"
            )
        service, place = words
        if service in LATER:
            raise ListenError(f"{where}: {service} is not built yet; remove the line")
        if service not in SERVICES:
            raise ListenError(
                f"{where}: unknown service {service}; known are {', '.join(SERVICES)}"
            )
        address, port = _place(place, where)
        listeners.append(Listener(service, address, port, f"{where} {show(line)}"))
    return listeners


def _place(place: str, where: str) -> tuple[str, int]:
    address, colon, port = place.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536:
        raise ListenError(
            f"{where}: {place}: the port must be a number from 1 to 65535 after a colon"
        )
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        raise ListenError(f"{where}: {place}: write an IPv6 address in brackets, as in `[::1]:25`")
    return address or "0.0.0.0", int(port)  # noqa: S104 (an empty address means all, as in tcpserver's 0)
