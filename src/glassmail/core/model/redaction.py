"""What a log, a trail or a dump must not hold: passwords and secrets, by name and by value.

Always:
    - A variable whose name holds PASS, SECRET, KEY, TOKEN or DBCONN is secret, and so is its value
      wherever else it stands, when it is long enough to be told from a word.
    - What a client says in a login is never kept: neither behind AUTH nor on the lines after it.
    - What is taken away is replaced by a mark, so that a reader sees that something was there.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

HIDDEN = b"(hidden)"
VALUE_BYTES_MIN = 4  # shorter values are words like `1` and `yes`
_SECRET_WORDS = (b"PASS", b"SECRET", b"KEY", b"TOKEN", b"DBCONN")
_WORDS = rb"(?:PASS|SECRET|KEY|TOKEN|DBCONN)"
_ASSIGNED = re.compile(
    rb"(?i)\b([A-Z0-9_]*" + _WORDS + rb"[A-Z0-9_]*)=(\"[^\"]*\"?|'[^']*'?|[^\s,;\"']+)"
)
# RFC 5321, 4.5.1 and the extensions: what a person may read of a command that was refused.
_VERBS = frozenset(
    b"HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY EXPN HELP STARTTLS XCLIENT XFORWARD ETRN BDAT "
    b"TURN SEND SOML SAML GET POST PUT HEAD CONNECT OPTIONS".split()
)
_PLAIN_WORD = re.compile(rb"[A-Za-z]{1,7}[!?.]?")
_SHOWN_BYTES = 2


def is_secret_name(name: bytes) -> bool:
    """Tell whether a variable of this name holds a secret."""
    upper = name.upper()
    return any(word in upper for word in _SECRET_WORDS)


def secret_values(environment: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """Return the values that must not appear, longest first."""
    values = {
        value
        for name, value in environment.items()
        if is_secret_name(name) and len(value) >= VALUE_BYTES_MIN
    }
    return tuple(sorted(values, key=len, reverse=True))


def redact(text: bytes, secrets: Iterable[bytes] = ()) -> bytes:
    """Hide the values of secret names in `NAME="value"`, and the values given."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if b"=" not in text:
        return text
    return _ASSIGNED.sub(lambda match: match[1] + b'="' + HIDDEN + b'"', text)


def redact_rule(text: str) -> str:
    """Hide the values of secret names in a line of tcp rules, whatever quotes them (tcprules)."""
    if "=" not in text:
        return text
    return _IN_RULE.sub(rf"\1=\2{HIDDEN.decode()}\2", text)


_IN_RULE = re.compile(rf"(?i)([A-Z0-9_]*{_WORDS.decode()}[A-Z0-9_]*)=(.).*?(?:\2|$)")


def safe_command(line: bytes, mark: bytes = HIDDEN) -> bytes:
    """Return what may be kept of a command that was not understood or not in its place.

    A client that logs in where it may not sends its name and password as commands: a word that is
    no verb and no plain word is cut to its first bytes.
    """
    verb, _blank, rest = line.partition(b" ")
    upper = verb.upper()
    if upper == b"AUTH":
        mechanism, _blank, response = rest.strip().partition(b" ")
        is_mechanism = mechanism.upper() in _MECHANISMS
        shown = b"AUTH " + mechanism if is_mechanism else b"AUTH"
        is_hidden = bool(response) or (shown == b"AUTH" and bool(rest))
        return shown + b" " + mark if is_hidden else shown
    if upper in _VERBS:
        return line
    if _PLAIN_WORD.fullmatch(verb):
        return verb + (b" " + mark if rest else b"")
    return verb[:_SHOWN_BYTES] + mark


# Of the IANA's list, what clients try; anything else may be the response itself.
_MECHANISMS = frozenset(
    b"PLAIN LOGIN CRAM-MD5 DIGEST-MD5 NTLM GSSAPI EXTERNAL ANONYMOUS XOAUTH2 OAUTHBEARER "
    b"SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS".split()
)


def hide_login(source: str) -> str:
    """Hide name and password of a relay in the line of smtproutes, behind its place.

    Branches write them behind a blank or `|`: `x:relay:port name password`, `x:relay|name|word`;
    people behind a colon, or in front of an `@`. What is no relay and port is hidden.
    """
    where, blank, line = source.partition(" ")
    domain, colon, relay = line.strip().partition(":")
    shown = safe_relay(relay)
    if not blank or shown == relay:
        return source
    return f"{where} {domain}{colon}{shown}"


def safe_relay(relay: str) -> str:
    """Return what may be shown of a relay: host and port, and a mark for whatever follows."""
    found = _RELAY.match(relay)
    end = found.end() if found else 0
    return relay if end == len(relay) else f"{relay[:end]} {HIDDEN.decode()}".lstrip()


# Host and port; an IPv6 address that lacks its brackets; or a host with something behind it. What
# is plainly meant as a port (a service's name, a number with a slip) is shown, to be mended.
_RELAY = re.compile(
    r"(?:\[[0-9A-Fa-f:.]*\]|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?=$|[\s|])|[^\s|:;@\[\]]*"
    r"(?=$|[\s|:;]))(?:[:;](?:[0-9]{0,5}|[0-9]{1,4}[A-Za-z]|(?i:port|smtps?|submissions?))"
    r"(?=$|[\s|:;]))?"
)


def safe_setting(name: str, line: bytes) -> bytes:
    """Return what may be shown of a line of a control file; for lists that people pass on."""
    hide = _OF_SETTINGS.get(name)
    if hide is None:
        return line
    shown = hide(line.decode("utf-8", "surrogateescape"))
    return shown.encode("utf-8", "surrogateescape")


def _safe_route(line: str) -> str:
    domain, colon, relay = line.partition(":")
    return domain + colon + safe_relay(relay) if colon else safe_relay(line)


def _safe_database(line: str) -> str:
    return _DATABASE_PASSWORD.sub(rf"\1{HIDDEN.decode()}", line)


_DATABASE_PASSWORD = re.compile(r"(:/{0,2}[^:@/]*:).*(?=@)|(?<=[?&])(pass[a-z]*=)[^&]*")
_OF_SETTINGS: dict[str, Callable[[str], str]] = {
    "smtproutes": _safe_route,
    "tcp.smtp": redact_rule,
    "accountsdb": _safe_database,
}


def safe_login_name(name: bytes) -> bytes:
    """Return what may be kept of the name in a login that nobody here goes by.

    Who types a password where the name belongs has written it into every log: only an address is
    kept, and of anything else the beginning.
    """
    return name if _ADDRESS.fullmatch(name) else name[:_SHOWN_BYTES] + HIDDEN


_ADDRESS = re.compile(rb"[A-Za-z0-9._+=-]{1,64}[@%][A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,9}")


@lru_cache(maxsize=256)  # every delivery of a user tells the same few lines
def safe_arguments(command: bytes) -> bytes:
    """Hide what a command line names as a secret: `--password=x`, `-secret x`, `TOKEN=x`.

    The blanks between `|` and the command, which the shell skips, are not told either.
    """
    return redact(_OPTION.sub(rb"\1" + HIDDEN, command.lstrip(b" \t")))


_OPTION = re.compile(
    rb"(?i)((?:^|[\s;|&(])--?[A-Z0-9_-]*" + _WORDS + rb"[A-Z0-9_-]*(?:[ \t]+|=))"
    rb"(\"[^\"]*\"?|'[^']*'?|[^\s;|&\"']+)"
)
