import asyncio
import socket

import msgspec

from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.net.channel import Channel
from glassmail.net.messages import Found, Hello, Lookup, encode
from glassmail.stations import ask as ask_module
from glassmail.stations.ask import LiveAsk

DECODER = msgspec.msgpack.Decoder(Hello | Lookup)


class FakeKeeper:
    def __init__(self, path):
        self.answers = {}
        self.asked = []
        self.channels = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(path)
        self.sock.listen(8)
        self.sock.setblocking(False)
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.sock.fileno(), self._accept)

    def _accept(self):
        channel = Channel(
            self.sock.accept()[0], lambda payload, _: self._frame(channel, payload), lambda _: None
        )
        self.channels.append(channel)

    def _frame(self, channel, payload):
        message = DECODER.decode(payload)
        if isinstance(message, Lookup):
            self.asked.append(message.recipient)
            answer = self.answers.get(message.recipient)
            if answer is not None:
                step = Step("account.exists", message.recipient, answer, "vpasswd")
                channel.send(encode(Found(message.ref, answer, (step,))))

    def close(self):
        if self.sock.fileno() < 0:
            return
        self.loop.remove_reader(self.sock.fileno())
        self.sock.close()
        for channel in self.channels:
            channel.close()


def scenario(run):
    def test(tmp_path, monkeypatch):
        async def main():
            keeper = FakeKeeper(str(tmp_path / "keeper.sock"))
            ask = LiveAsk(str(tmp_path / "keeper.sock"), "smtpd")
            ask.start()
            try:
                await asyncio.wait_for(run(keeper, ask, monkeypatch), 10)
            finally:
                ask.close()
                keeper.close()

        asyncio.run(main())

    test.__name__ = run.__name__
    return test


@scenario
async def test_answers(keeper, ask, monkeypatch):
    keeper.answers = {b"joe@a": YES, b"x@a": NO}
    for recipient, answer in keeper.answers.items():
        existence = await ask.account_exists(recipient)
        assert existence.answer == answer
        assert existence.steps[0].source == "vpasswd"


@scenario
async def test_answers_are_kept_for_a_moment(keeper, ask, monkeypatch):
    keeper.answers = {b"joe@a": YES, b"u@a": UNKNOWN}
    for _ in range(3):
        await ask.account_exists(b"joe@a")
        await ask.account_exists(b"u@a")
    assert keeper.asked.count(b"joe@a") == 1
    assert keeper.asked.count(b"u@a") == 3
    monkeypatch.setattr(ask_module, "EXISTENCE_KEPT_S", 0.0)
    await ask.account_exists(b"joe@a")
    assert keeper.asked.count(b"joe@a") == 2


@scenario
async def test_what_is_kept_is_bounded(keeper, ask, monkeypatch):
    monkeypatch.setattr(ask_module, "EXISTENCES_KEPT_MAX", 10)
    for number in range(50):
        keeper.answers[b"%d@a" % number] = YES
        await ask.account_exists(b"%d@a" % number)
        assert len(ask._kept) <= 10


@scenario
async def test_a_silent_keeper(keeper, ask, monkeypatch):
    monkeypatch.setattr(ask_module, "KEEPER_ANSWER_S_MAX", 0.01)
    existence = await ask.account_exists(b"joe@a")
    assert existence.answer == UNKNOWN
    assert "did not answer" in existence.steps[0].source
    assert not ask._waiting


@scenario
async def test_a_keeper_that_goes_away(keeper, ask, monkeypatch):
    asking = asyncio.ensure_future(ask.account_exists(b"joe@a"))
    while not keeper.asked:
        await asyncio.sleep(0.001)
    keeper.close()
    existence = await asking
    assert existence.answer == UNKNOWN
    assert "went away" in existence.steps[0].source
    existence = await ask.account_exists(b"joe@a")
    assert (existence.answer, existence.steps[0].question) == (UNKNOWN, "session.keeper")


@scenario
async def test_foreseen_questions_are_asked_at_once_and_once(keeper, ask, monkeypatch):
    keeper.answers = {b"%d@a" % number: YES for number in range(20)}
    await ask.account_exists(b"0@a")  # the connection is up from here on
    ask.foresee(keeper.answers)
    for recipient in keeper.answers:
        assert (await ask.account_exists(recipient)).answer == YES
    assert sorted(keeper.asked) == sorted(keeper.answers)


@scenario
async def test_who_asks_the_same_waits_for_the_same_answer(keeper, ask, monkeypatch):
    keeper.answers = {b"up@a": YES, b"joe@a": NO}
    await ask.account_exists(b"up@a")
    ask.foresee([b"joe@a"])
    both = await asyncio.gather(ask.account_exists(b"joe@a"), ask.account_exists(b"joe@a"))
    assert [existence.answer for existence in both] == [NO, NO]
    assert keeper.asked.count(b"joe@a") == 1
    assert not ask._waiting
    assert not ask._refs


@scenario
async def test_what_is_foreseen_is_bounded(keeper, ask, monkeypatch):
    keeper.answers = {b"up@a": YES}
    await ask.account_exists(b"up@a")
    monkeypatch.setattr(ask_module, "QUESTIONS_FORESEEN_MAX", 10)
    ask.foresee(b"%d@a" % number for number in range(50))
    assert len(ask._waiting) == 10
