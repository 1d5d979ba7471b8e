"""POP before SMTP, and rules that would open the server to everybody."""

import os

import pytest

from glassmail.core.formats import tcp_rules
from glassmail.core.policy import open_relay
from glassmail.core.route.tcp_rules import RuleMatch
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.open_smtp import OpenSmtp
from glassmail.store.control import ControlError
from tests.dialogue import parse
from tests.stations.session_site import SessionSite

RULE = RuleMatch(True, (), "control/tcp.smtp:1 :allow")
NOW = 1_795_187_451


def opened(path, ip, now=NOW, told=None, seconds=10_800):
    return OpenSmtp(lambda: 0.0, (told if told is not None else []).append).opened(
        RULE, ip, str(path), seconds, now
    )


def write(tmp_path, *more):
    path = tmp_path / "open-smtp"
    lines = [f'127.0.0.4:allow,RELAYCLIENT="",RBLSMTPD=""\t{NOW}', *more]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.covers("control/opensmtp", "control/opensmtpseconds")
def test_the_file_of_vpopmail(tmp_path):
    path = write(tmp_path, '127.0.0.5:allow,RELAYCLIENT="",RBLSMTPD=""\t1000', "nonsense", "a\tb")
    found = opened(path, b"127.0.0.4")
    assert dict(found.environment) == {b"RELAYCLIENT": b"", b"RBLSMTPD": b""}
    assert "POP before SMTP" in found.source
    assert opened(path, b"127.0.0.5") is RULE
    assert opened(path, b"127.0.0.6") is RULE
    assert opened(path, b"127.0.0.4", now=NOW + 10_801) is RULE
    assert opened(path, b"127.0.0.4", now=NOW + 50, seconds=40) is RULE
    assert opened(path, b"::ffff:127.0.0.4") is not RULE


def test_the_latest_of_several_entries_counts(tmp_path):
    path = write(tmp_path, *(f'::ffff:127.0.0.9:allow,RELAYCLIENT=""\t{at}' for at in (NOW, 1000)))
    assert opened(path, b"127.0.0.9") is not RULE


def test_many_old_entries_open_nothing(tmp_path):
    old = (f'10.{n // 65536}.{n // 256 % 256}.{n % 256}:allow,RELAYCLIENT=""\t1000000000'
           for n in range(11_859))  # fmt: skip
    path = write(tmp_path, *old)
    assert opened(path, b"127.0.0.4") is not RULE
    assert opened(path, b"10.0.1.2") is RULE


def test_one_file_for_each_address(tmp_path):
    (tmp_path / "192.0.2.7").touch()
    os.utime(tmp_path / "192.0.2.7", (NOW, NOW))
    assert opened(tmp_path, b"192.0.2.7") is not RULE
    assert opened(tmp_path, b"192.0.2.7", now=NOW + 99_999) is RULE
    assert opened(tmp_path, b"192.0.2.8") is RULE
    assert opened(tmp_path, b"..") is RULE


def test_what_cannot_be_read_opens_nothing_and_is_told_once(tmp_path):
    told = []
    now = [0.0]
    entries = OpenSmtp(lambda: now[0], told.append)
    path = str(tmp_path / "file" / "below")
    (tmp_path / "file").write_text("")
    for _ in range(3):
        assert entries.opened(RULE, b"127.0.0.4", path, 10_800, NOW) is RULE
        now[0] += 2
    assert len(told) == 1
    assert "control/opensmtp" in told[0]
    assert opened(tmp_path / "gone", b"127.0.0.4", told=told) is RULE
    assert len(told) == 1


def test_rules_that_deny_or_relay_stay(tmp_path):
    path = str(write(tmp_path))
    entries = OpenSmtp(lambda: 0.0, [].append)
    denied = RULE._replace(allow=False)
    relaying = RULE._replace(environment=((b"RELAYCLIENT", b"@x"),))
    for rule in (denied, relaying):
        assert entries.opened(rule, b"127.0.0.4", path, 10_800, NOW) is rule
    first = entries.opened(RULE, b"127.0.0.4", path, 10_800, NOW)
    assert entries.opened(RULE, b"127.0.0.4", path, 10_800, NOW) is first


def test_in_a_session(tmp_path):
    path = tmp_path / "open-smtp"
    path.write_text('192.0.2.1:allow,RELAYCLIENT=""\t1795187000\n')
    site = SessionSite(tmp_path, parse("x", f"control/opensmtp: {path}\n"))
    assert site.say(b"MAIL FROM:<a@b>", b"RCPT TO:<x@elsewhere.test>")[-1] == b"250 ok"


NEW_LINE = b"\n"


@pytest.mark.parametrize(
    ("rules", "is_open"),
    [
        (b':allow,RELAYCLIENT=""', True),
        (b':allow,RELAYCLIENT=" "', True),
        (b'=:allow,RELAYCLIENT=""', True),
        (b':allow,RELAYCLIENT="@fixme"', False),
        (b':deny,RELAYCLIENT=""', False),
        (b'127.:allow,RELAYCLIENT=""\n:allow', False),
        (b"", False),
        (b'0-255.:allow,RELAYCLIENT=""', True),
        (b'10.:allow\n1-126.:allow,RELAYCLIENT=""', True),
        (b'64.0.0.0/3:allow,RELAYCLIENT=""', True),
        (b'2000::/3:allow,RELAYCLIENT=""', True),
        (b'10-11.:allow,RELAYCLIENT=""\n172.16.0.0/12:allow,RELAYCLIENT=""', False),
        (b'2001:db8::/32:allow,RELAYCLIENT=""\njoe@:allow,RELAYCLIENT=""', False),
    ],
)
def test_open_relays(rules, is_open):
    problem = open_relay.problem(tcp_rules.parse(rules, "control/tcp.smtp"))
    assert bool(problem) is is_open
    if is_open:
        assert problem.startswith(f"control/tcp.smtp:{rules.count(NEW_LINE) + 1} ")


def test_a_running_server_keeps_the_rules_that_were_no_open_relay(tmp_path):
    path = tmp_path / "tcp.smtp"
    path.write_text(":deny\n")
    now = [0.0]
    rules = ClientRules(str(path), lambda: now[0], is_guarded=True)
    told = []
    rules.tell_problems(told.append)
    path.write_text(':allow,RELAYCLIENT=""\n')
    now[0] = 2.0
    assert not rules.match(b"192.0.2.1", None, None).allow
    assert "lets everybody relay" in told[0]
    with pytest.raises(ControlError, match="lets everybody relay"):
        ClientRules(str(path), lambda: 0.0, is_guarded=True)
