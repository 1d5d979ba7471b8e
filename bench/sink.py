"""A small SMTP server that accepts everything and counts, for relay work.

    python bench/sink.py [--port P] [--recipients N] [--messages N] [--refuse]

Prints its port at once, and `done SECONDS` (CLOCK_MONOTONIC) when the N-th has been accepted.
"""

import argparse
import asyncio
import sys
import time

import uvloop

EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"


class Tally:
    """What was accepted so far, and what we wait for."""

    def __init__(self, recipients: int, messages: int) -> None:
        self.recipients = 0
        self.messages = 0
        self._want = recipients, messages
        self._told = False

    def accepted(self, recipients: int) -> None:
        """Count a message; say so when it was the last."""
        self.messages += 1
        self.recipients += recipients
        want_recipients, want_messages = self._want
        is_done = self.recipients >= want_recipients and self.messages >= want_messages
        if is_done and not self._told:
            self._told = True
            print(f"done {time.monotonic():.6f} {self.messages} {self.recipients}", flush=True)


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, tally: Tally, *, refuses: bool) -> None:
        self._tally = tally
        self._refuses = refuses
        self._left = b""
        self._recipients = 0
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = transport
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Take commands and contents as they come."""
        self._left += data
        out = bytearray()
        while True:
            if self._in_data:
                if not self._end_of_data(out):
                    break
                continue
            end = self._left.find(b"\r\n")
            if end < 0:
                break
            line, self._left = self._left[:end], self._left[end + 2 :]
            self._command(line[:4].upper(), out)
        if out:
            self._transport.write(bytes(out))

    def _end_of_data(self, out: bytearray) -> bool:
        if self._left.startswith(b".\r\n"):
            end, skip = 0, 3
        else:
            end, skip = self._left.find(b"\r\n.\r\n"), 5
        if end < 0:
            self._left = self._left[-4:]
            return False
        self._left = self._left[end + skip :]
        self._in_data = False
        self._tally.accepted(self._recipients)
        self._recipients = 0
        out += b"250 ok\r\n"
        return True

    def _command(self, verb: bytes, out: bytearray) -> None:
        if verb == b"RCPT":
            if self._refuses:
                out += b"450 try again later\r\n"
                return
            self._recipients += 1
        elif verb == b"DATA":
            if not self._recipients:
                out += b"503 no recipient\r\n"
                return
            self._in_data = True
            out += b"354 go on\r\n"
            return
        elif verb == b"EHLO":
            out += EHLO
            return
        elif verb == b"QUIT":
            self._transport.write(bytes(out) + b"221 bye\r\n")
            out.clear()
            self._transport.close()
            return
        out += b"250 ok\r\n"


async def serve(arguments: argparse.Namespace) -> None:
    """Listen until killed."""
    tally = Tally(arguments.recipients, arguments.messages)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Session(tally, refuses=arguments.refuse), "127.0.0.1", arguments.port, backlog=1_000
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipients", type=int, default=0)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--refuse", action="store_true")
    arguments = parser.parse_args()
    import inside

    inside.die_with_parent()
    uvloop.run(serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
