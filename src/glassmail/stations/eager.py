"""Go on with a coroutine that was begun without a Task.

Most checks ask nothing that must be waited for. Their coroutine is driven by hand, which costs
a fraction of a Task; only when it waits, a Task takes it over with `resume`.

Such a coroutine has no current task until it first waits: before that it must not use
`asyncio.timeout` or `asyncio.current_task`; futures and timers of its own are fine.
"""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def resume(begun: Coroutine[Any, Any, T], waiting: object) -> Generator[Any, Any, T]:
    """Await a coroutine that has already yielded `waiting`; to be made a Task's coroutine.

    Args:
        begun: a coroutine whose `send(None)` returned instead of raising StopIteration.
        waiting: what it returned, a future of the running loop.
    """
    while True:
        thrown: BaseException | None = None
        value = None
        try:
            value = yield waiting
        except BaseException as error:  # noqa: BLE001 (a cancelled Task's; it is the coroutine's)
            thrown = error
        try:
            waiting = begun.send(value) if thrown is None else begun.throw(thrown)
        except StopIteration as stop:
            result: T = stop.value
            return result
