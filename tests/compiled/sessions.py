"""Random SMTP sessions, a digest of each: `python -m tests.compiled.sessions COUNT [compiled]`.

The same numbers give the same sessions, so that both kinds of modules can be compared.
"""

import asyncio
import hashlib
import random
import re
import sys
import tempfile
from pathlib import Path

if sys.argv[2:] == ["compiled"]:
    import tests.compiled.first  # noqa: F401

from tests.stations.session_site import SessionSite

PIECES = (
    b"EHLO x\r\n", b"HELO y\r\n", b"MAIL FROM:<a@b>\r\n", b"MAIL FROM:<> SIZE=99 BODY=8BITMIME\r\n",
    b"RCPT TO:<joe@here.example>\r\n", b"RCPT TO:<x@far.example>\r\n",
    b"RCPT TO:<joe@[127.0.0.1]>\r\n", b"DATA\r\n", b"x: y\r\n\r\nbody\r\n", b".\r\n", b"..dot\r\n",
    b"\n", b"\r", b"\r\n", b".\n", b"\n.\r\n", b"\r\n.\r\n", b"QUIT\r\n", b"RSET\r\n", b"NOOP\r\n",
    b"VRFY a\r\n", b"HELP\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"YQ==\r\n",
    b"*\r\n", b"STARTTLS\r\n", b"\xff\xfe\r\n", b"MAIL FROM:a@b\r\n", b"RCPT TO:<>\r\n",
    b'MAIL FROM:<"a b"@c>\r\n', b"Received: x\r\n" * 5, b"A" * 600 + b"\r\n", b"z" * 1_100, b"\0",
    b" ", b"<", b">", b":", b"@", b"[", b"]",
)  # fmt: skip
BEGUN = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\n"


async def session(number: int, directory: Path) -> str:
    """Hold one session; return the digest of everything that came of it."""
    choose = random.Random(number)
    site = SessionSite(directory)
    said = b"".join(choose.choice(PIECES) for _ in range(choose.randrange(1, 25)))
    said = BEGUN + said if choose.random() < 0.7 else said
    heard = site.heard()
    while said and not site.wire.lines.is_closed:
        size = choose.choice((1, 3, 20, 100, 1_000))
        await site.send(said[:size])
        said = said[size:]
        heard += site.heard()
    heard += [repr((m.sender, m.recipients, m.body, m.size)).encode() for m in site.queue.taken]
    heard += [re.sub(r"pid=\d+", "", repr(event)).encode() for event in site.events]
    heard += [alert.encode() for alert in site.alerts]
    return hashlib.sha256(b"\n".join(heard)).hexdigest()


async def main(count: int) -> None:
    """Hold so many sessions; print a line of each."""
    for number in range(count):
        with tempfile.TemporaryDirectory(prefix="glassmail-") as directory:
            print(number, await session(number, Path(directory)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
