import asyncio
import socket

import pytest

from glassmail.net.smtp_pool import ConnectError, SmtpPool
from tests.net.fake_smtp import FakeSmtp


def _run(test):
    async def go():
        pool = SmtpPool()
        try:
            await asyncio.wait_for(test(pool), 10)
        finally:
            pool.close()
            while len(pool):
                await asyncio.sleep(0)

    asyncio.run(go())


def test_refused_is_not_timed_out():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    async def test(pool):
        with pytest.raises(ConnectError) as caught:
            await pool.connect(("127.0.0.1", port, b"here"), 5.0, 5.0)
        assert not caught.value.timed_out
        assert not caught.value.no_resources

    _run(test)


def test_a_connection_that_never_served_is_not_kept():
    async def test(pool):
        async with FakeSmtp({"greeting": ...}) as server:
            connection = await pool.connect(("127.0.0.1", server.port, b"here"), 5.0, 5.0)
            assert len(pool) == 1
            pool.give_back(connection)
            while len(pool):
                await asyncio.sleep(0)
            assert pool.idle_count == 0

    _run(test)


def test_a_connection_that_ended_at_once_is_not_watched():
    async def test(pool):
        async with FakeSmtp({"greeting": None}) as server:
            for _ in range(20):
                connection = await pool.connect(("127.0.0.1", server.port, b"here"), 5.0, 5.0)
                pool.give_back(connection)
            while len(pool):
                await asyncio.sleep(0)
            pool.look(asyncio.get_running_loop().time() + 100)

    _run(test)


def test_other_names_and_ports_have_other_connections():
    async def test(pool):
        async with FakeSmtp() as server:
            key = ("127.0.0.1", server.port, b"here")
            connection = await pool.connect(key, 5.0, 5.0)
            while not connection.is_open:
                await asyncio.sleep(0)
            pool.give_back(connection)
            assert pool.take(("127.0.0.1", server.port, b"there"), 5.0) is None
            assert pool.take(("127.0.0.1", server.port + 1, b"here"), 5.0) is None
            assert pool.take(key, 7.0) is connection
            assert connection.timeout_s == 7.0
            assert pool.take(key, 5.0) is None
            pool.give_back(connection)
            pool.close_idle()
            assert pool.idle_count == 0
            while len(pool):
                await asyncio.sleep(0)

    _run(test)
