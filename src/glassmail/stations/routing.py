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


def more_rcpthosts(place: Place) -> Cdb:
    """Name control/morercpthosts.cdb; it need not exist."""
    return Cdb(place.path("control", "morercpthosts.cdb"), "control/morercpthosts.cdb")
