"""Where passwords are kept, and whether one is right: vpopmail's mailboxes, AUTH_CDB, the system.

Purpose:
    `find_secret` finds what a name's password is checked against; it only reads files. `judge`
    compares, which takes milliseconds: the keeper calls it in a thread. Programs of
    control/checkpassword are the keeper's (daemons/keeper_logins).

Always:
    - A name that does not exist costs what a wrong password costs, and is told the same.
    - Whether a mailbox may use SMTP is looked at after its password was right.
    - What cannot be read is "cannot tell", never "wrong password".
    - root logs in nowhere.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from glassmail.core.ask import LoginFact
from glassmail.core.formats import auth_cdb, shadow
from glassmail.core.formats.cdb import CdbError
from glassmail.core.formats.control import show
from glassmail.core.formats.vpasswd import Flag
from glassmail.core.model.outcome import Outcome
from glassmail.core.model.system_errors import error_text, words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.policy.login import account_name
from glassmail.core.protocol import sasl
from glassmail.core.protocol.sasl import Attempt
from glassmail.core.route.rewrite import Channel, RoutingTables, route
from glassmail.stations.accounts import find_mailbox
from glassmail.stations.domain_flags import effective_flags
from glassmail.stations.system_users import look_up
from glassmail.stations.users import UserSources, find_user
from glassmail.store import lastauth
from glassmail.store.cdb import Cdb
from glassmail.store.control import Snapshot
from glassmail.store.maildir import make_mailbox
from glassmail.store.passwords import verify

SHADOW = "/etc/shadow"
SCRAM_ITERATIONS = 4_096  # RFC 7677, 4
_DAY_S = 86_400
_SALT_KEY = secrets.token_bytes(32)  # of this process: salts need not be the same after a restart


@dataclass(frozen=True, slots=True)
class LoginSources:
    """What logins rest on.

    Attributes:
        order: control/smtpauth.
        tables: routing tables, which name the virtual domains.
        users: users/cdb.
        default_domain: of a name without one.
        cdb: opens AUTH_CDB.
        shadow: path of the system's passwords.
    """

    order: tuple[bytes, ...]
    tables: RoutingTables
    users: UserSources
    default_domain: bytes
    cdb: Callable[[bytes], Cdb]
    shadow: str = SHADOW


def sources_of_logins(
    snapshot: Snapshot, tables: RoutingTables, users: UserSources, cdb: Callable[[bytes], Cdb]
) -> LoginSources:
    """Name the sources that a site's settings want."""
    order = tuple(snapshot.table("smtpauth").entries)
    return LoginSources(order, tables, users, snapshot.line("defaultdomain"), cdb)


class Secret(NamedTuple):
    """What a password is checked against.

    Attributes:
        answer: YES, NO for a name that is not there, UNKNOWN when nobody can tell.
        user: the account's own name.
        source: where it stands, or why nobody can tell.
        hashed: of crypt(3) or argon2; clear: the password itself where it is kept.
        refusal: why the right password is not enough: `not allowed`, `password expired`.
        environment: variables for the session.
        directory: the mailbox's, empty for none.
    """

    answer: str
    user: bytes
    source: str
    hashed: bytes = b""
    clear: bytes = b""
    refusal: str = ""
    environment: tuple[tuple[bytes, bytes], ...] = ()
    may_relay: bool = True
    directory: bytes = b""


def find_secret(user: bytes, sources: LoginSources, path: bytes, now: int) -> Secret:
    """Find a name in AUTH_CDB, else in the sources of control/smtpauth in their order.

    Args:
        user: as the client wrote it.
        sources: where to look.
        path: AUTH_CDB, empty for none.
        now: seconds since 1970.

    Returns:
        What was found; a source `checkpassword` when its program is to be asked.
    """
    if path:
        return _in_cdb(user, sources.cdb(path), f"AUTH_CDB {show(path)}", now)
    found = Secret(NO, user, "control/smtpauth (nobody logs in)")
    for word in sources.order:
        if word == b"vpopmail":
            found = _in_vpopmail(user, sources)
        elif word == b"system":
            found = _in_system(user, sources, now)
        else:
            return Secret(YES, user, "checkpassword")
        if found.answer != NO:
            return found
    return found


def own_name(user: bytes, default_domain: bytes) -> tuple[bytes, bytes]:
    """Part a login name as vpopmail does: at the first `@`, `%` or `/`."""
    name, _at, domain = account_name(user).partition(b"@")
    return name, domain or default_domain.lower()


def _in_vpopmail(user: bytes, sources: LoginSources) -> Secret:
    local, domain = own_name(user, sources.default_domain)
    address = local + b"@" + domain
    destination = route(address, sources.tables)
    if destination.channel is Channel.REMOTE or not destination.prepend:
        return Secret(NO, address, "control/virtualdomains (no domain of ours)")
    found = find_user(destination.address.rpartition(b"@")[0], sources.users)
    if found.user is None or found.user.ext != local:
        if found.report is not None and found.report.outcome is Outcome.DEFERRAL:
            return Secret(UNKNOWN, address, found.steps[-1].source)
        return Secret(NO, address, "users/cdb (no such domain)")
    mailbox = find_mailbox(found.user.home, local)
    account = mailbox.account
    if account is None:
        return Secret(mailbox.answer, address, mailbox.source)
    if b"." in found.user.name:  # an alias domain leads to the real one (vget_assign)
        address = local + b"@" + found.user.name
    flags = effective_flags(account.flags, found.user.home).flags  # with the domain's limits
    return Secret(
        YES, address, mailbox.source, account.crypted, account.clear,
        "not allowed" if flags & Flag.NO_SMTP else "",
        may_relay=not flags & Flag.NO_RELAY, directory=account.directory,
    )  # fmt: skip


