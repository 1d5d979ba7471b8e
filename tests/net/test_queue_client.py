import asyncio
import os

from glassmail.core.model.code import BLOCK
from glassmail.net import queue_client
from glassmail.net.messages import Codes, Declined, Enqueue, Enqueued
from glassmail.net.queue_client import OpenedBody, QueueClient
from tests.fake_queue import FakeQueue


def enqueue(client, body=b"x\n"):
    return Enqueue(
        client.next_ref(), b"a@b", (b"c@d",), b"", body, 0, len(body), 1, 1, b"", "network"
    )


async def until(condition):
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


def scenario(run):
    """Run with a client and a queue that listens; everything is closed behind it."""

    def test(tmp_path):
        async def main():
            queue = FakeQueue(str(tmp_path / "queue.sock"))
            client = QueueClient(queue.path, "smtpd")
            try:
                await run(queue, client)
            finally:
                client.close()
                queue.stop()

        asyncio.run(main())

    test.__name__ = run.__name__
    return test


@scenario
async def test_codes_come_in_blocks(queue, client):
    assert client.take_code() == 0
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    codes = [client.take_code() for _ in range(BLOCK // 2)]
    assert codes == list(range(1, BLOCK // 2 + 1))
    assert queue.next_code == 1 + BLOCK
    client.take_code()
    await until(lambda: queue.next_code == 1 + 2 * BLOCK)
    await asyncio.sleep(0.01)
    codes = [client.take_code() for _ in range(BLOCK)]
    assert len(set(codes)) == BLOCK
    assert all(codes)
    assert queue.hellos[0].role == "smtpd"


@scenario
async def test_codes_outlive_the_queue(queue, client):
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    queue.stop()
    await until(lambda: not client.is_up)
    assert all(client.take_code() for _ in range(BLOCK))
    assert client.take_code() == 0
    queue.start()
    await until(lambda: client.take_code() == 1 + BLOCK)


@scenario
async def test_waiting_for_codes_ends(queue, client):
    client.start()
    await client.wait_for_codes(0.01)
    assert client.take_code() == 0


@scenario
async def test_enqueue(queue, client):
    queue.start()
    client.start()
    answers = []
    client.enqueue(enqueue(client), answers.append)
    client.enqueue(enqueue(client), answers.append)
    await until(lambda: len(answers) == 2)
    assert answers == [Enqueued(1, 1), Enqueued(2, 2)]
    queue.decline = Declined(0, "D", 31, b"no")
    client.enqueue(enqueue(client), answers.append)
    await until(lambda: len(answers) == 3)
    assert answers[2] == Declined(3, "D", 31, b"no")


@scenario
async def test_a_queue_that_is_away_declines_at_once(queue, client):
    client.start()
    answers = []
    client.enqueue(enqueue(client), answers.append)
    assert answers == [Declined(1, "Z", 74, b"qqt failure (#4.3.0)")]
    assert isinstance(await client.open_body(), Declined)


@scenario
async def test_a_queue_that_goes_away_declines_those_who_wait(queue, client):
    queue.is_silent = True
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    answers = []
    client.enqueue(enqueue(client), answers.append)
    queue.stop()
    await until(lambda: answers)
    assert answers[0].text == b"qqt failure (#4.3.0)"


@scenario
async def test_a_queue_that_does_not_answer(queue, client):
    queue.is_silent = True
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    answers = []
    client.enqueue(enqueue(client), answers.append)
    client.expire()
    assert answers == []
    late, queue_client.QUEUE_ANSWER_S_MAX = queue_client.QUEUE_ANSWER_S_MAX, -1.0
    try:
        client.enqueue(enqueue(client), answers.append)
    finally:
        queue_client.QUEUE_ANSWER_S_MAX = late
    client.expire()
    assert [answer.ref for answer in answers] == [2]
    client._message(Enqueued(2, 9), ())  # too late: nobody is told twice
    assert len(answers) == 1


@scenario
async def test_a_file_for_a_body(queue, client):
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    opened = await client.open_body()
    assert isinstance(opened, OpenedBody)
    os.write(opened.descriptor, b"x\n")
    os.close(opened.descriptor)
    answers = []
    message = enqueue(client)
    message.body, message.file = None, opened.file
    client.enqueue(message, answers.append)
    await until(lambda: answers)
    assert queue.bodies == {1: b"x\n"}


@scenario
async def test_files_nobody_uses_are_taken_back(queue, client):
    queue.start()
    client.start()
    await client.wait_for_codes(5.0)
    opening = asyncio.ensure_future(client.open_body())
    await asyncio.sleep(0)
    opening.cancel()
    await until(lambda: queue.taken_back)
    opened = await client.open_body()
    os.close(opened.descriptor)
    client.take_back(opened.file)
    await until(lambda: queue.taken_back == [1, 2])
    assert client.is_up


@scenario
async def test_foreign_descriptors_are_closed(queue, client):
    number = os.open(os.devnull, os.O_RDONLY)
    client._message(Codes(1, 2), (number,))
    try:
        os.fstat(number)
    except OSError:
        return
    raise AssertionError("it is open")
