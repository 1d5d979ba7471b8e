"""The rule for a client that another program already found: tcpserver put it into the environment.

tcpserver -x, xinetd or a wrapper script set TCPREMOTEIP, RELAYCLIENT and whatever else a rule
says, then run qmail-smtpd; control/tcp.smtp is not asked again.
"""

import os
from collections.abc import Callable, Mapping

from glassmail.core.formats.client_keys import unmapped
from glassmail.core.policy.facts import Client
from glassmail.core.policy.login_variables import number
from glassmail.core.route.tcp_rules import RuleMatch
from glassmail.stations.client_rules import ClientRules

UNKNOWN = b"unknown"  # qmail-smtpd.c setup: TCPREMOTEIP that is not set
SOURCE = "environment of qmail-smtpd"


class EnvironmentRules(ClientRules):
    """One rule for everybody: what the environment says."""

    def __init__(self, clock: Callable[[], float], environment: Mapping[bytes, bytes]) -> None:
        super().__init__(os.devnull, clock)
        self._rule = RuleMatch(True, tuple(environment.items()), SOURCE)

    def match(self, ip: bytes, host: bytes | None, info: bytes | None) -> RuleMatch:
        """Return the environment's rule."""
        del ip, host, info
        return self._rule


def client_of(environment: Mapping[bytes, bytes]) -> Client:
    """Return the client that the environment names; unknown where it does not."""
    return Client(
        unmapped(environment.get(b"TCPREMOTEIP", UNKNOWN)),
        number(environment.get(b"TCPREMOTEPORT", b"")),
        environment.get(b"TCPREMOTEHOST"),
        environment.get(b"TCPREMOTEINFO"),
        unmapped(environment.get(b"TCPLOCALIP", b"")),
        number(environment.get(b"TCPLOCALPORT", b"")),
    )
