import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.control import parse_map
from glassmail.core.formats.database_address import AddressError
from glassmail.core.formats.database_address import parse as parse_address
from glassmail.core.formats.smtproutes import RelayError, parse_relay
from glassmail.core.formats.tcp_rules import TcpRulesError, parse
from glassmail.core.model.redaction import (
    HIDDEN,
    hide_login,
    is_secret_name,
    redact,
    redact_rule,
    safe_arguments,
    safe_command,
    safe_login_name,
    safe_setting,
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
        # a slip in the port is shown, so that it can be seen
        *((f"control/smtproutes:2 x.test:relay:{port}",) * 2
          for port in ("port", "smtp", "Submission", "25x")),
        ("control/smtproutes:2 x.test:relay:smtp:c4nary",
         "control/smtproutes:2 x.test:relay:smtp (hidden)"),
        ("control/smtproutes:2 x.test:relay:c4nary", "control/smtproutes:2 x.test:relay (hidden)"),
        ("control/smtproutes:2 x.test:relay:25 joe c4nary",
         "control/smtproutes:2 x.test:relay:25 (hidden)"),
        ("control/smtproutes:2 x.test:r|joe|c4nary", "control/smtproutes:2 x.test:r (hidden)"),
        ("control/smtproutes:2 x.test:r:25:joe:c4nary",
         "control/smtproutes:2 x.test:r:25 (hidden)"),
        ("control/smtproutes:2 x.test:r:joe:c4nary", "control/smtproutes:2 x.test:r (hidden)"),
        ("control/smtproutes:2 x.test:joe:c4nary@r", "control/smtproutes:2 x.test:joe (hidden)"),
        ("control/smtproutes:2 x.test:c4nary@r", "control/smtproutes:2 x.test:(hidden)"),
        ("control/smtproutes:2 x.test:r;c4nary", "control/smtproutes:2 x.test:r (hidden)"),
        ("control/smtproutes:2 x.test:[::1]:25", "control/smtproutes:2 x.test:[::1]:25"),
        ("control/smtproutes:2 x.test:[::1]:c4nary", "control/smtproutes:2 x.test:[::1] (hidden)"),
        ("control/smtproutes:2 x.test:2001:db8::1", "control/smtproutes:2 x.test:2001:db8::1"),
        ("control/smtproutes:2 :r;2525", "control/smtproutes:2 :r;2525"),
        ("control/smtproutes:2 x.test:", "control/smtproutes:2 x.test:"),
    ],
)  # fmt: skip
def test_relays(source, shown):
    assert hide_login(source) == shown


@pytest.mark.parametrize(
    "value",
    [b"r:25:joe:c4nary", b"r:joe:c4nary", b"r|joe|c4nary", b"r joe c4nary", b"joe:c4nary@r",
     b"[r:c4nary", b"r:c4nary", b":c4nary:1", b"r;c4nary"],
)  # fmt: skip
def test_errors_of_relays(value):
    with pytest.raises(RelayError) as told:
        parse_relay(value)
    assert "c4nary" not in str(told.value)


def test_lines_that_cannot_be_read():
    with pytest.raises(TcpRulesError) as told:
        parse(b'127.:allow,G4DBPASS="c4nary",x\n', "control/tcp.smtp")
    assert "c4nary" not in str(told.value)
    table = parse_map("control/smtproutes", b"relay.test joe c4nary\n")
    assert table.ignored == ("control/smtproutes:1: no colon in relay.test",)


@pytest.mark.parametrize(
    "line",
    [b"postgresql://joe:c4nary@db/mail", b"postgresql://joe:c4nary@db", b"mssql://joe:c4nary@db/x",
     b"postgresql://joe@db:c4nary/mail", b"mariadb://db/mail?password=c4nary", b"sqlite:c4nary",
     b"joe:c4nary@db", b"postgresql://joe@db/c4nary:x"],
)  # fmt: skip
def test_errors_of_data_bases(line):
    with pytest.raises(AddressError) as told:
        parse_address(line)
    assert "c4nary" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("smtproutes", b"x.test:relay:25 joe c4nary", b"x.test:relay:25 (hidden)"),
        ("smtproutes", b"x.test:relay:25", b"x.test:relay:25"),
        ("tcp.smtp", b':allow,G4DBPASS="c4nary"', b':allow,G4DBPASS="(hidden)"'),
        ("accountsdb", b"postgresql://joe:c4nary@db/n", b"postgresql://joe:(hidden)@db/n"),
        ("accountsdb", b"postgresql://joe@db:5432/n", b"postgresql://joe@db:5432/n"),
        ("locals", b"here.test", b"here.test"),
    ],
)
def test_settings_that_are_shown(name, line, shown):
    assert safe_setting(name, line) == shown


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"joe@here.test", b"joe@here.test"),
        (b"joe%here.test", b"joe%here.test"),
        (b"c4nary", b"c4(hidden)"),
        (b"c4n@ry!", b"c4(hidden)"),
        (b"", b"(hidden)"),
    ],
)
def test_names_that_nobody_has(name, kept):
    assert safe_login_name(name) == kept


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (b"/usr/bin/deliver -d joe", b"/usr/bin/deliver -d joe"),
        (b"fetch --password=c4nary -x", b'fetch --password="(hidden)" -x'),
        (b"fetch --api-token 'c4nary x' -x", b"fetch --api-token (hidden) -x"),
        (b"PGPASSWORD=c4nary psql", b'PGPASSWORD="(hidden)" psql'),
    ],
)
def test_program_lines(command, kept):
    assert safe_arguments(command) == kept


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"RCPT TO:<joe@here.test>", b"RCPT TO:<joe@here.test>"),
        (b"AUTH PLAIN AGpvZQBjNG5hcnk=", b"AUTH PLAIN (hidden)"),
        (b"auth login", b"AUTH login"),
        (b"AUTH c4nary= x", b"AUTH (hidden)"),
        (b"AUTH c4nary", b"AUTH (hidden)"),
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
