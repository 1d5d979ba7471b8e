"""Logins over the keeper's socket, with real hashes, threads and programs."""

import hmac
import os
import stat
import time

import msgspec
import pytest

from glassmail.core.formats import vpasswd
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.daemons import keeper_logins
from glassmail.net.blocking import connect
from glassmail.net.messages import AskVerified, Failed, LoggedIn, LogIn, Verified, encode
from tests.admin.site import make
from tests.daemons.test_keeper import Keeper, context  # noqa: F401 (a fixture)
from tests.forked import as_nobody

DECODE = msgspec.msgpack.Decoder(LoggedIn | Verified | Failed).decode
TAMMY = b"tammy@example.test"


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def attempt(ref, user, password, mechanism=b"PLAIN", second=b""):
    return LogIn(ref, mechanism, user, password, second, b"192.0.2.7", b"")


def ask(place, *messages):
    """Send all at once; return the answers in the order of the questions."""
    channel = connect(place.keeper_socket)
    try:
        for message in messages:
            channel.send(encode(message))
        answers = [DECODE(channel.receive()[0]) for _ in messages]
    finally:
        channel.close()
    return sorted(answers, key=lambda answer: getattr(answer, "ref", 0))


def program(place, text):
    path = os.path.join(place.root, "check")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, stat.S_IRWXU)
    write(place, "checkpassword", f"{path} /bin/true\n")
    write(place, "smtpauth", "vpopmail\ncheckpassword\n")


def write(place, name, text):
    with open(os.path.join(place.control, name), "w", encoding="ascii") as file:
        file.write(text)


@pytest.mark.covers("control/smtpauth")
def test_logins(place, context):  # noqa: F811
    with Keeper(context):
        right, wrong, nobody, again = ask(
            place,
            attempt(1, TAMMY, b"secret"),
            attempt(2, TAMMY, b"wrong"),
            attempt(3, b"nobody@example.test", b"secret"),
            attempt(4, b"tammy%example.test", b"secret", b"LOGIN"),
        )
    assert (right.answer, right.user, right.may_relay) == (YES, TAMMY, True)
    assert (wrong.answer, wrong.reason) == (NO, "bad password")
    assert (nobody.answer, nobody.reason) == (NO, "unknown user")
    assert again.answer == YES


def test_a_changed_password_counts_at_once(place, context):  # noqa: F811
    path = os.path.join(place.domains, "example.test", "vpasswd")
    with Keeper(context):
        assert ask(place, attempt(1, TAMMY, b"secret"))[0].answer == YES
        with open(path, "rb") as file:
            accounts = vpasswd.parse(file.read()).accounts
        changed = accounts[b"tammy"]._replace(crypted=accounts[b"bob"].crypted)
        with open(path, "wb") as file:
            file.write(vpasswd.render([changed]))
        later = time.time() + 5
        os.utime(path, (later, later))
        old, new = ask(place, attempt(1, TAMMY, b"secret"), attempt(2, TAMMY, b"other"))
    assert (old.answer, new.answer) == (NO, YES)


def test_a_right_password_is_known_for_a_while(place, context, monkeypatch):  # noqa: F811
    judged = []

    def judge(attempt, secret):
        judged.append(attempt.first)
        return real(attempt, secret)

    real = keeper_logins.judge
    monkeypatch.setattr(keeper_logins, "judge", judge)
    with Keeper(context):
        for password in (b"secret", b"secret", b"wrong", b"secret", b"wrong"):
            ask(place, attempt(1, TAMMY, password))
    assert judged == [b"secret", b"wrong", b"wrong"]


@pytest.mark.covers("control/checkpassword")
def test_checkpassword(place, context):  # noqa: F811
    # What comes on descriptor 3 is the protocol of checkpassword; the rest is not told.
    said = os.path.join(place.root, "said")
    program(
        place,
        f"tr '\\0' '|' <&3 >{said}; env | cut -d= -f1 | sort | tr '\\n' ' ' >>{said}; "
        f"grep -q 'joe@else.test|pass word|' {said}",
    )
    with Keeper(context):
        (right,) = ask(place, attempt(1, b"joe@else.test", b"pass word"))
        with open(said, encoding="ascii") as file:
            text = file.read()
        assert text.startswith("joe@else.test|pass word||")
        assert set(text.partition("||")[2].split()) <= {"PATH", "PWD", "SHLVL", "OLDPWD", "_"}
        assert right.answer == YES
        assert ask(place, attempt(1, TAMMY, b"secret"))[0].source != right.source  # vpopmail first


