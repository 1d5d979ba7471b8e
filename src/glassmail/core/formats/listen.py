"""control/listen: where to listen, one line each, `smtp 0.0.0.0:25`, `submission [::]:587`.

`smtp 10.0.0.1:25 proxy=10.0.0.2,10.0.1.0/24` takes connections of these proxies alone, which say
whose they are by the PROXY protocol.

`vpopmaild 127.0.0.1:89` answers programs that ask for and change accounts, on the loopback
interface alone, since passwords go over that line as they are.
"""

from typing import NamedTuple

from glassmail.core.formats.control import lines_of, show
from glassmail.core.model import networks
from glassmail.core.model.networks import Network, NetworkError

# Listeners that begin with TLS (RFC 8314), and the service that follows.
WITH_TLS = {"smtps": "smtp", "submissions": "submission"}
SERVICES = ("smtp", "submission", *WITH_TLS)  # what the SMTP server listens for
ACCOUNTS = "vpopmaild"
LATER = ("pop3", "pop3s", "web")
_PROXY = "proxy="


class Listener(NamedTuple):
    """One listening place: service, address without brackets, port, where it is configured.

    `proxies` are those that may speak for clients; empty: clients speak for themselves.
    """

    service: str
    address: str
    port: int
    source: str
    proxies: tuple[Network, ...] = ()


class ListenError(ValueError):
    """A line of control/listen cannot be obeyed; the text names file, line and remedy."""


def parse(data: bytes, name: str = "control/listen") -> list[Listener]:
    """Read the listeners; raises ListenError at the first line that cannot be obeyed."""
    listeners = []
    for number, line in lines_of(data):
        where = f"{name}:{number}"
        words = line.decode("ascii", "replace").split()
        proxies = _proxies(words.pop(), where) if _names_proxies(words) else ()
        if len(words) != 2:
            raise ListenError(
                f"{where}: {show(line)}: write `service address:port`, as in `smtp 0.0.0.0:25`"
            )
        service, place = words
        if service in LATER:
            raise ListenError(f"{where}: {service} is not built yet; remove the line")
        if service not in (*SERVICES, ACCOUNTS):
            raise ListenError(
                f"{where}: unknown service {service}; known are {', '.join(SERVICES)}, {ACCOUNTS}"
            )
        address, port = _place(place, where)
        if service == ACCOUNTS and (proxies or not _is_loopback(address)):
            raise ListenError(
                f"{where}: passwords go over this line as they are: {ACCOUNTS} listens on an "
                "address of the loopback interface alone, such as 127.0.0.1:89, without proxies"
            )
        listeners.append(Listener(service, address, port, f"{where} {show(line)}", proxies))
    return listeners


def _names_proxies(words: list[str]) -> bool:
    return bool(words) and words[-1].startswith(_PROXY)


def _proxies(word: str, where: str) -> tuple[Network, ...]:
    try:
        return tuple(networks.parse(each) for each in word.removeprefix(_PROXY).split(","))
    except NetworkError as error:
        raise ListenError(f"{where}: {error}") from error


def _is_loopback(address: str) -> bool:
    found = networks.address_of(address.encode("ascii", "replace"))
    return found is not None and networks.is_loopback(found)


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
