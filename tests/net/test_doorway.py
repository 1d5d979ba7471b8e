"""The daemons' listening sockets: taking connections, resting without descriptors, bad frames."""

import asyncio
import errno
import os
import socket

import msgspec
import pytest

from glassmail.net.doorway import CLIENT, Doorway, Peer, Places, admit, read_message
from glassmail.net.limits import ACCEPT_REST_S
from glassmail.net.messages import FactsKept
from glassmail.net.unix_listener import listen_unix


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "door.sock")


def knock(path):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def test_nobody_takes_all_places():
    places = Places(6, 2, lambda uid: uid == 0)
    peers = []
    for uid in (7, 7, 8, 0, 0):
        assert places.has_one(uid, peers)
        peers.append(Peer(1, uid, uid))
    assert not places.has_one(7, peers)
    assert places.has_one(8, peers)
    peers.append(Peer(1, 0, 0))
    assert not places.has_one(0, peers)


def test_who_finds_no_place_is_hung_up_on(path):
    async def run():
        peers, gone, frames = set(), [], []
        places = Places(9, 1, lambda _uid: False)

        def leave(peer):
            peers.discard(peer)
            gone.append(peer)

        def welcome(sock):
            admit(sock, peers, places, Peer, lambda *frame: frames.append(frame), leave)

        door = Doorway(listen_unix(path), welcome, print)
        reader, writer = await asyncio.open_unix_connection(path)
        late, other = await asyncio.open_unix_connection(path)
        assert await late.read() == b""
        (peer,) = peers
        assert (peer.pid, peer.uid, peer.role) == (os.getpid(), os.geteuid(), CLIENT)
        writer.write(len(b"hello").to_bytes(4, "big") + b"\0hello")
        while not frames:
            await asyncio.sleep(0)
        assert frames == [(peer, b"hello", ())]
        peer.send(FactsKept(1))
        assert await reader.readexactly(5)
        writer.close()
        other.close()
        while not gone:
            await asyncio.sleep(0)
        assert not peers
        door.close()

    asyncio.run(run())


def test_connections_are_handed_over_until_it_is_closed(path):
    async def run():
        welcomed, warned = [], []
        door = Doorway(listen_unix(path), welcomed.append, warned.append)
        callers = [knock(path) for _ in range(3)]
        while len(welcomed) < 3:
            await asyncio.sleep(0)
        door.close()
        door.close()
        with pytest.raises(ConnectionRefusedError):
            knock(path)
        for sock in callers + welcomed:
            sock.close()
        assert warned == []

    asyncio.run(run())


class Starved:
    """A listening socket; nothing can be accepted while there are no descriptors."""

    def __init__(self, sock):
        self.sock, self.misses = sock, 2

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def accept(self):
        if self.misses:
            self.misses -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self.sock.accept()


def test_without_descriptors_it_rests_and_takes_them_later(path, monkeypatch):
    rests = []

    async def run():
        welcomed, warned = [], []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_later", lambda pause, call: rests.append((pause, call)))
        door = Doorway(Starved(listen_unix(path)), welcomed.append, warned.append)
        with knock(path):
            for count in (1, 2):
                while len(rests) < count:
                    await asyncio.sleep(0)
                for _ in range(20):  # it does not try again by itself
                    await asyncio.sleep(0)
                assert len(rests) == len(warned) == count
                assert rests[-1][0] == ACCEPT_REST_S
                rests[-1][1]()
            while not welcomed:
                await asyncio.sleep(0)
        assert warned == ["cannot take a connection: Too many open files: it waits"] * 2
        door.close()
        rests[-1][1]()  # the rest ends after the end
        welcomed[0].close()

    asyncio.run(run())


def test_a_frame_that_is_no_message_closes_the_connection():
    class Peer:
        reason = ""

        def close(self, reason):
            self.reason = reason

    peer, decoder = Peer(), msgspec.msgpack.Decoder(int)
    reader, writer = os.pipe()
    assert read_message(decoder, msgspec.msgpack.encode(7), (reader,), peer) == 7
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(reader)
    os.close(writer)
    assert peer.reason == ""
    assert read_message(decoder, b"\xff\xff", (), peer) is None
    assert peer.reason.startswith("not a message of ours: ")
