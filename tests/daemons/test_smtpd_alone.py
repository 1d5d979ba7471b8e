"""qmail-smtpd as a command: on pipes, on a socket, behind the real tcpserver and xinetd."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys

import pytest

from glassmail.daemons import smtpd_alone
from glassmail.settings.place import Place
from tests.dialogue import parse, write_site
from tests.faces.compat.command import SOURCE, arguments
from tests.fake_queue import FakeQueue

pytestmark = pytest.mark.covers(
    "command/qmail-smtpd", "qmail-smtpd/$TCPREMOTEIP", "qmail-smtpd/$TCPREMOTEHOST",
    "qmail-smtpd/$TCPREMOTEINFO", "qmail-smtpd/$TCPLOCALHOST", "qmail-smtpd/$RELAYCLIENT",
    "qmail-smtpd/exit 0", "qmail-smtpd/exit 1", "qmail-smtpd/unable to read controls",
)  # fmt: skip
ENVELOPE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\n"


class Site:
    """A site whose queue is here, and the command run on it."""

    def __init__(self, root, text=""):
        self.root = root
        write_site(parse("x", text), root)
        (root / "run").mkdir()
        self.queue = FakeQueue(Place(str(root)).queue_socket)

    async def __aenter__(self):
        self.queue.start()
        return self

    async def __aexit__(self, *_):
        self.queue.stop()
        await asyncio.sleep(0)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE),
                "GLASSMAIL_ROOT": str(self.root), **more}  # fmt: skip

    async def run(self, data, *, stdin=None, stdout=None, **environment):
        process = await asyncio.create_subprocess_exec(
            *arguments("qmail_smtpd"), env=self.environment(**environment),
            stdin=stdin or subprocess.PIPE, stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        out, told = await asyncio.wait_for(process.communicate(data), 30)
        return process.returncode, (out or b"").split(b"\r\n"), told


def scenario(test):
    def run(tmp_path):
        asyncio.run(test(tmp_path))

    run.__name__ = test.__name__
    return run


@scenario
async def test_as_tcpserver_runs_it(tmp_path):
    async with Site(tmp_path) as site:
        client = {"TCPREMOTEIP": "192.0.2.7", "TCPREMOTEHOST": "mx.src.test",
                  "TCPREMOTEINFO": "joe", "TCPLOCALHOST": "in.here.example"}  # fmt: skip
        code, said, told = await site.run(
            b"EHLO h\r\n" + ENVELOPE + b"x\r\n.\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n",
            QMAILSMTPD_LOG_RCPT="1", **client,
        )  # fmt: skip
        assert said[0] == b"220 mx.example ESMTP"
        assert said[-4].startswith(b"250 ok ")
        assert said[-2:] == [b"221 mx.example", b""]
        assert code == 0
        assert told.startswith(b"qmail-smtpd[")
        assert told.endswith(b"]: RCPT TO:<joe@here.example>\n")
        head = site.queue.messages[0].head
        assert head.startswith(b"Received: from mx.src.test (HELO h) (joe@192.0.2.7)\n")
        assert b"  by in.here.example with " in head
        assert site.queue.hellos[0].role == "smtpd"
        code, said, _ = await site.run(
            b"MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n", RELAYCLIENT="", **client
        )
        assert said[2] == b"250 ok"


@scenario
async def test_what_is_not_a_goodbye(tmp_path):
    async with Site(tmp_path) as site:
        code, said, _ = await site.run(b"EHLO x\r\nNOOP\r\n")
        assert (code, said[-2]) == (1, b"250 ok")
        code, said, _ = await site.run(ENVELOPE + b"half a mess")
        assert (code, said[-2], site.queue.messages) == (1, b"354 go ahead", [])


@scenario
async def test_a_long_message(tmp_path):
    async with Site(tmp_path) as site:
        body = b"".join(b"%08d " % n + b"x" * 60 + b"\r\n" for n in range(20_000))
        code, said, _ = await site.run(ENVELOPE + body + b".\r\nQUIT\r\n")
        assert (code, said[-2]) == (0, b"221 mx.example")
        assert site.queue.bodies[1] == body.replace(b"\r\n", b"\n")


@scenario
async def test_settings_that_cannot_be_used(tmp_path):
    async with Site(tmp_path) as site:
        (tmp_path / "control" / "databytes").write_text("abc\n")
        code, said, told = await site.run(b"QUIT\r\n")
        assert (code, said[0]) == (1, b"421 unable to read controls (#4.3.0)")
        assert b"control/databytes" in told


@scenario
async def test_no_queue(tmp_path):
    site = Site(tmp_path)
    command = "from glassmail.daemons import smtpd_alone as s; s.FIRST_CODES_S = 0.1\n"
    command += "from glassmail.faces.compat.qmail_smtpd import main; import sys; sys.exit(main())"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, env=site.environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(b"QUIT\r\n"), 30)
    assert out.startswith(b"421 my queue does not answer")
    assert process.returncode == 1


@scenario
async def test_on_a_socket_the_sites_rules_count(tmp_path):
    async with Site(tmp_path, 'rule: 127.:allow,RELAYCLIENT=""\nrule: :deny\n') as site:
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        client.sendall(b"MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n")
        code, _, _ = await site.run(None, stdin=accepted, stdout=accepted)
        assert code == 0
        assert client.recv(500).split(b"\r\n")[2] == b"250 ok"
        for sock in (server, client, accepted):
            sock.close()


def test_who_the_client_is(tmp_path):
    (tmp_path / "control").mkdir()
    rules, client = smtpd_alone._who(Place(str(tmp_path)), {b"TCPREMOTEIP": b"::ffff:192.0.2.7"})
    assert (client.ip, client.port, client.host) == (b"192.0.2.7", 0, None)
    assert rules.match(b"", None, None).source == "environment of qmail-smtpd"


# --- real peers ---------------------------------------------------------------------------------


async def session(port, lines):
    for _ in range(500):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.01)
    writer.write(lines)
    said = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return said.split(b"\r\n")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def need(name):
    path = shutil.which(name, path="/usr/bin:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def script(path, module):
    code = f"from glassmail.faces.compat.{module} import main; import sys; sys.exit(main())"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_behind_the_real_tcpserver(tmp_path):
    """tcpserver, its rules in a cdb, fixcrio and recordio of ours between."""
    tcpserver, tcprules = need("tcpserver"), need("tcprules")
    subprocess.run(
        [tcprules, "r.cdb", "r.tmp"], check=True, cwd=tmp_path,
        input=b'127.:allow,RELAYCLIENT="",TCPREMOTEINFO="joe"\n:deny\n',
    )  # fmt: skip
    programs = [script(tmp_path / name, name) for name in ("fixcrio", "recordio", "qmail_smtpd")]

    async def go():
        root = tmp_path / "site"
        root.mkdir()
        async with Site(root) as site:
            port = free_port()
            words = ["-v", "-R", "-H", "-l", "mx.example", "-x", "r.cdb", "127.0.0.1", str(port)]
            process = await asyncio.create_subprocess_exec(
                tcpserver, *words, *programs, env=site.environment(), cwd=tmp_path,
                stderr=subprocess.PIPE,
            )  # fmt: skip
            text = b"HELO h\r\nMAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n"
            said = await session(port, text + b"bare\nlf\r\n.\r\nQUIT\r\n")
            await asyncio.sleep(0.2)
            process.terminate()
            _, told = await process.communicate()
            return said, told, site.queue

    said, told, queue = asyncio.run(go())
    assert said[-2:] == [b"221 mx.example", b""]
    assert queue.bodies[1] == b"bare\nlf\n"
    assert b"(joe@127.0.0.1)" in queue.messages[0].head
    lines = told.split(b"\n")
    ok = next(line.split() for line in lines if line.startswith(b"tcpserver: ok "))
    assert b"%b > 220 mx.example ESMTP\r " % ok[2] in lines
    assert b"tcpserver: end %b status 0" % ok[2] in lines


def test_behind_xinetd(tmp_path):
    xinetd = need("xinetd")
    if os.geteuid() != 0:
        pytest.skip("xinetd needs root")
    port = free_port()
    server = script(tmp_path / "qmail-smtpd", "qmail_smtpd")

    async def go():
        root = tmp_path / "site"
        root.mkdir()
        async with Site(root, 'rule: 127.:allow,RELAYCLIENT=""\n') as site:
            (tmp_path / "conf").write_text(
                "service t\n{\ntype = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\n"
                f"user = root\nbind = 127.0.0.1\nport = {port}\nserver = {server}\ndisable = no\n"
                f"env = PYTHONPATH={SOURCE} GLASSMAIL_ROOT={root}\n}}\n"
            )
            process = await asyncio.create_subprocess_exec(
                xinetd, "-f", str(tmp_path / "conf"), "-dontfork", "-pidfile",
                str(tmp_path / "pid"), stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                text = b"MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
                return await session(port, text), site.queue
            finally:
                process.terminate()
                await process.wait()

    said, queue = asyncio.run(go())
    assert said[-2:] == [b"221 mx.example", b""]
    assert b"(127.0.0.1)" in queue.messages[0].head
