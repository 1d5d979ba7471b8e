"""The life of a daemon with an event loop: start, signals, the supervisor's death, a clean end.

A daemon hands `live` a coroutine function; HUP, ALRM and TERM become calls, and when the
supervisor dies (end of file on the pipe) the process ends within a second.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import uvloop

from glassmail.daemons.context import Context

LOOP_VARIABLE = "GLASSMAIL_LOOP"  # `asyncio` chooses the stdlib's loop, for tests of both


def _nothing() -> None:
    """Do nothing: the default of a signal nobody uses."""


@dataclass
class Life:
    """What a daemon is told while it lives; it sets the calls it wants."""

    context: Context
    on_reload: Callable[[], None] = _nothing
    on_alarm: Callable[[], None] = _nothing
    on_stop: Callable[[], None] = _nothing
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 0

    def hup(self) -> None:
        """HUP came."""
        self.on_reload()

    def alrm(self) -> None:
        """ALRM came."""
        self.on_alarm()

    def term(self) -> None:
        """TERM came."""
        self.on_stop()

    def end(self, exit_code: int = 0) -> None:
        """End the process as soon as the loop comes round."""
        self.exit_code = exit_code
        self.ended.set()

    def orphaned(self) -> None:
        """Leave at once: the supervisor is gone and a new one must find the place free."""
        os._exit(0)


def live(context: Context, start: Callable[[Life], Awaitable[None]]) -> int:
    """Run a daemon until its Life ends; return its exit code."""
    if os.environ.get(LOOP_VARIABLE) == "asyncio":
        return asyncio.run(_live(context, start))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(context, start))


async def _live(context: Context, start: Callable[[Life], Awaitable[None]]) -> int:
    life = Life(context)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, life.hup)
    loop.add_signal_handler(signal.SIGALRM, life.alrm)
    loop.add_signal_handler(signal.SIGTERM, life.term)
    loop.add_signal_handler(
        signal.SIGINT, _nothing
    )  # Ctrl-C reaches the supervisor, which stops us
    loop.add_reader(context.parent_fd, life.orphaned)
    life.on_stop = life.end
    await start(life)
    await life.ended.wait()
    return life.exit_code
