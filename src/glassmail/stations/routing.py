"""What routing needs of a site, taken from its control directory."""

from glassmail.core.route.rewrite import RoutingTables
from glassmail.settings.place import Place
from glassmail.store.cdb import Cdb
from glassmail.store.control import Snapshot


def routing_tables(settings: Snapshot) -> RoutingTables:
    """Take the tables that addresses are rewritten by out of a snapshot."""
    return RoutingTables(
        settings.line("envnoathost"),
        settings.table("percenthack"),
        settings.table("locals"),
        settings.table("virtualdomains"),
    )


def own_domains(settings: Snapshot) -> list[bytes]:
    """List the domains of locals and virtualdomains, each once: those that mail can be for."""
    names = dict.fromkeys(settings.table("locals").entries)
    for key, entry in settings.table("virtualdomains").entries.items():
        # Neither `.suffix`, nor the catch-all, nor one address, nor an exception (no value).
        if key and b"@" not in key and not key.startswith(b".") and entry.value:
            names.setdefault(key)
    return list(names)


def more_rcpthosts(place: Place) -> Cdb:
    """Name control/morercpthosts.cdb; it need not exist."""
    return Cdb(place.path("control", "morercpthosts.cdb"), "control/morercpthosts.cdb")
