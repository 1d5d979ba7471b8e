import asyncio

import pytest

from glassmail.stations.eager import resume


def test_a_coroutine_goes_on_as_a_task():
    async def main():
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()

        async def work():
            return [await first, await second]

        begun = work()
        waiting = begun.send(None)
        task = loop.create_task(resume(begun, waiting))
        await asyncio.sleep(0)
        first.set_result(1)
        await asyncio.sleep(0)
        second.set_result(2)
        assert await task == [1, 2]

    asyncio.run(main())


def test_faults_and_cancelling_reach_it():
    async def main():
        loop = asyncio.get_running_loop()
        seen = []

        async def work(future):
            try:
                await future
            except BaseException as error:
                seen.append(type(error))
                raise

        failing, waiting_for_ever = loop.create_future(), loop.create_future()
        for future in (failing, waiting_for_ever):
            begun = work(future)
            task = loop.create_task(resume(begun, begun.send(None)))
            await asyncio.sleep(0)
            if future is failing:
                future.set_exception(ValueError("x"))
                with pytest.raises(ValueError, match="x"):
                    await task
            else:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        assert seen == [ValueError, asyncio.CancelledError]

    asyncio.run(main())
