"""STARTTLS, listeners that begin with TLS, and logins, over real sockets."""

import asyncio
import base64
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from glassmail.core.model.trail import YES
from glassmail.daemons import smtpd_tls
from glassmail.events.codec import decode_story
from glassmail.events.smtpd import Noted, Refused, SessionEnded
from tests.core_peer import FakeAsk
from tests.daemons.test_smtpd import LOOPS, Server
from tests.dialogue import parse

SITE = "certificate: self-made\ncontrol/smtpauth: vpopmail\ncontrol/authdelay: 0\n"
LOGIN = base64.b64encode(b"\0joe@here.example\0secret")
WRONG = base64.b64encode(b"\0joe@here.example\0wrong")


@pytest.fixture(params=list(LOOPS))
def runner(request):
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as made:
        yield made


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class TlsServer(Server):
    """A server whose keeper is a table."""

    def __init__(self, root, text="", service="smtp"):
        super().__init__(root, parse("tls", f"{SITE}{text}service: {service}\n"))

    async def __aenter__(self):
        await super().__aenter__()
        self.ask = FakeAsk()
        object.__setattr__(self.process.services, "ask", self.ask)
        return self

    async def secure(self, **options):
        """A client of a listener that begins with TLS."""
        return Peer(*await asyncio.open_connection(*self.address, ssl=context(), **options))

    async def plain(self):
        return Peer(*await asyncio.open_connection(*self.address))

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class Peer:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def reply(self):
        lines = []
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 10)
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines)

    async def say(self, *lines):
        """Send lines in one write; return the reply to the last."""
        self.writer.write(b"".join(line + b"\r\n" for line in lines))
        for _ in lines[1:]:
            await self.reply()
        return await self.reply()

    async def starttls(self):
        await self.writer.start_tls(context())

    def close(self):
        self.writer.close()


@pytest.mark.covers("reply/tls_active", "reply/tls_ready")
def test_starttls_from_end_to_end(tmp_path, runner):
    async def scenario():
        async with TlsServer(tmp_path) as server:
            peer = await server.plain()
            assert (await peer.reply()).startswith(b"220 ")
            assert b"250-STARTTLS\r\n" in await peer.say(b"EHLO early.example")
            assert await peer.say(b"STARTTLS") == b"220 ready for tls\r\n"
            await peer.starttls()
            # Who it was before the handshake is forgotten.
            ehlo = await peer.say(b"EHLO client.example")
            assert b"STARTTLS" not in ehlo
            assert b"AUTH LOGIN PLAIN" in ehlo
            assert (await peer.say(b"STARTTLS")).startswith(b"454 TLS not available: TLS already")
            assert await peer.say(b"AUTH PLAIN " + LOGIN) == b"235 ok, go ahead (#2.0.0)\r\n"
            assert await peer.say(b"MAIL FROM:<a@b>", b"RCPT TO:<x@elsewhere.example>") == (
                b"250 ok\r\n"
            )
            await peer.say(b"DATA")
            assert (await peer.say(b"Subject: x\r\n\r\nbody\r\n.")).startswith(b"250 ok ")
            assert (await peer.say(b"QUIT")).startswith(b"221 ")
            assert await peer.reader.read() == b""
            peer.close()
            await server.until(server.has_ended)
            message = server.queue.messages[0]
            ended = server.told(SessionEnded)[-1]
        head = message.head
        assert b"(HELO client.example) (joe@here.example@127.0.0.1)" in head
        assert b" with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) (trace " in head
        story = decode_story(message.story)
        assert (story.tls, story.login) == ("TLSv1.3 TLS_AES_256_GCM_SHA384", b"joe@here.example")
        steps = {step.question: step for step in story.steps}
        assert steps["session.tls"].subject == b"TLS_AES_256_GCM_SHA384"
        assert steps["session.login"].subject == b"joe@here.example"
        relay = steps["session.relayclient"]
        assert (relay.answer, relay.source) == (
            YES, "login joe@here.example (PLAIN, the test's table)",
        )  # fmt: skip
        assert (ended.login, ended.tls) == (b"joe@here.example", "TLSv1.3 TLS_AES_256_GCM_SHA384")

    runner.run(scenario())


