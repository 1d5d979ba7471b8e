"""Is an address one of this host's? What qmail's ipme tells from the list of interfaces.

The kernel is asked each time without sending anything: a UDP socket that is connected to an
address of this host gets that very address as its own end. (Trying to bind would say yes to every
address where net.ipv4.ip_nonlocal_bind is set.)
"""

import ipaddress
import socket


def is_ours(ip: str) -> bool:
    """Tell whether a numeric address is assigned to this host, or is loopback or unspecified."""
    address = ipaddress.ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 25))
            return bool(probe.getsockname()[0] == str(address))
    except OSError:  # no route there, or no such family: then it is not ours either
        return False
