"""STARTTLS of the command qmail-smtpd: under tcpserver descriptors 0 and 1 are the connection."""

import asyncio
import smtplib
import socket
import ssl

from tests.daemons.test_smtpd_alone import Site

MESSAGE = b"Subject: x\r\n\r\nx\r\n"


class Client(smtplib.SMTP):
    """A client whose connection is there already."""

    def __init__(self, sock):
        super().__init__(local_hostname="client.test", timeout=20)
        self.sock = sock
        self._host = "mx.example"
        assert self.getreply()[0] == 220


def talk(sock):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Client(sock) as client:
        client.starttls(context=context)
        client.ehlo()
        assert not client.has_extn("starttls")
        client.mail("a@b.test")
        client.rcpt("joe@here.example")
        assert client.data(MESSAGE)[0] == 250


def test_starttls(tmp_path):
    async def scenario():
        ours, theirs = socket.socketpair()
        async with Site(tmp_path, "certificate: self-made\n") as site:
            ours.settimeout(20)
            running = asyncio.create_task(
                site.run(None, stdin=theirs, stdout=theirs, TCPREMOTEIP="192.0.2.7")
            )
            await asyncio.to_thread(talk, ours)
            theirs.close()
            code, _out, _told = await running
            assert code == 0
            head = site.queue.messages[0].head
            assert b"by mx.example with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)" in head
        ours.close()

    asyncio.run(scenario())


def test_a_handshake_that_fails(tmp_path):
    async def scenario():
        async with Site(tmp_path, "certificate: self-made\n") as site:
            ours, theirs = socket.socketpair()
            running = asyncio.create_task(
                site.run(None, stdin=theirs, stdout=theirs, TCPREMOTEIP="192.0.2.7")
            )

            def speak():
                ours.settimeout(20)
                file = ours.makefile("rwb", 0)
                file.readline()
                file.write(b"STARTTLS\r\n")
                while not (line := file.readline()).startswith((b"220 ", b"502")):
                    assert line, "no answer"
                assert line.startswith(b"502"), "EHLO tells it first"
                file.write(b"EHLO x\r\n")
                while not file.readline().startswith(b"250 "):
                    pass  # the other lines of the answer
                file.write(b"STARTTLS\r\n")
                assert file.readline().startswith(b"220 ready for tls")
                file.write(b"MAIL FROM:<evil@example>\r\n")
                file.close()

            await asyncio.to_thread(speak)
            theirs.close()
            code, _out, _told = await running
            ours.close()
            assert code == 1
            assert site.queue.messages == []

    asyncio.run(scenario())
