"""s/qmail's log lines of an SMTP session (smtpdlog.c, doc/LOGGING), for control/smtpdlog = sqmail.

    qmail-smtpd: pid P ACTION::TYPE::CONDITION P:PROTOCOL S:IP:HOST H:HELO F:FROM T:TO

One line for each recipient that is accepted, and for each refusal that s/qmail has words for;
this server's own line stands beside it. What a client sent is made safe as in qmail-send's log.
Logins are told in the combined patch's words (`AUTH successful [IP] USER`).
"""

from typing import NamedTuple

from glassmail.core.model.address import safe_for_log

RELAYED = "Accept::SNDR::Relay_Client"
TAKEN = "Accept::RCPT::Rcpthosts_Rcptto"

# Check that refused -> type and condition.
REFUSALS = {
    "badhelo": "SNDR::Bad_Helo",
    "helocheck": "SNDR::DNS_HELO",
    "relay": "SNDR::Invalid_Relay",
    "relayrej": "SNDR::Invalid_Relay",
    "badmailfrom": "ORIG::Bad_Mailfrom",
    "mfcheck": "ORIG::DNS_MF",
    "mfdnscheck": "ORIG::DNS_MF",
    "localmfcheck": "ORIG::Local_Sender",
    "authorization": "ORIG::Require_Auth",
    "badrcptto": "RCPT::Bad_Rcptto",
    "maxrcpt": "RCPT::Toomany_Rcptto",
    "recipients": "RCPT::Recipients_Cdb",
    "recipient_exists": "RCPT::Failed_Rcptto",
    "validrcptto": "RCPT::Failed_Rcptto",
    "rcptcheck": "RCPT::Failed_Rcptto",
    "databytes": "DATA::Invalid_Size",
    "declared_size": "DATA::Invalid_Size",
    "force_tls": "TLS::missing",
}


class Party(NamedTuple):
    """Who is meant: the client, what it called itself, the envelope so far."""

    protocol: bytes
    ip: bytes
    host: bytes
    helo: bytes
    sender: bytes
    recipient: bytes


def accepted(pid: int, party: Party, *, is_relayed: bool) -> bytes:
    """Write the line of an accepted recipient."""
    return _line(pid, RELAYED if is_relayed else TAKEN, party)


def refused(pid: int, check: str, party: Party) -> bytes:
    """Write the line of a refusal; empty when s/qmail has no words for it."""
    condition = REFUSALS.get(check)
    return _line(pid, f"Reject::{condition}", party) if condition is not None else b""


def _line(pid: int, verdict: str, party: Party) -> bytes:
    protocol, ip, host, helo, sender, recipient = map(safe_for_log, party)
    return b"qmail-smtpd: pid %d %b P:%b S:%b:%b H:%b F:%b T:%b" % (
        pid, verdict.encode("ascii"), protocol, ip, host or b"unknown", helo or b"unknown",
        sender, recipient,
    )  # fmt: skip
