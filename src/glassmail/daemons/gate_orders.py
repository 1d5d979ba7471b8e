"""What people ask of the gate: block, unblock, blocks, counts, tap."""

import time
from collections.abc import Callable

import msgspec

from glassmail.core.model.networks import Network, NetworkError, address_of, parse
from glassmail.core.schedule.gate_book import Blocked, GateBook
from glassmail.daemons.gate_keeping import GateKeeping
from glassmail.daemons.gate_peer import Peer
from glassmail.daemons.gate_taps import Taps
from glassmail.events.event import Event
from glassmail.events.gate import AccountFreed, NetworkBlocked, NetworkFreed
from glassmail.net.gate_messages import Block, Unblock
from glassmail.net.messages import Failed, Message, Request, Rows
from glassmail.stations.held_notice import HeldNotice

SECONDS_MAX = 366 * 86_400
REASON_BYTES_MAX = 300
_BY_HAND = "an administrator's order"

Row = dict[str, object]


class GateOrders:
    """Answers of the gate to people."""

    def __init__(
        self,
        book: GateBook,
        keeping: GateKeeping,
        tell: Callable[[Event], None],
        to_servers: Callable[[Message], None],
        notice: HeldNotice,
    ) -> None:
        """Make it.

        Args:
            book: what is asked about.
            keeping: told of changes.
            tell: takes events.
            to_servers: sends a message to every process of the SMTP server.
            notice: of held accounts.
        """
        self._book = book
        self._keeping = keeping
        self._tell = tell
        self._to_servers = to_servers
        self._notice = notice
        self.taps = Taps(to_servers)

    def answer(self, peer: Peer, request: Request, now: float) -> Rows | Failed | None:
        """Answer a request."""
        try:
            match request.verb:
                case "block":
                    return self._block(peer, request, now)
                case "unblock":
                    return self._unblock(peer, request)
                case "blocks":
                    return self._list(request, now)
                case "counts":
                    return self._counts(request, now)
                case "tap":
                    return self.taps.begin(peer, request, now)
                case _:
                    return Failed(request.ref, 2, f"the gate knows no {request.verb}")
        except NetworkError as error:
            return Failed(request.ref, 2, str(error))

    def _block(self, peer: Peer, request: Request, now: float) -> Rows | Failed:
        network = parse(_text(request, "client"))
        seconds = request.arguments.get("seconds")
        if not isinstance(seconds, int) or not 0 < seconds <= SECONDS_MAX:
            return Failed(request.ref, 2, "block for a second to a year")
        reason = (_text(request, "reason") or _BY_HAND)[:REASON_BYTES_MAX]
        made = self._book.block(network, now + seconds, reason, now)
        self._keeping.changed()
        self._to_servers(Block(network.text, made.until, reason))
        self._tell(
            NetworkBlocked(
                time.time_ns(), network.text, made.until, seconds, reason, False, peer.uid
            )
        )
        return _rows(request, [_block_row(made)])

    def _unblock(self, peer: Peer, request: Request) -> Rows | Failed:
        who = _text(request, "client")
        if address_of(who.partition("/")[0].encode("utf-8", "replace")) is None:
            account = who.encode("utf-8", "surrogateescape")
            if not self._book.release(account):
                return Failed(request.ref, 1, f"mail of {who} is not held")
            self._tell(AccountFreed(time.time_ns(), who, peer.uid))
        else:
            network = parse(who)
            if not self._book.unblock(network):
                return Failed(request.ref, 1, self._not_blocked(network))
            self._to_servers(Unblock(network.text))
            self._tell(NetworkFreed(time.time_ns(), network.text, peer.uid))
        self._keeping.changed()
        return _rows(request, [{"client": who, "done": "removed"}])

    def _not_blocked(self, network: Network) -> str:
        wider = self._book.blocks.holding(network)
        hint = f": its network {wider[0].network.text} is" if wider else ""
        return f"{network.text} is not blocked{hint}"

    def _list(self, request: Request, now: float) -> Rows:
        rows = [_block_row(block) for block in self._book.blocks.values() if block.until > now]
        rows += [
            {
                "account": held.account.decode("utf-8", "backslashreplace"),
                "since": held.since,
                "reason": held.reason,
            }
            for held in self._book.held.values()
        ]
        return _rows(request, rows)

    def _counts(self, request: Request, now: float) -> Rows:
        network = parse(_text(request, "client"))
        address, net, total = self._book.count(network)
        block = self._book.block_of(network, now)
        row: Row = {
            "address": address,
            "network": net,
            "total": total,
            "block": [block.network.text, block.reason] if block is not None else None,
        }
        account = _text(request, "account")
        if account:  # may it try a password?
            name = account.encode("utf-8", "replace")
            answer, _made = self._book.may_log_in(network, name, now, is_dry=True)
            row["login"] = [answer.is_permitted, answer.source]
        return _rows(request, [row])


def _block_row(block: Blocked) -> Row:
    return {
        "client": block.network.text,
        "since": block.since,
        "until": block.until,
        "reason": block.reason,
        "refuses": "logins" if block.is_login_only else "everything",
        "by": "hand" if block.is_by_hand else "limit",
    }


def _rows(request: Request, rows: list[Row]) -> Rows:
    return Rows(request.ref, tuple(msgspec.json.encode(row) for row in rows))


def _text(request: Request, name: str) -> str:
    value = request.arguments.get(name)
    return value if isinstance(value, str) else ""
