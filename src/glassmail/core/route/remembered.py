"""Routing for recipients that come again: what one set of tables answered is kept.

A server hears of few recipients again and again, and each message of theirs is routed twice, at
RCPT and in the queue. The answer depends on nothing but the address and the tables.
"""

from glassmail.core.route.rewrite import Destination, RoutingTables, route

ANSWERS_KEPT_MAX = 2_048


class Routes:
    """The answers of one set of tables."""

    __slots__ = ("_known", "_tables")

    def __init__(self) -> None:
        self._tables: RoutingTables | None = None
        self._known: dict[bytes, Destination] = {}

    def find(self, address: bytes, tables: RoutingTables) -> Destination:
        """Route an address; other tables than the last ones begin anew."""
        if tables is not self._tables:
            self._tables = tables
            self._known = {}
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= ANSWERS_KEPT_MAX:
                self._known.clear()
            found = self._known[address] = route(address, tables)
        return found


routes = Routes()  # of this process
