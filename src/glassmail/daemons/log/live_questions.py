"""The verb `live`: what goes on just now, for `glass status` and the metrics."""

import time
from typing import Any

import msgspec

from glassmail.daemons.log.live import Live
from glassmail.daemons.log.rights import Rights
from glassmail.daemons.log.server import LogServer, Peer
from glassmail.net.messages import Request, Rows

REFUSALS_MAX = 50
_SUMMED = frozenset(("sessions", "sessions_most"))


class LiveQuestions:
    """Answers from memory, at once."""

    def __init__(self, live: Live, server: LogServer, rights: Rights) -> None:
        self._live = live
        self._server = server
        self._rights = rights

    def ask(self, peer: Peer, request: Request) -> None:
        """Answer; names of people and hosts are for those who may see everybody's mail."""
        wanted = request.arguments.get("refusals")
        most = wanted if isinstance(wanted, int) else 0
        row = self.numbers()
        if self._rights.may_see_all(peer.uid, peer.gid):
            row["refusals"] = self._live.refusals(max(0, min(most, REFUSALS_MAX)))
            row["sessions"] = [msgspec.Raw(data) for data in self._server.rows()]
            row["troubles"] = self._live.troubles(max(0, min(most, REFUSALS_MAX)))
        peer.send(Rows(request.ref, (msgspec.json.encode(row),)))

    def numbers(self) -> dict[str, Any]:
        """Everything that names nobody."""
        live = self._live
        busy: dict[str, int] = {}
        processes = []
        for role, pid, numbers in self._server.pulses():
            processes.append({"role": role, "pid": pid, **numbers})
            for name in _SUMMED & numbers.keys():
                busy[name] = busy.get(name, 0) + numbers[name]
        return {
            "began": live.began,
            "rates": live.rates(time.time_ns()),
            "totals": dict(live.totals),
            "checks": dict(live.checks),
            "busy": busy,
            "processes": processes,
        }
