"""control/dnsserver: which DNS servers are asked, a line each: `ip`, `ip:port`, `[::1]:5353`."""

import ipaddress

from glassmail.core.formats.control import Table

PORT_DNS = 53


class DnsServersError(ValueError):
    """A line cannot be obeyed; the text names file, line and remedy."""


def parse_servers(table: Table) -> tuple[tuple[str, int], ...]:
    """Read the servers as (address, port), in the file's order; raises DnsServersError."""
    servers = []
    for entry in table.entries.values():
        text = entry.key.decode("ascii", "replace")
        address, colon, port = text, "", ""
        if text.startswith("["):
            address, _bracket, rest = text[1:].partition("]")
            colon, port = rest[:1], rest[1:]
        elif text.count(":") == 1:
            address, colon, port = text.partition(":")
        try:
            ip = str(ipaddress.ip_address(address))
        except ValueError:
            raise DnsServersError(
                f"{entry.source}: write an address as in `192.0.2.53` or `[::1]:5353`"
            ) from None
        if colon and (colon != ":" or not _is_port(port)):
            raise DnsServersError(f"{entry.source}: the port must be a number from 1 to 65535")
        servers.append((ip, int(port) if colon else PORT_DNS))
    return tuple(servers)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536
