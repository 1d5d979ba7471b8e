"""The variables of a client's rule as the checks use them: read once per rule, not per command.

Purpose:
    tcprules sets variables for a client (tcpserver -x); qmail-smtpd, its patches and s/qmail read
    them. `read` turns them into values; settings/variables.py says what each means.

Always:
    - A number is the decimal prefix of its text, none is 0 (scan_ulong).
    - A variable that is not set is None or 0 here, and its check is not asked at all.
"""

from collections.abc import Mapping
from typing import NamedTuple

from glassmail.core.policy.login_variables import (
    NO_LOGIN_VARIABLES,
    LoginVariables,
    number,
    read_login,
)

NUMBER_MAX = 10**9
PRE_GREET_S = 1  # DROP_PRE_GREET alone waits this long (rules-interface: combined patch)
GREETDELAY_S_MAX = 290  # RFC 5321, 4.5.3.2.1: a client waits five minutes for the greeting
TARPIT_S_MAX = 240  # below the five minutes that a client waits for an answer to RCPT
NOTORIOUS = 999  # TARPITDELAY: refuse DATA as well
VALIDRCPTTO_LIMIT = 10
SQMAIL = "sqmail"


class Variables(NamedTuple):
    """What the variables of one client say.

    Attributes:
        greet_delay_s: GREETDELAY, or the second that DROP_PRE_GREET waits by itself.
        is_dropping_early: DROP_PRE_GREET.
        mf_check: MFCHECK: 0 off, 1 check, 2 also log failures, 3 also log passes.
        is_mf_dns: MFDNSCHECK is set.
        recipients_max: MAXRCPT or MAXRECIPIENTS; 0: none.
        recipients_max_name: which of them.
        is_rejecting_relayed: RELAYREJ.
        helo_check: HELOCHECK's letter, None when it is not set.
        is_skipping_badhelo: NOBADHELO is set.
        is_logging_patterns: LOGREGEX is set.
        local_mf_check: LOCALMFCHECK, None when it is not set.
        valid_cdb: VALIDRCPTTO_CDB, a path; empty: off.
        valid_limit: VALIDRCPTTO_LIMIT; 0: no limit.
        valid_log: VALIDRCPTTO_LOG: 0, 1 result, 2 every try.
        tarpit_count, tarpit_delay: TARPITCOUNT, TARPITDELAY.
        is_recipients_450: RECIPIENTS450 is set.
        recipient_program: RCPTCHECK, a path; empty: none.
        queue_program: QMAILQUEUE, a path; empty: the queue itself.
        deliver_to: DELIVERTO, one more recipient of each message; empty: none.
        is_logging_mail, is_logging_rcpt: QMAILSMTPD_LOG_MAIL, QMAILSMTPD_LOG_RCPT.
        is_telling_version: QMAILSMTPD_HELP_VERSION.
        login: the variables of AUTH and TLS.
        load_max: MAXLOAD, a hundredth each; -1: none.
        address_max, network_max: MAXCONNIP, MAXCONNC; -1: none.
        is_unlimited: NOLIMITS is set.
    """

    greet_delay_s: int
    is_dropping_early: bool
    mf_check: int
    is_mf_dns: bool
    recipients_max: int
    recipients_max_name: str
    is_rejecting_relayed: bool
    helo_check: bytes | None
    is_skipping_badhelo: bool
    is_logging_patterns: bool
    local_mf_check: bytes | None
    valid_cdb: bytes
    valid_limit: int
    valid_log: int
    tarpit_count: int
    tarpit_delay: int
    is_recipients_450: bool
    recipient_program: bytes
    queue_program: bytes
    deliver_to: bytes
    is_logging_mail: bool
    is_logging_rcpt: bool
    is_telling_version: bool
    login: LoginVariables = NO_LOGIN_VARIABLES
    load_max: int = -1
    address_max: int = -1
    network_max: int = -1
    is_unlimited: bool = False


def read(environment: Mapping[bytes, bytes], mf_check: int, recipients_max: int) -> Variables:
    """Read the variables of a client.

    Args:
        environment: the variables.
        mf_check: control/mfcheck, for a client without MFCHECK.
        recipients_max: control/maxrcpt, for a client without MAXRCPT and MAXRECIPIENTS.
    """

    def integer(name: bytes, default: int = 0) -> int:
        text = environment.get(name)
        return default if text is None else min(number(text), NUMBER_MAX)

    early = integer(b"DROP_PRE_GREET") > 0
    delay = min(integer(b"GREETDELAY"), GREETDELAY_S_MAX)
    limit_name = next((n for n in (b"MAXRCPT", b"MAXRECIPIENTS") if n in environment), b"")
    return Variables(
        greet_delay_s=delay or (PRE_GREET_S if early else 0),
        is_dropping_early=early,
        mf_check=integer(b"MFCHECK", mf_check),
        is_mf_dns=b"MFDNSCHECK" in environment,
        recipients_max=integer(limit_name) if limit_name else recipients_max,
        recipients_max_name=limit_name.decode("ascii") or "control/maxrcpt",
        is_rejecting_relayed=integer(b"RELAYREJ") > 0,
        helo_check=environment.get(b"HELOCHECK"),
        is_skipping_badhelo=b"NOBADHELO" in environment,
        is_logging_patterns=b"LOGREGEX" in environment,
        local_mf_check=environment.get(b"LOCALMFCHECK"),
        valid_cdb=environment.get(b"VALIDRCPTTO_CDB", b""),
        valid_limit=integer(b"VALIDRCPTTO_LIMIT", VALIDRCPTTO_LIMIT),
        valid_log=integer(b"VALIDRCPTTO_LOG"),
        tarpit_count=integer(b"TARPITCOUNT"),
        tarpit_delay=integer(b"TARPITDELAY"),
        is_recipients_450=b"RECIPIENTS450" in environment,
        recipient_program=environment.get(b"RCPTCHECK", b""),
        queue_program=environment.get(b"QMAILQUEUE", b""),
        deliver_to=environment.get(b"DELIVERTO", b""),
        is_logging_mail=integer(b"QMAILSMTPD_LOG_MAIL") > 0,
        is_logging_rcpt=integer(b"QMAILSMTPD_LOG_RCPT") > 0,
        is_telling_version=integer(b"QMAILSMTPD_HELP_VERSION") > 0,
        login=read_login(environment),
        load_max=integer(b"MAXLOAD", -1),
        address_max=integer(b"MAXCONNIP", -1),
        network_max=integer(b"MAXCONNC", -1),
        is_unlimited=b"NOLIMITS" in environment,
    )
