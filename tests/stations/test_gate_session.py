"""What a session tells the gate, and what it does for it."""

import asyncio
import dataclasses
import json
import re
import shutil
import socket
import subprocess

import pytest

from glassmail.core.ask import Counts, Held, LoginFact
from glassmail.core.formats.log_outlets import SYSLOG, Outlet
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.policy.facts import Client
from glassmail.daemons.log.outlets import Outlets
from glassmail.events.session_lines import lines
from glassmail.events.smtpd import Connected, Disconnected, Noted, Refused
from glassmail.net.gate_messages import Tap
from glassmail.stations.front_programs import Programs
from glassmail.stations.session import Session
from tests.dialogue import parse
from tests.stations.session_site import FakeWire, SessionSite

CLIENT = Client(b"192.0.2.1", 4321, b"mx.src.test", b"joe", b"10.0.0.1", 25)
ENVELOPE = (b"MAIL FROM:<a@b.test>", b"RCPT TO:<joe@here.example>")


class FakeGate:
    """Stands for net.gate_client.GateClient."""

    def __init__(self):
        self.is_counting = False
        self.taps = {}
        self.told = []
        self.blocked = {}
        self.rows = []
        self.left = 3
        self.is_slow = False

    @property
    def has_blocks(self):
        return bool(self.blocked)

    def block_of(self, ip):
        return self.blocked.get(ip)

    def enter(self, ip, port, limits):
        self.asked = limits
        self.told.append(("enter", ip, port))

    def counted_later(self, ip, port, then):
        self.then = then
        return self.is_slow

    def leave(self, ip, port, on_left=None):
        self.told.append(("leave", ip, port))
        if on_left is not None:
            on_left(self.left)

    def happened(self, kind, ip, account=b""):
        self.told.append((kind, ip))

    def transcript(self, number, rows):
        self.rows += [(number, json.loads(row)) for row in rows]


class Site(SessionSite):
    def __init__(self, root, text="", gate=None):
        super().__init__(root, parse("x", text), begin=False)
        self.gate = gate or FakeGate()
        self.services = dataclasses.replace(self.services, gate=self.gate)
        self.wire = FakeWire()
        self.session = Session(self.services, self.wire, CLIENT, "smtp")


def test_without_limits_nothing_is_told(tmp_path):
    site = Site(tmp_path)
    site.session.begin()
    site.say(b"HELO x", *ENVELOPE, b"RCPT TO:<x@elsewhere.test>", b"BOO")
    site.session.lost()
    assert site.gate.told == []


def test_a_connection_is_counted_in_and_out(tmp_path):
    site = Site(tmp_path)
    site.gate.is_counting = True
    site.session.begin()
    site.session.enter()
    site.session.lost()
    site.session.lost()
    assert site.gate.told == [("enter", b"192.0.2.1", 4321), ("leave", b"192.0.2.1", 4321)]


@pytest.mark.covers("control/maxerrors", "control/maxbadrecipients", "control/maxmessages")
def test_what_went_wrong_is_told(tmp_path):
    site = Site(tmp_path, "control/maxerrors: 9\ncontrol/maxbadrecipients: 9\n"
                "control/maxmessages: 9\ncontrol/checkrecipients: 1\n"
                "control/locals: here.example\n")  # fmt: skip
    site.ask.answers = {b"no@here.example": NO, b"joe@here.example": YES}
    site.session.begin()
    site.say(b"HELO x", ENVELOPE[0], b"RCPT TO:<no@here.example>")
    assert site.gate.told == [("bad_recipient", b"192.0.2.1"), ("error", b"192.0.2.1")]
    site.say(b"BOO", ENVELOPE[1], b"DATA")
    site.say(b"x", b".")
    assert site.gate.told[2:] == [("error", b"192.0.2.1"), ("message", b"192.0.2.1")]


