"""What all sessions of a site share: open connections, rates, blocks, accounts whose mail is held.

Purpose:
    The gate process keeps one book. It is asked and told by the SMTP server processes; what
    it decides is returned, for the gate to send on.

Pure:
    The caller says what time it is, in seconds since 1970.

Always:
    - A connection counts for its address and its network: IPv4 /32 and /24, IPv6 /64 and /48,
      since one customer has a /64 of IPv6.
    - A rate is kept for three widths at once, at once, three and nine times the limit: IPv4 /32,
      /26 and /21, IPv6 /64, /48 and /32. What runs full blocks that network for `block_s`.
    - Loopback is counted, but never blocked by a rate.
    - A password that was right gives its try back, and who was right lately is let through a
      limit of the account, so that others cannot lock its owner out.
"""

from functools import lru_cache
from typing import NamedTuple

from glassmail.core.model.networks import (
    ADDRESSES_KEPT,
    V4,
    Network,
    NetworkTable,
    is_loopback,
    wider,
)
from glassmail.core.schedule.rates import Limit, Rates, forget_oldest

BAD_LOGIN, LOGIN = "bad_login", "login"
UNJUDGED = "unjudged"  # nobody could tell whether a password was right
BAD_RECIPIENT, ERROR, CONNECT, MESSAGE = "bad_recipient", "error", "connect", "message"
KEYS_MAX = 100_000  # buckets of each kind
BLOCKS_MAX = 10_000  # made by rates; by hand as many as somebody types
KNOWN_MAX = 50_000  # places that accounts logged in from
ACCOUNT_FACTOR = 9  # wrong passwords of one account from everywhere, as a multiple of a client's
KNOWN_S = 30 * 86_400.0
_MINUTE, _HOUR = 60.0, 3_600.0
_WIDTHS = {V4: ((32, 1), (26, 3), (21, 9)), 6: ((64, 1), (48, 3), (32, 9))}
_COUNTED = {V4: (32, 24), 6: (64, 48)}
_WORDS = {
    BAD_LOGIN: "wrong passwords within a minute",
    BAD_RECIPIENT: "unknown recipients within a minute",
    ERROR: "refused commands within a minute",
    CONNECT: "connections within a minute",
    MESSAGE: "messages within an hour",
}


class GateLimits(NamedTuple):
    """The settings: how many of a kind; 0 for no limit."""

    bad_logins: int = 10
    bad_recipients: int = 0
    errors: int = 0
    connects: int = 0
    messages: int = 0
    account_recipients: int = 0
    block_s: int = 600


class Blocked(NamedTuple):
    """A network that is not served.

    Attributes:
        until: seconds since 1970.
        is_login_only: whether only logins are refused.
        is_by_hand: whether somebody ordered it.
    """

    network: Network
    since: float
    until: float
    reason: str
    is_login_only: bool = False
    is_by_hand: bool = False


class HeldAccount(NamedTuple):
    """An account whose mail is taken but held."""

    account: bytes
    since: float
    reason: str


class Answer(NamedTuple):
    """Yes or no, the count so far, and what it rests on."""

    is_permitted: bool
    counted: int
    source: str


