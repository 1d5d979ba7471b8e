"""SMTP servers for tests, in the test's own loop: one that takes mail, and hostile ones."""

import asyncio


class FakeSmtp:
    """A server on a free port that answers by a table.

    Args:
        answers: verb -> reply text or callable(command) -> reply text; `.` is the end of data,
            `greeting` the beginning. `None` hangs up, `...` says nothing more.
        extensions: what EHLO offers.
        host: where to listen.

    Attributes:
        messages: (sender line, [recipient lines], data) of what was taken.
        connections: how many there were; commands: every line that came.
    """

    def __init__(
        self, answers=None, extensions=("PIPELINING", "8BITMIME", "SIZE"), host="127.0.0.1"
    ):
        self.answers = answers or {}
        self.extensions = extensions
        self.host = host
        self.messages = []
        self.commands = []
        self.connections = 0
        self.open = set()

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exception):
        self._server.close()
        for session in list(self.open):
            session.transport.abort()
        await self._server.wait_closed()

    def reply(self, verb, command):
        answer = self.answers.get(verb, self._usual(verb))
        return answer(command) if callable(answer) else answer

    def _usual(self, verb):
        if verb == "greeting":
            return "220 sink ESMTP"
        if verb == "EHLO":
            return "\r\n".join([f"250-{e}" for e in ("sink", *self.extensions)] + ["250 HELP"])
        if verb == "DATA":
            return "354 go"
        return (
            "221 bye"
            if verb == "QUIT"
            else "250 2.0.0 queued as ABC123"
            if verb == "."
            else "250 ok"
        )


class _Session(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = b""
        self.is_data = False
        self.is_mute = False
        self.sender = b""
        self.recipients = []

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections += 1
        self.server.open.add(self)
        self.say(self.server.reply("greeting", b""))

    def connection_lost(self, exc):
        self.server.open.discard(self)

    def say(self, reply):
        if reply is None:
            self.transport.abort()
        elif reply is ...:
            self.is_mute = True
        else:
            data = reply if isinstance(reply, bytes) else reply.encode() + b"\r\n"
            self.transport.write(data)
        return reply

    def data_received(self, data):
        self.buffer += data
        while not (self.is_mute or self.transport.is_closing()):
            if self.is_data:
                text = b"\r\n" + self.buffer
                end = text.find(b"\r\n.\r\n")
                if end < 0:
                    return
                body, self.buffer = text[2 : end + 2], text[end + 5 :]
                self.is_data = False
                reply = self.say(self.server.reply(".", body))
                if isinstance(reply, str) and reply.startswith("2"):
                    self.server.messages.append((self.sender, self.recipients, body))
                self.recipients = []
                continue
            line, found, rest = self.buffer.partition(b"\r\n")
            if not found:
                return
            self.buffer = rest
            self.command(line)

    def command(self, line):
        self.server.commands.append(line)
        verb = line.split(b" ")[0].split(b":")[0].upper().decode()
        reply = self.say(self.server.reply(verb, line))
        good = isinstance(reply, str) and reply[:1] in "23"
        if verb == "MAIL" and good:
            self.sender, self.recipients = line, []
        elif verb == "RCPT" and good:
            self.recipients.append(line)
        elif verb == "DATA" and good:
            self.is_data = True
        elif verb == "QUIT":
            self.transport.close()