def test_the_greeting_waits_for_the_count(tmp_path):
    site = Site(tmp_path, 'rule: :allow,MAXCONNIP="2"\n')
    site.gate.is_counting = site.gate.is_slow = True
    site.session.begin()
    site.session.receive(b"HELO x\r\n")
    assert site.gate.asked == (2, -1, -1)
    assert site.wire.lines.take() == b"<nothing>"
    site.gate.then()
    assert site.wire.lines.take().startswith(b"220 mx.example ESMTP")


def test_a_client_that_is_gone_before_it_is_counted(tmp_path):
    site = Site(tmp_path, 'rule: :allow,MAXCONNIP="2"\n')
    site.gate.is_counting = site.gate.is_slow = True
    site.session.begin()
    site.session.lost()
    site.gate.then()
    assert site.wire.lines.take() == b"<nothing>"


def test_nobody_waits_without_a_limit(tmp_path):
    site = Site(tmp_path)
    site.gate.is_counting = True
    site.session.begin()
    assert site.gate.asked is None
    assert site.wire.lines.take().startswith(b"220 mx.example ESMTP")


@pytest.mark.covers("control/maxmessages")
def test_messages_for_a_program_count_too(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    rule = f'rule: :allow,QMAILQUEUE="{program}"\n'
    site = Site(tmp_path, "control/maxmessages: 9\n" + rule)

    async def send():
        services = dataclasses.replace(site.services, programs=Programs())
        site.session = Session(services, site.wire, CLIENT, "smtp")
        site.session.begin()
        for line in (b"HELO x", *ENVELOPE, b"DATA", b"x", b"."):
            site.session.receive(line + b"\r\n")
            while site.session._task is not None:
                await asyncio.sleep(0.001)

    asyncio.run(send())
    assert site.gate.told == [("message", b"192.0.2.1")]


def test_a_try_that_nobody_can_judge_is_given_back(tmp_path):
    rule = 'rule: :allow,ALLOW_INSECURE_AUTH="1"\n'
    site = Site(tmp_path, "control/smtpauth: vpopmail\n" + rule)
    site.ask.logins[b"joe", b"x"] = LoginFact(UNKNOWN, b"joe", "the keeper is not running")

    async def log_in():
        site.session.begin()
        for line in (b"EHLO x", b"AUTH PLAIN AGpvZQB4"):
            site.session.receive(line + b"\r\n")
            while site.session._task is not None:
                await asyncio.sleep(0.001)

    asyncio.run(log_in())
    assert site.gate.told == [("unjudged", b"192.0.2.1")]


@pytest.mark.covers("rule-variable/NOLIMITS")
def test_a_client_without_limits(tmp_path):
    limits = "control/maxerrors: 9\ncontrol/maxmessages: 9\n"
    site = Site(tmp_path, limits + 'rule: :allow,NOLIMITS=""\n')
    site.session.begin()
    site.say(b"HELO x", b"BOO", *ENVELOPE, b"DATA")
    site.say(b"x", b".")
    assert site.gate.told == []


def test_our_own_faults_are_nobodys_errors(tmp_path):
    site = Site(tmp_path, "control/maxerrors: 9\n")
    site.session.begin()
    site.queue.is_up = False
    assert site.say(*ENVELOPE, b"DATA")[-1].startswith(b"451 qqt failure")
    assert site.gate.told == []


def test_a_running_session_is_shut_out(tmp_path):
    site = Site(tmp_path)
    site.session.begin()
    site.say(b"HELO x")
    site.gate.blocked = {b"192.0.2.1": ("192.0.2.0/24", "an administrator's order")}
    site.session.tick(site.now)
    assert site.wire.lines.take().startswith(b"421 too much trouble from your network")
    refused = next(event for event in site.events if isinstance(event, Refused))
    assert (refused.check, refused.steps[-1].question) == ("blocked", "session.blocked")
    site.session.tick(site.now)


@pytest.mark.covers("control/maxaccountrecipients")
def test_mail_of_a_held_account_is_taken_and_held(tmp_path):
    site = Site(tmp_path, "control/maxaccountrecipients: 5\n")
    site.ask.held = {b"joe": Held(NO, 6, "more than 5 recipients within an hour")}
    site.session.begin()
    site.session._facts.login = b"joe"
    for _ in range(2):
        site.say(*ENVELOPE, b"DATA")
        assert site.say(b"x", b".")[-1].startswith(b"250 ok ")
        site.ask.held = {}
    assert [message.is_held for message in site.queue.taken] == [True, False]


@pytest.mark.covers("reply/account_held")
def test_mail_of_a_held_account_is_given_to_no_program(tmp_path):
    rule = 'rule: :allow,QMAILQUEUE="/bin/false"'
    site = Site(tmp_path, f"control/maxaccountrecipients: 5\n{rule}\n")
    site.ask.held = {b"joe": Held(NO, 6, "more than 5 recipients within an hour")}
    site.session.begin()
    site.session._facts.login = b"joe"
    site.say(*ENVELOPE, b"DATA")
    assert site.say(b"x", b".")[-1].startswith(b"451 your account has sent too much")


# --- tcpserver's lines --------------------------------------------------------------------------


@pytest.mark.covers("control/tcpserverlog", "log-line/connected", "log-line/disconnected")
def test_tcpservers_lines(tmp_path):
    site = Site(tmp_path, "control/tcpserverlog: 1\ncontrol/concurrencyincoming: 40\n"
                'rule: :allow,QMAILSMTPD_LOG_MAIL="1"\n')  # fmt: skip
    site.gate.is_counting = True
    site.ask.counts = Counts(YES, 1, 2, 4)
    site.session.begin()
    site.say(ENVELOPE[0], b"QUIT")
    site.session.lost()
    told = [event for event in site.events if isinstance(event, Connected | Disconnected | Noted)]
    pid = told[0].pid
    assert b"".join(map(lines, told)).decode().splitlines() == [
        "tcpserver: status: 4/40",
        f"tcpserver: pid {pid} from 192.0.2.1",
        f"tcpserver: ok {pid} mx.example:10.0.0.1:25 mx.src.test:192.0.2.1:joe:4321",
        f"qmail-smtpd[{pid}]: MAIL FROM:<a@b.test>",
        f"tcpserver: end {pid} status 0",
        "tcpserver: status: 3/40",
    ]


def test_tcpservers_lines_of_a_denied_client(tmp_path):
    site = Site(tmp_path, 'control/tcpserverlog: 1\nrule: :allow,MAXCONNIP="2"\n')
    site.gate.is_counting = True
    site.ask.counts = Counts(YES, 3, 3, 3)
    site.session.begin()
    site.session.lost()
    told = [event for event in site.events if isinstance(event, Connected | Disconnected)]
    pid = told[0].pid
    text = b"".join(map(lines, told)).decode().splitlines()
    where = "mx.example:10.0.0.1:25 mx.src.test:192.0.2.1:joe:4321"
    assert text[2] == f"tcpserver: deny {pid} {where} MAXCONNIP: 2"
    assert text[3] == f"tcpserver: end {pid} status 25600"
    assert site.wire.lines.take() == b"<eof>"


def test_a_dropped_connection_ends_with_256(tmp_path):
    site = Site(tmp_path, "control/tcpserverlog: 1\n")
    site.gate.is_counting = True
    site.session.begin()
    site.session.lost()
    assert [e.status for e in site.events if isinstance(e, Disconnected)] == [256]


def test_names_cannot_forge_lines(tmp_path):
    event = Connected(1, 5, 7, b"mx", "10.0.0.1", 25, b"a\nb c", "192.0.2.1", b"x:\r\n", 9,
                      False, b"", 0, 0)  # fmt: skip
    assert lines(event).count(b"\n") == 3


# --- transcripts --------------------------------------------------------------------------------


def tap(number=1, network="", recipient=b"", **more):
    options = {"has_bodies": False, "has_secrets": False, **more}
    return Tap(number, network, recipient, **options, until=9e9)


def told(site):
    return [f"{row['side']} {row['text']}" for _number, row in site.gate.rows]


def test_a_tapped_client(tmp_path):
    site = Site(tmp_path)
    site.gate.taps = {1: tap(network="192.0.2.0/24")}
    site.session.begin()
    site.say(b"HELO x", b"QUIT")
    site.session.lost()
    assert told(site) == [
        "> 220 mx.example ESMTP", "< HELO x", "< QUIT", "> 250 mx.example", "> 221 mx.example",
        "- session ended: quit",
    ]  # fmt: skip
    assert site.gate.rows[0][1]["client"] == "192.0.2.1"
    assert site.gate.rows[0][1]["session"] == site.session._code.decode()


def test_another_client_is_not_told(tmp_path):
    site = Site(tmp_path)
    site.gate.taps = {1: tap(network="192.0.3.0/24")}
    site.session.begin()
    assert site.session._tapping is None


@pytest.mark.parametrize("recipient", [b"joe@here.example", b"@here.example"])
def test_a_tapped_recipient(tmp_path, recipient):
    site = Site(tmp_path)
    site.gate.taps = {1: tap(recipient=recipient)}
    site.session.begin()
    site.say(b"HELO x", ENVELOPE[0])
    site.say(b"RCPT TO:<else@there.example>")
    assert told(site) == []
    site.say(b"RCPT TO:<Joe@Here.Example>")
    assert told(site)[0] == "> 220 mx.example ESMTP"
    assert told(site)[-1] == "> 250 ok"


def test_taps_come_and_go_while_a_session_runs(tmp_path):
    site = Site(tmp_path)
    site.session.begin()
    site.gate.taps = {1: tap(network="192.0.2.1")}
    site.session.look_at_taps()
    site.say(b"NOOP")
    site.gate.taps[2] = tap(2, network="192.0.2.1")
    site.session.look_at_taps()
    site.say(b"RSET")
    site.gate.taps.clear()
    site.session.look_at_taps()
    site.say(b"NOOP")
    numbers = [(number, row["text"]) for number, row in site.gate.rows]
    assert numbers == [(1, "NOOP"), (1, "250 ok"), (1, "RSET"), (2, "RSET"), (1, "250 flushed"),
                       (2, "250 flushed")]  # fmt: skip
    assert site.session._tapping is None


# --- fail2ban -----------------------------------------------------------------------------------

# Debian's filter.d/qmail.conf, behind the stamp and the host that syslogd writes.
FILTER = re.compile(
    r"^.{15} mx (?:qmail|rblsmtpd): \d+\.\d+ rblsmtpd: (?P<host>\S+) pid \d+ \S+ 4\d\d \S+\s*$"
)
IN_A_FILE = r"^\s*rblsmtpd: <HOST> pid \d+ \S+: [45]\d\d"  # docs/front-door.md


def shut_out_line(tmp_path):
    """What syslogd writes of it: the log's own datagram, with a host's name."""
    site = Site(tmp_path)
    site.ask.blocks = {b"192.0.2.1": ("192.0.2.0/24", "an administrator's order")}
    site.session.begin()
    noted = next(event for event in site.events if isinstance(event, Noted))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        path = str(tmp_path / "syslog")
        receiver.bind(path)
        outlets = Outlets([Outlet(SYSLOG, path.encode())], lambda _text: None)
        outlets.add([noted])
        data = receiver.recv(4_096).decode()
        outlets.close()
    told = data.partition(">")[2]
    return f"{told[:15]} mx {told[16:]}"


def test_fail2bans_filter_finds_who_is_shut_out(tmp_path):
    assert FILTER.match(shut_out_line(tmp_path))["host"] == "192.0.2.1"


def test_fail2ban_itself(tmp_path):
    program = shutil.which("fail2ban-regex")
    if program is None:
        pytest.skip("fail2ban is not installed")
    line = shut_out_line(tmp_path)
    in_a_file = "@400000006b01956f32e74aaf " + line[line.index("rblsmtpd: 192.") :]
    for words in ((line, "qmail"), (in_a_file, IN_A_FILE)):
        done = subprocess.run([program, *words], capture_output=True, check=False, timeout=60)
        assert b"1 matched, 0 missed" in done.stdout, done.stdout.decode()
