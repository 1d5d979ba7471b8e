"""Whose address is it: the uid of the user on this host that mail for it is delivered as.

Used where a person asks for what is theirs alone. Whatever cannot be told is nobody's.
"""

from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.route.rewrite import Channel, route
from glassmail.settings.place import Place
from glassmail.stations.routing import routing_tables
from glassmail.stations.users import find_user, sources_of
from glassmail.store.control import ControlError, take_snapshot

_TABLES = ("envnoathost", "percenthack", "locals", "virtualdomains", "breakcharacter", "me")
_ANYBODY = b"postmaster"


def owner_of(place: Place, address: str) -> int | None:
    """Return the uid that owns an address, or `@domain`; None when nobody on this host does.

    A domain is owned only where virtualdomains gives the whole of it to one user; what falls to
    the alias user is nobody's.
    """
    raw = address.encode("utf-8", "surrogateescape")
    is_domain = raw.startswith(b"@")
    try:
        settings = take_snapshot(place.control, _TABLES)
        sources = sources_of(place, settings.line("breakcharacter") or b"-")
        destination = route(_ANYBODY + raw if is_domain else raw, routing_tables(settings))
        if destination.channel is not Channel.LOCAL or (is_domain and not destination.prepend):
            return None
        found = find_user(destination.address.rpartition(b"@")[0], sources)
    except (ControlError, DaemonsError, OSError):
        return None
    if found.user is None or any(step.question == "routing.alias" for step in found.steps):
        return None
    return found.user.uid
