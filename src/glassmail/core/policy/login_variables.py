"""The variables of AUTH and TLS: of the combined patch, and s/qmail's SMTPAUTH and UCSPITLS.

Always:
    - Of two that contradict each other the stricter one counts; `421` at the start of the session
      tells where that is not possible (core/policy/security).
"""

from collections.abc import Mapping
from typing import NamedTuple

AUTH_SET, AUTH_UNSET = b"AUTH_SET_", b"AUTH_UNSET_"


class LoginVariables(NamedTuple):
    """What the variables of one client say of AUTH and TLS.

    Attributes:
        is_auth_off: SMTPAUTH is `-`.
        requires_auth: REQUIRE_AUTH, or SMTPAUTH with `!`.
        allows_cram: ALLOW_CRAM, or SMTPAUTH with `cram`.
        is_cram_alone: SMTPAUTH is `cram` or `!cram`.
        allows_insecure: ALLOW_INSECURE_AUTH.
        auth_cdb: AUTH_CDB, a path; empty: none.
        denies_tls: DENY_TLS, or UCSPITLS `-`.
        forces_tls: FORCE_TLS, or UCSPITLS `!`.
        is_ssl: SSL: a program before us has unwrapped TLS already.
        asks_certificate: UCSPITLS `?` or `@`: the client may show a certificate.
        certificate: TLS_SERVER_CERT, a path; empty: control/servercert.pem.
        ciphers: TLSCIPHERS; empty: control/tlsserverciphers.
        changes: what AUTH_SET_x and AUTH_UNSET_x do after a login: (name, value or None).
    """

    is_auth_off: bool = False
    requires_auth: bool = False
    allows_cram: bool = False
    is_cram_alone: bool = False
    allows_insecure: bool = False
    auth_cdb: bytes = b""
    denies_tls: bool = False
    forces_tls: bool = False
    is_ssl: bool = False
    asks_certificate: bool = False
    certificate: bytes = b""
    ciphers: bytes = b""
    changes: tuple[tuple[bytes, bytes | None], ...] = ()


NO_LOGIN_VARIABLES = LoginVariables()
_NAMES = frozenset((
    b"SMTPAUTH", b"REQUIRE_AUTH", b"ALLOW_CRAM", b"ALLOW_INSECURE_AUTH", b"AUTH_CDB", b"DENY_TLS",
    b"FORCE_TLS", b"SSL", b"UCSPITLS", b"TLS_SERVER_CERT", b"TLSCIPHERS",
))  # fmt: skip


def number(text: bytes) -> int:
    """Read the decimal prefix of a variable; none is 0 (qmail-smtpd.c setup: scan_ulong)."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits[:19]) if digits else 0


def read_login(environment: Mapping[bytes, bytes]) -> LoginVariables:
    """Read the variables of a client; nearly every client has none of them."""
    changes = tuple(
        (name.removeprefix(AUTH_SET), value)
        if name.startswith(AUTH_SET)
        else (name.removeprefix(AUTH_UNSET), None)
        for name, value in environment.items()
        if name.startswith((AUTH_SET, AUTH_UNSET))
    )
    if not changes and _NAMES.isdisjoint(environment):
        return NO_LOGIN_VARIABLES

    def is_on(name: bytes) -> bool:
        return number(environment.get(name, b"")) > 0

    auth, tls = environment.get(b"SMTPAUTH", b""), environment.get(b"UCSPITLS", b"")
    kind = auth.lstrip(b"!").lower()
    is_ssl = is_on(b"SSL")
    return LoginVariables(
        is_auth_off=auth == b"-",
        requires_auth=is_on(b"REQUIRE_AUTH") or auth.startswith(b"!"),
        allows_cram=is_on(b"ALLOW_CRAM") or kind in (b"cram", b"+cram"),
        is_cram_alone=kind == b"cram",
        allows_insecure=is_on(b"ALLOW_INSECURE_AUTH"),
        auth_cdb=environment.get(b"AUTH_CDB", b""),
        denies_tls=is_on(b"DENY_TLS") or tls == b"-",
        forces_tls=(is_on(b"FORCE_TLS") or tls == b"!") and not is_ssl,
        is_ssl=is_ssl,
        asks_certificate=tls in (b"?", b"@"),
        certificate=environment.get(b"TLS_SERVER_CERT", b""),
        ciphers=environment.get(b"TLSCIPHERS", b""),
        changes=changes,
    )
