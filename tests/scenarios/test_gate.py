"""The gate around the real processes: limits over all of them, proxies, blocks, taps, held mail."""

import asyncio
import base64
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.net.fake_dns import FakeDns
from tests.scenarios.program import NOBODY, Runner
from tests.scenarios.site import TAMMY, USERS, free_ports
from tests.scenarios.waiting import until

RELAY = 'RELAYCLIENT=""'


class Talk:
    """A client that a proxy passes on, with whatever address a test wants."""

    def __init__(self, port, ip=None, header=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.sock.makefile("rb")
        if ip is not None:
            family = "TCP6" if ":" in ip else "TCP4"
            here = "::1" if ":" in ip else "127.0.0.1"
            header = f"PROXY {family} {ip} {here} 4321 25\r\n".encode()
        if header is not None:
            self.sock.sendall(header)

    def reply(self):
        try:
            line = self.file.readline()
            while line[3:4] == b"-":
                line = self.file.readline()
        except ConnectionError:
            return "<gone>"
        return line.decode().rstrip("\r\n") or "<eof>"

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def send(self, sender="a@b.test", recipient=TAMMY):
        said = [self.say(f"MAIL FROM:<{sender}>"), self.say(f"RCPT TO:<{recipient}>")]
        return [*said, self.say("DATA"), self.say("Subject: x\r\n\r\nx\r\n.")][-1]

    def log_in(self, password="secret"):
        data = base64.b64encode(f"\0{TAMMY}\0{password}".encode()).decode()
        return self.say(f"AUTH PLAIN {data}")

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def gated(make_site):
    """A site with two processes, a listener for proxies, and whatever settings."""

    def make(rules=(), **controls):
        made = make_site()
        (made.proxied,) = free_ports(1)
        lines = (made.root / "control" / "listen").read_text()
        made.control("listen", f"{lines}smtp 127.0.0.1:{made.proxied} proxy=127.0.0.1\n")
        made.control("smtpdprocesses", "2\n")
        made.control("tcp.smtp", "".join(f"{rule}\n" for rule in (*rules, ":allow")))
        for name, value in controls.items():
            made.control(name, f"{value}\n")
        return made.start()

    return make


@pytest.fixture
def talk():
    made = []

    def make(*arguments, **options):
        made.append(Talk(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.covers(
    "rule-variable/MAXCONNIP", "rule-variable/MAXCONNC", "rule-variable/DIEMSG",
    "rule-variable/DIEMSG_MAXCONNC", "control/tcpserverlog",
)  # fmt: skip
def test_connections_are_limited_over_all_processes(gated, talk):
    rule = 'DIEMSG="421 too many",DIEMSG_MAXCONNC="421 too many of you"'
    site = gated([f'192.0.2.:allow,MAXCONNIP="3",MAXCONNC="4",{rule}',
                  '2001:db8::/32:allow,MAXCONNIP="2"'],
                 tcpserverlog=1, concurrencyincoming=40)  # fmt: skip
    clients = [talk(site.proxied, "192.0.2.1") for _ in range(3)]
    assert [client.reply()[:4] for client in clients] == ["220 "] * 3
    assert talk(site.proxied, "192.0.2.1").reply().startswith("421 too many [")
    until(lambda: talk(site.proxied, "192.0.2.2").reply()[:4] == "220 ", "the refused one is gone")
    assert talk(site.proxied, "192.0.2.3").reply().startswith("421 too many of you [")
    assert talk(site.proxied, "198.51.100.1").reply()[:4] == "220 "
    for client in clients:
        client.close()
    until(lambda: talk(site.proxied, "192.0.2.1").reply()[:4] == "220 ", "it is let in again")
    six = [talk(site.proxied, f"2001:db8:0:1::{n}").reply() for n in (1, 2, 3)]
    assert [said[:4] for said in six] == ["220 ", "220 ", "<eof"]
    end = ":192.0.2.1::4321 MAXCONNIP: 3"
    until(lambda: any(line.endswith(end) for line in site.log_lines("smtpd")), "a line")
    denied = next(line for line in site.log_lines("smtpd") if line.endswith(end))
    assert denied.startswith("tcpserver: deny ")
    told = site.json("why", "192.0.2.3")
    assert any("MAXCONNC 4" in str(row) for row in told)


def test_a_client_of_ipv6(make_site):
    if not _has_ipv6():
        pytest.skip("this host has no ::1")
    site = make_site()
    (port,) = free_ports(1)
    lines = (site.root / "control" / "listen").read_text()
    site.control("listen", f"{lines}smtp [::1]:{port}\n")
    site.control("smtpdprocesses", "2\n")
    site.control("tcp.smtp", '::1/64:allow,MAXCONNIP="2"\n:deny\n')
    site.start()
    clients = [socket.create_connection(("::1", port), 20) for _ in range(3)]
    said = [client.recv(200)[:4] for client in clients]
    assert sorted(said) == [b"", b"220 ", b"220 "]
    for client in clients:
        client.close()


def _has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.covers("control/concurrencyincoming")
def test_connections_of_all_clients_are_limited(gated, talk):
    site = gated(concurrencyincoming=2)
    # What looked whether the ports answer may count for a moment.
    kept = [until(lambda: _greeted(site.smtp_port), "two are let in") for _ in range(2)]
    assert talk(site.smtp_port).reply().startswith("421 too many connections")
    kept[0].close()
    until(lambda: talk(site.smtp_port).reply()[:4] == "220 ", "the next is let in")
    kept[1].close()


def test_without_the_gate_mail_goes_on(gated, talk):
    site = gated(['192.0.2.:allow,MAXCONNIP="2"'])
    site.may_complain = True
    assert talk(site.proxied, "192.0.2.1").reply()[:4] == "220 "
    pid = next(row["pid"] for row in site.children() if row["role"] == "gate")
    os.kill(pid, signal.SIGKILL)
    client = talk(site.proxied, "192.0.2.1")
    assert client.reply()[:4] == "220 "
    assert client.send().startswith("250 ok")
    site.arrived(TAMMY)
    # It comes back, and learns who is there: the third one is refused again.
    until(lambda: talk(site.proxied, "192.0.2.1").reply() == "<eof>", "the limit counts again")


def test_a_site_from_before_the_gate(make_site):
    site = make_site(USERS)
    shutil.rmtree(site.root / "gate")
    site.start()
    uid, gid = daemon_ids(site)["smtpd"]
    status = (site.root / "gate").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (uid, gid, 0o700)
    site.glass("block", "192.0.2.7")
    site.stop()
    site.start()
    assert "192.0.2.7" in site.glass("block", "list")
    nobody = site.glass("block", "list", uid=NOBODY, code=3)
    assert "only root, the site's owner and members of group glass" in nobody


def test_qmail_smtpd_as_the_servers_user(make_site):
    site = make_site(USERS).start()
    said = {}
    for name, (uid, gid) in {"smtpd": daemon_ids(site)["smtpd"], "nobody": (NOBODY,) * 2}.items():
        runner = Runner(uid, site.runner.namespace, gid)
        client = {"TCPREMOTEIP": "192.0.2.7", "GLASSMAIL_ROOT": str(site.root)}
        text = f"MAIL FROM:<a@b.test>\r\nRCPT TO:<{TAMMY}>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
        done = runner.run(runner.historical("qmail-smtpd"), client, input=text.encode())
        said[name] = (done.returncode, done.stdout.split(b"\r\n"))
    assert said["smtpd"][0] == 0, said
    assert said["smtpd"][1][-2].startswith(b"221 ")
    assert b"(192.0.2.7)" in site.arrived(TAMMY)[0]
    assert said["nobody"][0] == 1
    assert said["nobody"][1][0] == b"421 my queue does not answer (#4.3.0)"


def daemon_ids(site):
    lines = (site.root / "users" / "daemons").read_text().split()
    return {role: (int(uid), int(gid)) for role, uid, gid in (line.split(":") for line in lines)}


# --- names --------------------------------------------------------------------------------------

ZONE = """
7.2.0.192.in-addr.arpa. 60 IN PTR mx.src.test.
8.2.0.192.in-addr.arpa. 60 IN PTR bank.test.
mx.src.test. 60 IN A 192.0.2.7
bank.test. 60 IN A 198.51.100.1
"""


@pytest.fixture
def name_server():
    """A DNS server in a thread; it never answers about 192.0.2.9."""
    server = FakeDns(ZONE, {"9.2.0.192.in-addr.arpa": "silent"})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.mark.covers("control/remotehost", "control/remotehosttimeout", "control/dnsserver")
def test_names_of_clients(gated, talk, name_server):
    site = gated([f"=.src.test:allow,{RELAY}", "=.bank.test:allow"],
                 dnsserver=f"127.0.0.1:{name_server.port}", remotehosttimeout=2)  # fmt: skip
    slow = talk(site.proxied, "192.0.2.9")
    began = time.monotonic()
    named = talk(site.proxied, "192.0.2.7")
    assert named.reply()[:4] == "220 "
    assert named.say("MAIL FROM:<>") == "250 ok"
    assert named.say("RCPT TO:<x@far.test>") == "250 ok"  # by its name
    forged = talk(site.proxied, "192.0.2.8")
    assert forged.reply()[:4] == "220 "
    forged.say("MAIL FROM:<>")
    assert forged.say("RCPT TO:<x@far.test>").startswith("553 ")
    assert time.monotonic() - began < 2  # nobody waits for the one whose DNS is silent
    assert slow.reply()[:4] == "220 "
    assert slow.send().startswith("250 ok")
    assert named.send().startswith("250 ok")
    heads = site.arrived(TAMMY, 2)
    assert any(b"Received: from mx.src.test (192.0.2.7)\n" in head for head in heads)
    assert any(b"Received: from unknown (192.0.2.9)\n" in head for head in heads)
    traced = site.glass("trace", "--client", "192.0.2.8")
    assert "PTR bank.test, which does not lead back to it" in " ".join(traced.split())


# --- proxies ------------------------------------------------------------------------------------


def test_a_proxy_speaks_for_its_clients(gated, talk):
    site = gated([f"192.0.2.7:allow,{RELAY}"])
    client = talk(site.proxied, "192.0.2.7")
    client.reply()
    assert client.say("EHLO h.test").startswith("250 ")
    assert client.send().startswith("250 ok")
    assert b"Received: from unknown (HELO h.test) (192.0.2.7)\n" in site.arrived(TAMMY)[0]
    assert talk(site.proxied).say("EHLO x") == "<eof>"
    line = until(
        lambda: [x for x in site.log_lines("smtpd") if " by proxy: " in x], "it is told"
    )[0]
    assert "does not begin with a PROXY header" in str(site.json("why", line.split()[1], code=None))
    assert talk(site.smtp_port, "192.0.2.7").reply()[:4] == "220 "
    version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    version_2 += bytes([192, 0, 2, 9, 127, 0, 0, 1, 1, 2, 0, 25])
    client = talk(site.proxied, header=version_2 + b"EHLO two\r\n")
    assert client.reply()[:4] == "220 "
    assert client.say("QUIT").startswith("250 ")
    until(lambda: any("192.0.2.9:258 helo two" in line for line in site.log_lines("smtpd")), "it")


def test_haproxy(gated, tmp_path):
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    site = gated()
    one, two = free_ports(2)
    (tmp_path / "cfg").write_text(
        "defaults\nmode tcp\ntimeout connect 5s\ntimeout client 30s\ntimeout server 30s\n"
        f"listen a\nbind 127.0.0.1:{one}\nserver s 127.0.0.1:{site.proxied} send-proxy\n"
        f"listen b\nbind 127.0.0.1:{two}\n"
        f"server s 127.0.0.1:{site.proxied} send-proxy-v2 check inter 100ms\n"
    )
    with subprocess.Popen(
        [haproxy, "-f", str(tmp_path / "cfg"), "-db"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as proxy:  # fmt: skip
        try:
            for port in (one, two):
                client = until(lambda p=port: _greeted(p), "haproxy passes on")
                assert client.send().startswith("250 ok")
                client.close()
        finally:
            proxy.terminate()
    assert len(site.arrived(TAMMY, 2)) == 2


def _greeted(port):
    try:
        client = Talk(port)
    except OSError:
        return None
    if client.reply()[:4] == "220 ":
        return client
    client.close()
    return None


# --- blocks -------------------------------------------------------------------------------------


@pytest.mark.covers("glass/block add", "glass/block list", "glass/block remove", "reply/blocked")
def test_block(gated, talk):
    site = gated()
    running = talk(site.proxied, "192.0.2.7")
    running.reply()
    said = site.glass("block", "192.0.2.0/24", "--for", "1h", "--reason", "spam run")
    assert said.startswith("192.0.2.0/24 is shut out until ")
    assert running.reply().startswith("421 too much trouble from your network")
    assert running.reply() == "<eof>"
    assert talk(site.proxied, "192.0.2.9").reply().startswith("421 too much trouble")
    assert talk(site.proxied, "192.0.3.9").reply()[:4] == "220 "
    assert "192.0.2.0/24  until" in site.glass("block", "list")
    row = site.json("block", "list")[0]
    assert (row["client"], row["reason"], row["by"]) == ("192.0.2.0/24", "spam run", "hand")
    traced = site.glass("trace", "--client", "192.0.2.7", code=1)
    assert "192.0.2.0/24: spam run" in traced
    assert "glass block remove 192.0.2.0/24" in " ".join(traced.split())
    assert any(row.get("check") == "blocked" for row in site.json("why", "192.0.2.9", code=None))
    assert "its network" in site.glass("block", "remove", "192.0.2.7", code=1)
    site.stop()
    site.start()
    assert talk(site.proxied, "192.0.2.9").reply().startswith("421 ")
    assert site.glass("block", "remove", "192.0.2.0/24") == "192.0.2.0/24: removed\n"
    until(lambda: talk(site.proxied, "192.0.2.9").reply()[:4] == "220 ", "it is let in again")
    assert site.glass("block", "list") == "nobody is shut out, no account is held\n"


@pytest.mark.parametrize("words", [("x",), ("1.2.3.4", "--for", "1y"), ("1.2.3.4", "--for", "-1")])
def test_what_cannot_be_blocked(site, words):
    assert "write a" in site.glass("block", *words, code=2)


def test_unknown_recipients_shut_a_client_out(gated, talk):
    site = gated(maxbadrecipients=3, blockseconds=60, checkrecipients=1)
    client = talk(site.proxied, "192.0.2.7")
    client.reply()
    client.say("MAIL FROM:<a@b.test>")
    said = [client.say(f"RCPT TO:<nobody{n}@example.test>") for n in range(4)]
    assert all(reply.startswith("550 ") for reply in said)
    assert client.reply().startswith("421 too much trouble from your network")
    assert talk(site.proxied, "192.0.2.7").reply().startswith("421 ")
    assert talk(site.proxied, "192.0.2.8").reply()[:4] == "220 "
    assert "more than 3 unknown recipients within a minute" in site.glass("block", "list")


# --- logins and held accounts -------------------------------------------------------------------


@pytest.mark.covers("reply/too_many_logins")
def test_wrong_passwords(gated, talk):
    insecure = 'ALLOW_INSECURE_AUTH="1"'
    site = gated([f"192.0.2.:allow,{insecure}"], smtpauth="vpopmail", authdelay=0)

    def tried(ip, password="wrong"):
        client = talk(site.proxied, ip)
        client.reply()
        client.say("EHLO x")
        said = client.log_in(password)
        client.close()
        return said

    answers = [tried("192.0.2.7")[:3] for _ in range(14)]
    assert answers[:10] == ["535"] * 10
    assert answers[-1] == "454"
    assert tried("192.0.2.7", "secret")[:3] == "454"
    assert tried("192.0.2.99", "secret")[:3] == "235"
    assert "(logins)" in site.glass("block", "list")
    client = talk(site.proxied, "192.0.2.7")  # its mail is still taken
    client.reply()
    assert client.send().startswith("250 ok")


def test_an_account_that_suddenly_sends(gated, talk):
    site = gated(['192.0.2.:allow,ALLOW_INSECURE_AUTH="1"'], smtpauth="vpopmail",
                 maxaccountrecipients=5)  # fmt: skip
    client = talk(site.proxied, "192.0.2.7")
    client.reply()
    client.say("EHLO x")
    assert client.log_in()[:3] == "235"
    assert all(client.send().startswith("250 ok") for _ in range(8))
    held = until(lambda: site.json("queue", "list", "--state", "held"), "messages are held")
    assert len(held) == 3
    told = site.arrived(TAMMY, 6)  # five of its own; what goes to postmaster leads to tammy, too
    assert sum(b"is held\n" in message for message in told) == 1
    assert f"{TAMMY}  mail is held" in site.glass("block", "list")
    told = " ".join(site.glass("why", str(held[0]["message"]), code=None).split())
    assert f"the account {TAMMY} sends more than it may" in told
    assert f"glass block remove {TAMMY}; glass queue release {held[0]['message']}" in told
    assert site.glass("block", "remove", TAMMY) == f"{TAMMY}: removed\n"
    assert client.send().startswith("250 ok")
    site.glass("queue", "release", *(str(row["message"]) for row in held))
    site.until_empty()
    assert len(site.files(TAMMY)) == 10


# --- taps ---------------------------------------------------------------------------------------


@pytest.mark.covers("glass/tap")
def test_tap(gated, talk, tmp_path):
    site = gated()
    words = site.runner.glass("tap", "192.0.2.0/24", "--for", "4s", "--root", str(site.root))
    other = site.runner.glass("tap", TAMMY, "--for", "4s", "--bodies", "--json", "--root",
                              str(site.root))  # fmt: skip
    began = time.monotonic()
    with (
        site.runner.start(words, stdout=subprocess.PIPE) as client_tap,
        site.runner.start(other, stdout=subprocess.PIPE) as recipient_tap,
    ):
        assert client_tap.stdout.readline() == b"watching 192.0.2.0/24 for 4 s\n"
        assert b'"begun"' in recipient_tap.stdout.readline()
        for ip in ("192.0.2.7", "198.51.100.7"):
            client = talk(site.proxied, ip)
            client.reply()
            assert client.send().startswith("250 ok")
            client.close()
        lines = client_tap.stdout.read().decode().splitlines()
        rows = recipient_tap.stdout.read().decode()
        assert (client_tap.wait(20), recipient_tap.wait(20)) == (0, 0)
    assert 3.5 < time.monotonic() - began < 15
    assert lines[-1] == "ended: its time is over"
    assert all("192.0.2.7" in line for line in lines[:-1])
    assert any(line.endswith("< MAIL FROM:<a@b.test>") for line in lines)
    assert any(line.endswith("- message of 17 bytes") for line in lines)
    assert not any("Subject" in line for line in lines)
    assert rows.count('"Subject: x"') == 2


def test_what_cannot_be_watched(site):
    assert "write an address" in site.glass("tap", "nonsense", code=2)
