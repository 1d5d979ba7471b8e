"""Another mail server, in a thread of the test."""

import asyncio
import threading

from tests.net.fake_smtp import FakeSmtp


class Peer(FakeSmtp):
    """Takes mail; `answers` may be changed while it runs."""

    def open_in_thread(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self.__aenter__())
        return self

    def shut(self):
        self._run(self.__aexit__())
        self._run(asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def route(self):
        """The value of a line of smtproutes that leads here."""
        return f"127.0.0.1:{self.port}"

    def bodies(self):
        return [body for _sender, _recipients, body in list(self.messages)]

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)
