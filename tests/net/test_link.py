"""A connection that is kept up, beside processes that do not accept."""

import asyncio
import socket
import threading

import msgspec

from glassmail.net.link import Link
from glassmail.net.messages import Rows


def test_nobody_waits_for_a_process_that_accepts_nobody(tmp_path):
    path = str(tmp_path / "hung.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    waiting = []
    while True:
        made = socket.socket(socket.AF_UNIX)
        made.setblocking(False)
        waiting.append(made)
        try:
            made.connect(path)
        except BlockingIOError:
            break

    async def run():
        link = Link(path, "smtpd", msgspec.msgpack.Decoder(Rows), lambda *_message: None)
        rescue = threading.Timer(5.0, listener.close)  # ends a connect(2) that waits
        rescue.start()
        link.start()
        was_waiting = not rescue.is_alive()
        rescue.cancel()
        assert not was_waiting
        assert not link.is_up
        listener.accept()[0].close()
        link.start()
        assert link.is_up
        link.close()

    asyncio.run(run())
    for sock in (*waiting, listener):
        sock.close()