def _in_cdb(user: bytes, cdb: Cdb, name: str, now: int) -> Secret:
    try:
        file = cdb.current()
        if file is None:
            return Secret(UNKNOWN, user, f"{name}: no such file")
        value = file.find(user)
    except OSError as error:
        return Secret(UNKNOWN, user, f"{name}: {error_text(error).decode()}")
    except CdbError as error:
        return Secret(UNKNOWN, user, str(error))
    if value is None:
        return Secret(NO, user, name)
    record = auth_cdb.parse(value)
    is_late = bool(record.expires) and now >= record.expires
    return Secret(
        YES, user, name, record.hashed,
        refusal="password expired" if is_late else "", environment=record.environment,
    )  # fmt: skip


def _in_system(user: bytes, sources: LoginSources, now: int) -> Secret:
    name, _domain = own_name(user, b"")
    if b"@" in user and _domain != sources.default_domain.lower():
        return Secret(NO, user, "the system's accounts have no domain")
    try:
        account = look_up(name)
        if account is None:
            return Secret(NO, name, "password database (no such account)")
        with open(sources.shadow, "rb") as file:
            line = shadow.find(file.read(), name, now // _DAY_S)
    except OSError as error:
        reason = f"{words_of(error)}: the keeper must run as root to read it"
        return Secret(UNKNOWN, name, f"{sources.shadow}: {reason}")
    if line is None:
        return Secret(NO, name, f"{sources.shadow} (no such account)")
    refusal = "password expired" if line.is_expired else ""
    if account.uid == 0:
        refusal = "not allowed"
    return Secret(YES, name, sources.shadow, line.hashed, refusal=refusal)


def judge(attempt: Attempt, secret: Secret) -> LoginFact:
    """Compare what a client said with what is known; takes some milliseconds.

    Raises:
        PasswordError: this system has no crypt(3).
    """
    if secret.answer == UNKNOWN:
        return LoginFact(UNKNOWN, secret.user, secret.source)
    if attempt.mechanism == sasl.SCRAM_SALT:
        salt = base64.b64encode(_salt(attempt.user))
        return LoginFact(YES, secret.user, secret.source, data=b"%d,%b" % (SCRAM_ITERATIONS, salt))
    data = b""
    if attempt.mechanism == sasl.CRAM_MD5:
        is_right = _is_digest(attempt, secret)
    elif attempt.mechanism == sasl.SCRAM_SHA_256:
        is_right, data = _is_proof(attempt, secret)
    else:
        is_right = verify(attempt.first, secret.hashed or None if secret.answer == YES else None)
    if secret.answer == NO:
        return LoginFact(NO, secret.user, secret.source, "unknown user")
    if not is_right:
        return LoginFact(NO, secret.user, secret.source, "bad password", exists=True)
    return accepted(secret, data)


def accepted(secret: Secret, data: bytes = b"") -> LoginFact:
    """Make the answer for a password that is right."""
    if secret.refusal:
        return LoginFact(NO, secret.user, secret.source, secret.refusal, exists=True)
    environment, may_relay = secret.environment, secret.may_relay
    return LoginFact(YES, secret.user, secret.source, "", data, environment, may_relay)


def _is_digest(attempt: Attempt, secret: Secret) -> bool:
    made = hmac.new(secret.clear, attempt.first, "md5").hexdigest().encode("ascii")
    # A blank password is no secret: everybody could make its digest.
    return hmac.compare_digest(made, attempt.second) and bool(secret.clear)


def _is_proof(attempt: Attempt, secret: Secret) -> tuple[bool, bytes]:
    salted = hashlib.pbkdf2_hmac("sha256", secret.clear, _salt(attempt.user), SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    signature = hmac.digest(stored, attempt.first, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), attempt.first, "sha256")
    is_right = hmac.compare_digest(proof, attempt.second) and bool(secret.clear)
    return is_right, base64.b64encode(server)


def _salt(user: bytes) -> bytes:
    # By the name as the client wrote it, so that names that do not exist have one, too.
    return hmac.digest(_SALT_KEY, user, "sha256")[:16]


def remember_login(directory: bytes, client: bytes) -> None:
    """Write the mailbox's `lastauth`, as vpopmail does: the client's address, now.

    An account whose directory is not there yet gets it, as at its first delivery (vchkpw.c).
    """
    if os.geteuid() == 0:
        return  # root writes nothing where somebody else could have put a link
    try:
        try:
            lastauth.record(directory, client)
        except FileNotFoundError:
            make_mailbox(directory)
            lastauth.record(directory, client)
    except OSError:
        return  # a link in its place, a full disk: nothing depends on it
