"""Where a login's password is found, and how it is judged."""

import base64
import hashlib
import hmac
import os
import time
from dataclasses import replace

import pytest

from glassmail.admin import accounts, domain_files
from glassmail.admin.accounts import Site
from glassmail.core.formats import cdb, vpasswd
from glassmail.core.formats.vpasswd import Flag
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.protocol import sasl
from glassmail.core.protocol.sasl import Attempt
from glassmail.stations import logins, system_users
from glassmail.stations.login_verifiers import verified_mechanisms
from glassmail.stations.logins import LoginSources, Secret, find_secret, judge, own_name
from glassmail.stations.resolve import sources_of
from glassmail.stations.routing import routing_tables
from glassmail.stations.system_users import Account
from glassmail.store.cdb import Cdb
from glassmail.store.control import take_snapshot
from glassmail.store.passwords import hash_password
from tests.admin.site import make

TAMMY = b"tammy@example.test"
NOW = 1_795_000_000


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def sources(place, *order, shadow="/nowhere"):
    snapshot = take_snapshot(place.control)
    return LoginSources(
        order or (b"vpopmail",),
        routing_tables(snapshot),
        sources_of(place),
        b"example.test",
        lambda path: Cdb(os.path.join(place.root, os.fsdecode(path))),
        str(shadow),
    )


def domain(place, name="example.test"):
    return os.path.join(place.domains, name)


def rewrite(place, change, name="example.test"):
    """Change every mailbox of a domain as an editor would: in the text, without its cdb."""
    path = os.path.join(domain(place, name), "vpasswd")
    with open(path, "rb") as file:
        parsed = vpasswd.parse(file.read())
    with open(path, "wb") as file:
        file.write(vpasswd.render([change(account) for account in parsed.accounts.values()]))
    later = time.time() + 5
    os.utime(path, (later, later))


def log_in(place, user, password, *order, mechanism=sasl.PLAIN, **more):
    secret = find_secret(user, sources(place, *order, **more), b"", NOW)
    return judge(Attempt(mechanism, user, password), secret)


@pytest.mark.parametrize(
    "user", [TAMMY, b"TAMMY@Example.TEST", b"tammy%example.test", b"tammy/example.test", b"tammy"]
)
def test_a_mailbox_logs_in(place, user):
    fact = log_in(place, user, b"secret")
    assert (fact.answer, fact.user, fact.may_relay) == (YES, TAMMY, True)
    assert "vpasswd" in fact.source


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (TAMMY, "bad password"),
        (b"nobody@example.test", "unknown user"),
        (b"tammy-ext@example.test", "unknown user"),
        (b"tammy@elsewhere.test", "unknown user"),
        (b"tammy@mx.example.test", "unknown user"),
        (b"../tammy@example.test", "unknown user"),
        (b"@example.test", "unknown user"),
    ],
)
def test_who_does_not(place, user, reason):
    fact = log_in(place, user, b"wrong")
    assert (fact.answer, fact.reason) == (NO, reason)


def test_an_alias_domain_logs_in_as_the_real_one(place):
    site = Site(place, (os.geteuid(), os.getegid()))
    if hasattr(accounts, "add_alias_domain"):
        accounts.add_alias_domain(site, b"example.test", b"alias.test")
    else:
        directory = os.fsencode(domain(place))
        line = b"+alias.test-:example.test:%d:%d:%b:-::" % (os.geteuid(), os.getegid(), directory)
        domain_files.add_assignments(place, [line])
        with open(os.path.join(place.control, "virtualdomains"), "ab") as file:
            file.write(b"alias.test:alias.test\n")
    fact = log_in(place, b"tammy@alias.test", b"secret")
    assert (fact.answer, fact.user) == (YES, TAMMY)


def test_a_mailbox_without_smtp_is_refused_after_its_password(place):
    rewrite(place, lambda account: account._replace(flags=Flag.NO_SMTP))
    assert log_in(place, TAMMY, b"secret").reason == "not allowed"
    assert log_in(place, TAMMY, b"wrong").reason == "bad password"


def test_a_mailbox_without_relay_logs_in_but_does_not_relay(place):
    rewrite(place, lambda account: account._replace(flags=Flag.NO_RELAY))
    fact = log_in(place, TAMMY, b"secret")
    assert (fact.answer, fact.may_relay) == (YES, False)


