"""A message to the postmaster: mail of an account is held from now on.

Always:
    - It goes into the queue like any message of a program; while the queue is away it is tried
      again, up to NOTICES_MAX of them.
"""

import time
from collections import deque
from collections.abc import Callable

from glassmail.core.formats import date
from glassmail.net.messages import Declined, Enqueue
from glassmail.net.queue_client import Answer, QueueClient
from glassmail.store.control import Controls

NOTICES_MAX = 1_000

_TEXT = """\
From: glassmail gate <%(from)s>
To: %(to)s
Subject: mail of %(account)s is held
Date: %(date)s

%(account)s sends more than it may: %(reason)s.
Its last message came from %(client)s.

Mail of this account is still taken, but held in the queue: nothing of it is
delivered, and nothing is lost.

If its password was stolen: change it, then look at what is held and drop it.

    glass queue list --state held
    glass why %(client)s

If all is well: let the account go on, then release its messages.

    glass block remove %(account)s
    glass queue release NUMBER ...

The limit is control/maxaccountrecipients.
"""


class HeldNotice:
    """Writes to the postmaster."""

    def __init__(self, socket: str, controls: Controls, warn: Callable[[str], None]) -> None:
        """Make a writer that waits until `start`.

        Args:
            socket: the queue's.
            controls: who the postmaster is.
            warn: takes the text of a problem.
        """
        self._queue = QueueClient(socket, "client", takes_codes=False)
        self._controls = controls
        self._warn = warn
        self._waiting: deque[bytes] = deque(maxlen=NOTICES_MAX)

    def start(self) -> None:
        """Connect, or keep trying in the background."""
        self._queue.start()

    def close(self) -> None:
        """Hang up."""
        self._queue.close()

    def tell(self, account: str, client: str, reason: str) -> None:
        """Write a message."""
        settings = self._controls.snapshot()
        from_ = b"%b@%b" % (settings.line("bouncefrom"), settings.line("bouncehost"))
        names = {
            "from": from_.decode("utf-8", "replace"),
            "to": self._postmaster().decode("utf-8", "replace"),
            "account": _one_line(account),
            "client": _one_line(client),
            "reason": reason,
            "date": date.rfc822(int(time.time())).decode("ascii"),
        }
        self._waiting.append((_TEXT % names).encode("utf-8", "replace"))
        self.try_again()

    def try_again(self) -> None:
        """Hand in what waits; to be called now and then."""
        while self._waiting and self._queue.is_up:
            self._hand_in(self._waiting.popleft())
        self._queue.expire()

    def _hand_in(self, body: bytes) -> None:
        def answered(answer: Answer) -> None:
            if isinstance(answer, Declined) and answer.letter == "Z":
                self._waiting.append(body)  # the gate's tick tries again
            elif isinstance(answer, Declined):
                self._warn(f"the queue does not take a notice to the postmaster: {answer.text!r}")

        ref = self._queue.next_ref()
        message = Enqueue(
            ref, b"", (self._postmaster(),), b"", body, 0, len(body), 0, 0, b"", "user"
        )
        self._queue.enqueue(message, answered)

    def _postmaster(self) -> bytes:
        settings = self._controls.snapshot()
        return b"%b@%b" % (settings.line("doublebounceto"), settings.line("doublebouncehost"))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
