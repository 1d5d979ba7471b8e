"""Senders that remember what was promised to them.

Each thread hands in numbered messages as fast as it is answered and notes a number only when it
has read the 250. The notes live in the harness's memory, outside of the filesystem that is cut.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import letters
from load import Client, LoadError

PER_CONNECTION = 50


@dataclass(frozen=True)
class Kind:
    """One kind of hand-in: its sender, its recipient, whether the bounce is what must arrive."""

    name: str
    sender: bytes
    recipient: bytes
    bounces: bool = False


class Handing:
    """Some senders at work until they are told to stop or the server is gone."""

    def __init__(
        self, place: tuple[str, int], prefix: str, kinds: list[Kind], sizes: tuple[int, int]
    ) -> None:
        self._place = place
        self._prefix = prefix
        self._kinds = kinds
        self._sizes = sizes
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.accepted: dict[str, Kind] = {}
        self.accepted_at: dict[str, float] = {}
        self.refusals: list[str] = []

    def start(self, senders: int) -> None:
        """Begin."""
        for number in range(senders):
            thread = threading.Thread(target=self._hand_in, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop and wait for the threads; the server should be dead or answering."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60.0)

    def forget(self, first: float, last: float) -> None:
        """Take back what was promised between two moments: nobody can tell what it was worth."""
        for ident, at in self.accepted_at.items():
            if first <= at <= last:
                self.accepted.pop(ident, None)

    def _hand_in(self, number: int) -> None:
        serials = itertools.count()  # never used twice: what broke off is not sent again
        while not self._stopping.is_set():
            try:
                self._session(number, serials)
            except LoadError as error:
                # A closed connection is the cut; anything else a refusal, which is no loss.
                if "b''" not in str(error):
                    self.refusals.append(str(error))
                if self._stopping.wait(0.05):
                    return
            except OSError:
                if self._stopping.wait(0.05):
                    return

    def _session(self, number: int, serials: Iterator[int]) -> None:
        client = Client(self._place, timeout_s=30.0)
        try:
            client.command(b"EHLO crash.test")
            for _ in range(PER_CONNECTION):
                if self._stopping.is_set():
                    break
                serial = next(serials)
                kind = self._kinds[serial % len(self._kinds)]
                ident = f"{self._prefix}-{number}-{serial}"
                client.command(b"MAIL FROM:<" + kind.sender + b">")
                client.command(b"RCPT TO:<" + kind.recipient + b">")
                client.data(letters.wire(ident, self._sizes))
                self.accepted_at[ident] = time.monotonic()
                self.accepted[ident] = kind
        finally:
            client.close(quit_first=False)