def test_a_domain_of_a_user_that_this_server_does_not_work_for_is_cannot_tell(place):
    theirs = sources(place)
    theirs = replace(theirs, users=replace(theirs.users, only_uid=os.geteuid() + 1))
    secret = find_secret(TAMMY, theirs, b"", NOW)
    assert secret.answer == UNKNOWN
    assert f"this is uid {os.geteuid()}" in secret.source


def test_a_closed_domain_is_cannot_tell(place):
    path = os.path.join(domain(place), "vpasswd")
    with open(path, "wb") as file:
        file.write(b"tammy:broken\n")
    os.unlink(path + ".cdb")
    fact = log_in(place, TAMMY, b"secret")
    assert fact.answer == UNKNOWN
    assert "vpasswd:1" in fact.source


def test_nobody_is_asked_when_there_is_no_source(place):
    empty = sources(place)
    empty = LoginSources((), empty.tables, empty.users, b"", empty.cdb)
    assert find_secret(TAMMY, empty, b"", NOW).answer == NO


def test_checkpassword_is_left_to_the_keeper(place):
    found = find_secret(b"x@other.test", sources(place, b"vpopmail", b"checkpassword"), b"", NOW)
    assert (found.answer, found.source) == (YES, "checkpassword")


# --- AUTH_CDB ---------------------------------------------------------------------------------


@pytest.mark.covers("rule-variable/AUTH_CDB")
def test_auth_cdb(place):
    hashed = hash_password(b"cdb secret")
    records = [
        (b"joe", hashed + b',DATABYTES="0"'),
        (b"late", hashed + b',PASSWORD_EXPIRES="%d"' % NOW),
        (b"soon", hashed + b',PASSWORD_EXPIRES="%d"' % (NOW + 1)),
    ]
    with open(os.path.join(place.root, "users", "auth.cdb"), "wb") as file:
        file.write(cdb.render(records))

    def ask(user, password=b"cdb secret", path=b"users/auth.cdb"):
        secret = find_secret(user, sources(place), path, NOW)
        return judge(Attempt(sasl.PLAIN, user, password), secret)

    assert ask(b"joe").environment == ((b"DATABYTES", b"0"),)
    assert ask(b"joe", b"x").reason == "bad password"
    assert ask(b"late").reason == "password expired"
    assert ask(b"soon").answer == YES
    assert ask(TAMMY, b"secret").reason == "unknown user"  # control/smtpauth is not asked
    assert ask(b"joe", path=b"users/gone.cdb").answer == UNKNOWN


# --- the system -------------------------------------------------------------------------------


@pytest.fixture
def shadow(tmp_path, monkeypatch):
    uids = {b"joe": 1_000, b"old": 1_001, b"root": 0, b"locked": 1_002, b"gone": 1_003}
    monkeypatch.setattr(
        logins, "look_up",
        lambda name: Account(name, uids[name], 1_000, b"/home/x") if name in uids else None,
    )  # fmt: skip
    hashed = hash_password(b"secret")
    path = tmp_path / "shadow"
    path.write_bytes(b"".join(
        b"%b:%b:%d:0:99999:7:::\n" % line
        for line in (
            (b"joe", hashed, 19_000), (b"old", hashed, 0), (b"root", hashed, 19_000),
            (b"locked", b"!" + hashed, 19_000),
        )
    ))  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("user", "answer", "reason"),
    [
        (b"joe", YES, ""),
        (b"JOE", YES, ""),
        (b"joe@example.test", YES, ""),
        (b"joe@other.test", NO, "unknown user"),
        (b"old", NO, "password expired"),
        (b"root", NO, "not allowed"),
        (b"locked", NO, "bad password"),
        (b"gone", NO, "unknown user"),
        (b"nobody-there", NO, "unknown user"),
    ],
)
def test_system_users(place, shadow, user, answer, reason):
    fact = log_in(place, user, b"secret", b"system", shadow=shadow)
    assert (fact.answer, fact.reason) == (answer, reason)


def test_closed_shadow_is_cannot_tell(place, monkeypatch):
    monkeypatch.setattr(logins, "look_up", lambda name: Account(name, 1_000, 1_000, b"/"))
    fact = log_in(place, b"joe", b"secret", b"system", shadow="/nowhere/shadow")
    assert fact.answer == UNKNOWN
    assert "root" in fact.source
    assert system_users.look_up(b"") is None