@pytest.mark.parametrize("service", ["smtps", "submissions"])
def test_a_listener_that_begins_with_tls(tmp_path, runner, service):
    async def scenario():
        async with TlsServer(tmp_path, service=service) as server:
            peer = await server.secure()
            assert (await peer.reply()).startswith(b"220 ")
            ehlo = await peer.say(b"EHLO client.example")
            assert b"STARTTLS" not in ehlo
            said = await peer.say(b"MAIL FROM:<a@b>")
            assert said.startswith(b"530 " if service == "submissions" else b"250 ok")
            await peer.say(b"QUIT")
            assert await peer.reader.read() == b""
            peer.close()
            await server.until(server.has_ended)
            assert server.told(SessionEnded)[-1].tls.startswith("TLSv1.3")

    runner.run(scenario())


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"EHLO plain.example\r\n", "wrong version number"), (b"", "hung up in the handshake")],
)
def test_a_handshake_that_fails_is_told(tmp_path, runner, data, reason):
    async def scenario():
        async with TlsServer(tmp_path, service="smtps") as server:
            peer = await server.plain()
            peer.writer.write(data)
            if not data:
                peer.writer.write_eof()
            await asyncio.wait_for(peer.reader.read(), 10)
            peer.close()
            await server.until(server.has_ended)
            refused = server.told(Refused)[-1]
            assert (refused.check, refused.reply_code) == ("tls", 0)
            assert reason in refused.steps[-1].source
            assert server.told(SessionEnded)[-1].how == "closed"

    runner.run(scenario())


def test_a_handshake_has_its_time(tmp_path, runner, monkeypatch):
    async def scenario():
        async with TlsServer(tmp_path, service="smtps") as server:
            peer = await server.plain()
            await server.until(lambda: server.process.connections)
            connection = next(iter(server.process.connections))
            connection.tick(server.process.services.clock() + smtpd_tls.HANDSHAKE_S + 1)
            assert await peer.reader.read() == b""
            peer.close()
            await server.until(server.has_ended)
            assert "no handshake within 60 s" in server.told(Refused)[-1].steps[-1].source

    runner.run(scenario())


def test_no_certificate(tmp_path, runner):
    async def scenario():
        async with TlsServer(tmp_path, service="smtps") as server:
            (tmp_path / "control" / "servercert.pem").unlink()
            peer = await server.plain()
            assert await peer.reader.read() == b""
            peer.close()
            await server.until(server.has_ended)
            assert "no certificate" in server.told(Refused)[-1].steps[-1].source

    runner.run(scenario())


def test_bytes_before_the_handshake_never_count(tmp_path, runner):
    """What comes behind STARTTLS in the clear is read by TLS, which ends the connection."""

    async def scenario():
        async with TlsServer(tmp_path) as server:
            peer = await server.plain()
            await peer.reply()
            await peer.say(b"EHLO x")
            await peer.say(b"STARTTLS")
            peer.writer.write(b"MAIL FROM:<evil@example>\r\nRCPT TO:<joe@here.example>\r\n")
            await asyncio.wait_for(peer.reader.read(), 10)
            peer.close()
            await server.until(server.has_ended)
            assert server.told(Refused)[-1].check == "tls"
            assert server.queue.messages == []

    runner.run(scenario())


@pytest.mark.parametrize("bytes_a_time", [1, 7])
def test_records_in_pieces(tmp_path, runner, bytes_a_time):
    async def scenario():
        async with TlsServer(tmp_path, service="smtps") as server:
            reader, writer = await asyncio.open_connection(*server.address)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context().wrap_bio(incoming, outgoing)

            async def until(call):
                while True:
                    try:
                        done = call()
                    except ssl.SSLWantReadError:
                        done = None
                    data = outgoing.read()
                    for at in range(0, len(data), bytes_a_time):
                        writer.write(data[at : at + bytes_a_time])
                        await asyncio.sleep(0)
                    if done is not None:
                        return done
                    incoming.write(await asyncio.wait_for(reader.read(999), 10))

            def shake():
                client.do_handshake()
                return True

            await until(shake)
            assert (await until(lambda: client.read(999))).startswith(b"220 ")
            client.write(b"EHLO x\r\n")
            assert (await until(lambda: client.read(999))).startswith(b"250-")
            writer.close()
            await server.until(server.has_ended)

    runner.run(scenario())


def test_a_long_message_through_tls(tmp_path, runner):
    big = b"".join(b"%08d " % n + b"x" * 60 + b"\r\n" for n in range(10_000))

    async def scenario():
        async with TlsServer(tmp_path, service="smtps") as server:
            peer = await server.secure()
            await peer.reply()
            await peer.say(b"MAIL FROM:<a@b>", b"RCPT TO:<joe@here.example>")
            await peer.say(b"DATA")
            assert (await peer.say(big + b".")).startswith(b"250 ok ")
            peer.close()
            await server.until(server.has_ended)

    runner.run(scenario())


