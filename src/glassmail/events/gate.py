"""What the gate tells: clients that are shut out, accounts whose mail is held."""

from typing import ClassVar

from glassmail.events.event import Event


class NetworkBlocked(Event, tag="network_blocked", frozen=True):
    """A network is not served for a while.

    Attributes:
        until: seconds since 1970.
        is_login_only: whether only logins are refused.
        uid: who ordered it; -1: a limit did.
    """

    severity: ClassVar[str] = "warning"
    sentence: ClassVar[str] = "{network} is not served for {seconds} s ({reason}): glass block list"

    network: str
    until: float
    seconds: int
    reason: str
    is_login_only: bool = False
    uid: int = -1


class NetworkFreed(Event, tag="network_freed", frozen=True):
    """A block was lifted before its time."""

    sentence: ClassVar[str] = "{network} is served again (by uid {uid})"

    network: str
    uid: int


class AccountHeld(Event, tag="account_held", frozen=True):
    """An account sends more than it may: its mail is taken, but held until somebody looks.

    Attributes:
        client: where its last message came from.
    """

    severity: ClassVar[str] = "alert"
    sentence: ClassVar[str] = "mail of {account} is held from now on ({reason}), client {client}"

    account: str
    reason: str
    client: str


class AccountFreed(Event, tag="account_freed", frozen=True):
    """Mail of an account is no longer held; what was held waits for `glass queue release`."""

    sentence: ClassVar[str] = "mail of {account} is no longer held (by uid {uid})"

    account: str
    uid: int


GateEvent = NetworkBlocked | NetworkFreed | AccountHeld | AccountFreed