def test_sources_are_asked_in_their_order(place, shadow):
    order = (b"vpopmail", b"system")
    assert log_in(place, b"joe", b"secret", *order, shadow=shadow).user == b"joe"
    assert log_in(place, b"tammy", b"secret", *order, shadow=shadow).user == TAMMY


# --- digests and proofs -----------------------------------------------------------------------


def digest(clear, challenge=b"<1.2@mx>"):
    made = hmac.new(clear, challenge, "md5").hexdigest().encode()
    return Attempt(sasl.CRAM_MD5, TAMMY, challenge, made)


def test_cram():
    secret = Secret(YES, TAMMY, "vpasswd", b"", b"secret")
    assert judge(digest(b"secret"), secret).answer == YES
    assert judge(digest(b"other"), secret).answer == NO
    assert judge(digest(b""), Secret(YES, TAMMY, "vpasswd")).answer == NO  # a blank is no secret
    assert judge(digest(b""), Secret(NO, TAMMY, "vpasswd")).reason == "unknown user"


def proof(clear, salt, rounds, message):
    salted = hashlib.pbkdf2_hmac("sha256", clear, salt, rounds)
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    return bytes(a ^ b for a, b in zip(key, signature, strict=True)), server


def test_scram():
    secret = Secret(YES, TAMMY, "vpasswd", b"", b"secret")
    asked = judge(Attempt(sasl.SCRAM_SALT, TAMMY), secret)
    rounds, salt = asked.data.split(b",")
    unknown = judge(Attempt(sasl.SCRAM_SALT, TAMMY), Secret(NO, TAMMY, "vpasswd"))
    assert unknown.data == asked.data  # nobody learns who exists
    mine, server = proof(b"secret", base64.b64decode(salt), int(rounds), b"message")
    fact = judge(Attempt(sasl.SCRAM_SHA_256, TAMMY, b"message", mine), secret)
    assert (fact.answer, base64.b64decode(fact.data)) == (YES, server)
    assert judge(Attempt(sasl.SCRAM_SHA_256, TAMMY, b"massage", mine), secret).answer == NO
    blank, _ = proof(b"", base64.b64decode(salt), int(rounds), b"message")
    attempt = Attempt(sasl.SCRAM_SHA_256, TAMMY, b"message", blank)
    assert judge(attempt, Secret(YES, TAMMY, "vpasswd")).answer == NO


def test_verifiers_count_only_where_every_account_has_one(place):
    assert verified_mechanisms(sources(place)) == ()
    rewrite(place, lambda account: account._replace(clear=b"secret"))
    assert verified_mechanisms(sources(place)) == (sasl.CRAM_MD5, sasl.SCRAM_SHA_256)
    assert verified_mechanisms(sources(place, b"vpopmail", b"system")) == ()
    rewrite(place, lambda account: account._replace(clear=b"" if account.name == b"bob" else b"x"))
    assert verified_mechanisms(sources(place)) == ()


def test_lastauth(place, monkeypatch):
    directory = os.fsencode(os.path.join(domain(place), "tammy"))
    monkeypatch.setattr(logins.os, "geteuid", lambda: 1_000)
    logins.remember_login(directory, b"192.0.2.7")
    with open(os.path.join(directory, b"lastauth"), "rb") as file:
        assert file.read() == b"192.0.2.7"
    fresh = directory + b"2"  # an account that nobody has written to yet
    logins.remember_login(fresh, b"192.0.2.8")
    with open(os.path.join(fresh, b"lastauth"), "rb") as file:
        assert file.read() == b"192.0.2.8"
    assert sorted(os.listdir(os.path.join(fresh, b"Maildir"))) == [b"cur", b"new", b"tmp"]
    logins.remember_login(directory + b"/not/there", b"192.0.2.7")
    os.unlink(os.path.join(directory, b"lastauth"))
    os.symlink("/nowhere", os.path.join(directory, b"lastauth"))
    logins.remember_login(directory, b"192.0.2.7")  # a link is not followed
    monkeypatch.setattr(logins.os, "geteuid", lambda: 0)
    os.unlink(os.path.join(directory, b"lastauth"))
    logins.remember_login(directory, b"192.0.2.7")
    assert not os.path.exists(os.path.join(directory, b"lastauth"))


def test_own_name():
    assert own_name(b"Joe%Example.test", b"d") == (b"joe", b"example.test")
    assert own_name(b"joe", b"D.test") == (b"joe", b"d.test")