def test_wrong_passwords_are_told_and_waited_for(tmp_path, runner):
    async def scenario():
        async with TlsServer(tmp_path) as server:
            peer = await server.plain()
            await peer.reply()
            await peer.say(b"EHLO x")
            for _ in range(2):
                said = await peer.say(b"AUTH PLAIN " + WRONG)
                assert said.startswith(b"535 authorization failed (#5.7.0) [")
            assert (await peer.say(b"AUTH PLAIN " + LOGIN)).startswith(b"235 ")
            await peer.say(b"QUIT")
            peer.close()
            await server.until(server.has_ended)
            refused = server.told(Refused)
            assert [(r.stage, r.check) for r in refused] == [("auth", "login")] * 2
            step = refused[0].steps[-1]
            assert (step.question, step.subject) == ("session.login", b"joe@here.example")
            assert step.source == "the test's table: bad password"
            lines = [event.line for event in server.told(Noted)]
            assert lines == [
                b"AUTH failed (bad password) [127.0.0.1] joe@here.example",
                b"AUTH failed (bad password) [127.0.0.1] joe@here.example",
                b"AUTH successful [127.0.0.1] joe@here.example",
            ]
            shown = repr(server.events)
            assert "secret" not in shown
            assert LOGIN.decode() not in shown

    runner.run(scenario())


def test_a_password_said_to_nobody_is_not_logged(tmp_path, runner):
    async def scenario():
        async with TlsServer(tmp_path) as server:
            peer = await server.plain()
            await peer.reply()
            await peer.say(b"EHLO x")
            await peer.say(b"AUTH X-UNKNOWN")
            await peer.say(LOGIN)
            await peer.say(b"QUIT")
            peer.close()
            await server.until(server.has_ended)
            assert LOGIN.decode() not in repr(server.events)

    runner.run(scenario())


# --- certificates of clients ------------------------------------------------------------------


def issue(name, email=None, authority=None):
    """Make a key and a certificate, signed by `authority` (key, certificate) or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority[1].subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if email:
        names = x509.SubjectAlternativeName([x509.RFC822Name(email)])
        made = made.add_extension(names, critical=False)
    return key, made.sign(authority[0] if authority else key, hashes.SHA256())


def pem(key, certificate):
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.covers("control/tlsclients", "rule-variable/UCSPITLS")
@pytest.mark.parametrize(
    ("email", "is_trusted", "answer"),
    [
        ("relay@here.example", True, b"250 ok"),
        ("other@here.example", True, b"553 "),
        (None, True, b"553 "),
        ("relay@here.example", False, b""),  # not of our authority: the handshake fails
    ],
)
def test_a_certificate_of_a_client(tmp_path, runner, email, is_trusted, answer):
    authority = issue("our authority")
    signer = authority if is_trusted else issue("another authority")
    (tmp_path / "client.pem").write_bytes(pem(*issue("client", email, signer)))
    text = 'control/tlsclients: relay@here.example\nrule: :allow,UCSPITLS="?"\n'

    async def scenario():
        async with TlsServer(tmp_path, text) as server:
            shown = authority[1].public_bytes(serialization.Encoding.PEM)
            (tmp_path / "control" / "clientca.pem").write_bytes(shown)
            peer = await server.plain()
            await peer.reply()
            await peer.say(b"EHLO x")
            await peer.say(b"STARTTLS")
            client = context()
            client.load_cert_chain(tmp_path / "client.pem")
            await peer.writer.start_tls(client)
            try:
                await peer.say(b"EHLO x")
                await peer.say(b"MAIL FROM:<a@b>")
                said = await peer.say(b"RCPT TO:<x@elsewhere.example>")
            except (OSError, ssl.SSLError):
                said = b""
            assert said.startswith(answer)
            peer.close()
            await server.until(server.has_ended)
            if not is_trusted:
                source = server.told(Refused)[-1].steps[-1].source
                assert "certificate verify failed" in source

    runner.run(scenario())


@pytest.mark.covers("control/tlsserverciphers")
@pytest.mark.parametrize(
    ("line", "agreed"),
    [
        ("control/tlsserverciphers: ECDHE-ECDSA-CHACHA20-POLY1305\n", "CHACHA20-POLY1305"),
        ("control/tlsserverciphers: ECDHE-ECDSA-AES128-GCM-SHA256\n", "AES128-GCM-SHA256"),
        ("", "AES256-GCM-SHA384"),
    ],
)
def test_the_ciphers_of_the_server(tmp_path, runner, line, agreed):
    async def scenario():
        async with TlsServer(tmp_path, line) as server:
            peer = await server.plain()
            await peer.reply()
            await peer.say(b"EHLO x")
            await peer.say(b"STARTTLS")
            client = context()
            client.maximum_version = ssl.TLSVersion.TLSv1_2
            await peer.writer.start_tls(client)
            assert peer.writer.get_extra_info("cipher")[0] == f"ECDHE-ECDSA-{agreed}"
            peer.close()

    runner.run(scenario())