class GateBook:
    """The book.

    Attributes:
        limits: as the settings are now.
        blocks: by network.
        held: by account.
        total: connections open now.
    """

    def __init__(self) -> None:
        self.limits = GateLimits()
        self.blocks: NetworkTable[Blocked] = NetworkTable()
        self.held: dict[bytes, HeldAccount] = {}
        self.total = 0
        self._open: dict[Network, int] = {}
        self._rates = {kind: Rates(KEYS_MAX) for kind in _WORDS}
        self._accounts = Rates(KEYS_MAX)
        self._account_logins = Rates(KEYS_MAX)
        self._known: dict[tuple[bytes, Network], float] = {}

    # --- open connections ----------------------------------------------------------------------

    def enter(self, address: Network) -> tuple[int, int, int]:
        """Count a connection in; return those of its address, its network, and all."""
        self.total += 1
        found = []
        for key in _counted(address):
            self._open[key] = count = self._open.get(key, 0) + 1
            found.append(count)
        return found[0], found[1], self.total

    def leave(self, address: Network) -> None:
        """Count a connection out."""
        self.total -= 1
        for key in _counted(address):
            count = self._open.get(key, 0) - 1
            if count > 0:
                self._open[key] = count
            else:
                self._open.pop(key, None)

    def count(self, address: Network) -> tuple[int, int, int]:
        """Return how many are open of an address, its network, and all."""
        own, net = _counted(address)
        return self._open.get(own, 0), self._open.get(net, 0), self.total

    # --- rates ---------------------------------------------------------------------------------

    def happened(self, kind: str, address: Network, now: float) -> Blocked | None:
        """Count something; return the block that it leads to, None for none."""
        limit = self._limit(kind)
        if limit is None:
            return None
        blocked = None
        for network, most in _widths(address, limit.most):
            kept = self._rates[kind].take(network, Limit(most, limit.seconds), now)
            if not kept and blocked is None and not is_loopback(address):
                blocked = self._block(network, kind, most, now)
        return blocked

    def _block(self, network: Network, kind: str, most: int, now: float) -> Blocked | None:
        old = self.blocks.get(network)
        if old is not None and old.until > now and not old.is_login_only:
            return None
        self._make_room(now)
        blocked = Blocked(
            network, now, now + self.limits.block_s, f"more than {most} {_WORDS[kind]}",
            is_login_only=kind == BAD_LOGIN,
        )  # fmt: skip
        self.blocks.put(network, blocked)
        return blocked

    def _make_room(self, now: float) -> None:
        if len(self.blocks) < BLOCKS_MAX:
            return
        self.expire(now)
        made = [block for block in self.blocks.values() if not block.is_by_hand]
        if len(self.blocks) >= BLOCKS_MAX and made:
            self.blocks.drop(made[0].network)

    def _limit(self, kind: str) -> Limit | None:
        limits = self.limits
        most, seconds = {
            BAD_LOGIN: (limits.bad_logins, _MINUTE),
            BAD_RECIPIENT: (limits.bad_recipients, _MINUTE),
            ERROR: (limits.errors, _MINUTE),
            CONNECT: (limits.connects, _MINUTE),
            MESSAGE: (limits.messages, _HOUR),
        }.get(kind, (0, _MINUTE))
        return Limit(most, seconds) if most > 0 else None

    # --- logins --------------------------------------------------------------------------------

    def may_log_in(
        self, address: Network, account: bytes, now: float, *, is_dry: bool = False
    ) -> tuple[Answer, Blocked | None]:
        """Tell whether a password may be tried; also return the block that this leads to.

        The try counts until `logged_in` gives it back; with is_dry nothing counts.
        """
        block = self.block_of(address, now, login=True)
        if block is not None:
            return Answer(False, 0, f"{block.network.text}: {block.reason}"), None
        limit = self._limit(BAD_LOGIN)
        if limit is None:
            return Answer(True, 0, "control/maxbadlogins 0"), None
        rates = self._rates[BAD_LOGIN]
        take = Rates.has_room if is_dry else Rates.take
        level = 0.0
        if not is_loopback(address):
            for network, most in _widths(address, limit.most):
                wide = Limit(most, limit.seconds)
                if not take(rates, network, wide, now):
                    made = None if is_dry else self._block(network, BAD_LOGIN, most, now)
                    source = f"{network.text}: more than {most} {_WORDS[BAD_LOGIN]}"
                    return Answer(False, most, source), made
            level = rates.level(_widths(address, 1)[0][0], limit, now)
        everywhere = Limit(limit.most * ACCOUNT_FACTOR, limit.seconds)
        is_kept = take(self._account_logins, account, everywhere, now)
        if not is_kept and not self._is_known(account, address, now):
            source = f"this account: more than {everywhere.most} {_WORDS[BAD_LOGIN]}"
            return Answer(False, everywhere.most, source), None
        return Answer(True, int(level), f"control/maxbadlogins {limit.most}"), None

    def logged_in(self, address: Network, account: bytes, now: float) -> None:
        """Give a try back: the password was right."""
        self.give_back(address, account, now)
        key = (account, wider(address, _COUNTED[address.family][1]))
        self._known.pop(key, None)
        if len(self._known) >= KNOWN_MAX:
            forget_oldest(self._known)
        self._known[key] = now

    def give_back(self, address: Network, account: bytes, now: float) -> None:
        """Let a try of `may_log_in` count no more."""
        limit = self._limit(BAD_LOGIN)
        if limit is None:
            return
        for network, most in _widths(address, limit.most):
            self._rates[BAD_LOGIN].take(network, Limit(most, limit.seconds), now, -1)
        everywhere = Limit(limit.most * ACCOUNT_FACTOR, limit.seconds)
        self._account_logins.take(account, everywhere, now, -1)

    def _is_known(self, account: bytes, address: Network, now: float) -> bool:
        key = (account, wider(address, _COUNTED[address.family][1]))
        return now - self._known.get(key, float("-inf")) < KNOWN_S

    # --- accounts ------------------------------------------------------------------------------

    def may_send(
        self, account: bytes, recipients: int, now: float
    ) -> tuple[Answer, HeldAccount | None]:
        """Count what an account sends; also return the hold that this leads to, None for none."""
        held = self.held.get(account)
        most = self.limits.account_recipients
        limit = Limit(most, _HOUR)
        if most <= 0:
            return Answer(held is None, 0, held.reason if held else "no limit"), None
        is_kept = self._accounts.take(account, limit, now, recipients)
        sent = round(self._accounts.level(account, limit, now))
        if held is not None:
            return Answer(False, sent, held.reason), None
        source = f"control/maxaccountrecipients {most}"
        if is_kept:
            return Answer(True, sent, source), None
        held = self.held[account] = HeldAccount(
            account, now, f"more than {most} recipients within an hour"
        )
        return Answer(False, sent, held.reason), held

    def release(self, account: bytes) -> bool:
        """Lift the hold of an account; False when there is none."""
        self._accounts.forget(account)
        return self.held.pop(account, None) is not None

    # --- blocks --------------------------------------------------------------------------------

    def block(self, network: Network, until: float, reason: str, now: float) -> Blocked:
        """Block a network by hand."""
        made = Blocked(network, now, until, reason, is_by_hand=True)
        self.blocks.put(network, made)
        return made

    def unblock(self, network: Network) -> bool:
        """Lift a block, and empty what led to it; False when there is none."""
        for rates in self._rates.values():
            rates.forget(network)
        return self.blocks.drop(network)

    def block_of(self, address: Network, now: float, *, login: bool = False) -> Blocked | None:
        """Return the block that an address is under."""
        for block in self.blocks.holding(address) if len(self.blocks) else ():
            if (login or not block.is_login_only) and block.until > now:
                return block
        return None

    def expire(self, now: float) -> list[Blocked]:
        """Forget blocks whose time is over; return them."""
        over = [block for block in self.blocks.values() if block.until <= now]
        for block in over:
            self.blocks.drop(block.network)
        return over


@lru_cache(maxsize=ADDRESSES_KEPT)
def _counted(address: Network) -> tuple[Network, Network]:
    """Return what a connection counts for: its address and its network."""
    own, net = _COUNTED[address.family]
    return wider(address, own), wider(address, net)


@lru_cache(maxsize=ADDRESSES_KEPT)
def _widths(address: Network, most: int) -> tuple[tuple[Network, int], ...]:
    return tuple(
        (wider(address, prefix), most * factor) for prefix, factor in _WIDTHS[address.family]
    )