@pytest.mark.parametrize(
    ("text", "answer", "source"),
    [
        ("exit 1", NO, "exit code 1"),
        ("exit 20", NO, "exit code 20"),
        ("exit 111", UNKNOWN, "exit code 111"),
        ("exit 2", UNKNOWN, "exit code 2"),
        ("kill -9 $$", UNKNOWN, "signal 9"),
    ],
)
def test_how_checkpassword_ends(place, context, text, answer, source):  # noqa: F811
    program(place, text)
    with Keeper(context):
        (found,) = ask(place, attempt(1, b"joe@else.test", b"x"))
    assert found.answer == answer
    assert source in found.source


@pytest.mark.parametrize("text", ["exit 0", "exec /bin/true"])
def test_a_program_that_says_yes_to_everybody_opens_nothing(place, context, text):  # noqa: F811
    program(place, text)
    with Keeper(context):
        (found,) = ask(place, attempt(1, b"joe@else.test", b"x"))
    assert found.answer == UNKNOWN
    assert found.source.endswith("it says yes to every password")


def test_a_program_that_is_not_there(place, context):  # noqa: F811
    write(place, "smtpauth", "checkpassword\n")
    write(place, "checkpassword", "/nowhere/vchkpw\n")
    with Keeper(context):
        (found,) = ask(place, attempt(1, b"joe", b"x"))
    assert found.answer == UNKNOWN
    assert found.source.startswith("/nowhere/vchkpw: ")


def test_no_program_named(place, context):  # noqa: F811
    write(place, "smtpauth", "checkpassword\n")
    with Keeper(context):
        (found,) = ask(place, attempt(1, b"joe", b"x"))
    assert (found.answer, found.source) == (UNKNOWN, "control/checkpassword names no program")


def test_cram_with_clear_passwords(place, context):  # noqa: F811
    path = os.path.join(place.domains, "example.test", "vpasswd")
    with open(path, "rb") as file:
        accounts = vpasswd.parse(file.read()).accounts.values()
    with open(path, "wb") as file:
        file.write(vpasswd.render([a._replace(clear=b"clear") for a in accounts]))
    os.utime(path, (time.time() + 5,) * 2)
    digest = hmac.new(b"clear", b"<1@x>", "md5").hexdigest().encode()
    with Keeper(context):
        found, wrong = ask(
            place,
            attempt(1, TAMMY, b"<1@x>", b"CRAM-MD5", digest),
            attempt(2, TAMMY, b"<2@x>", b"CRAM-MD5", digest),
        )
        (verified,) = ask(place, AskVerified())
    assert (found.answer, wrong.answer) == (YES, NO)
    assert verified.mechanisms == (b"CRAM-MD5", b"SCRAM-SHA-256")


def test_too_many_at_once(place, context, monkeypatch):  # noqa: F811
    monkeypatch.setattr(keeper_logins, "LOGINS_WAITING_MAX", 1)
    with Keeper(context):
        answers = ask(place, *(attempt(n, TAMMY, b"wrong%d" % n) for n in range(1, 6)))
    assert answers[0].answer == NO
    assert "wait to be checked" in answers[-1].source


def test_lookups_go_on_while_passwords_are_checked(place, context):  # noqa: F811
    from glassmail.net.messages import Found, Lookup

    decode = msgspec.msgpack.Decoder(LoggedIn | Found).decode
    with Keeper(context):
        channel = connect(place.keeper_socket)
        for number in range(50):
            channel.send(encode(attempt(number, TAMMY, b"wrong")))
        channel.send(encode(Lookup(99, TAMMY)))
        kinds = [type(decode(channel.receive()[0])) for _ in range(51)]
        channel.close()
    assert kinds.index(Found) < 10


def test_a_site_that_was_started_below_nice_judges_logins_too():
    assert as_nobody(keeper_logins._yield_to_others, before=lambda: os.nice(10)) == 0
