import asyncio
import os

import pytest

from glassmail.core.ask import Existence
from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, YES
from glassmail.core.policy import pipeline
from glassmail.core.protocol import replies
from glassmail.events.codec import decode_story
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.net.messages import Declined
from glassmail.net.queue_client import OpenedBody
from glassmail.stations.limits import DATA_S_MAX, LINGER_S_MAX, STORY_RECIPIENTS_MAX
from tests.core_peer import FakeAsk
from tests.dialogue import load_all, parse, run
from tests.stations.session_site import FakeWire, SessionSite

ANSWERS = {b"joe@here.example": YES, b"nobody@here.example": NO}
ENVELOPE = (b"MAIL FROM:<a@b>", b"RCPT TO:<joe@here.example>")


@pytest.mark.parametrize("dialogue", load_all(), ids=lambda dialogue: dialogue.name)
def test_dialogue(dialogue, tmp_path):
    site = SessionSite(tmp_path, dialogue, FakeAsk(ANSWERS))
    asyncio.run(run(dialogue, site))
    assert not site.alerts
    refused = [event for event in site.events if isinstance(event, Refused)]
    assert site.session.record.refused == len(refused)
    for event in refused:
        assert event.steps
        assert all(step.question in QUESTIONS for step in event.steps)
        is_yes_bad = event.check in {"badmailfrom", "badhelo", "badrcptto", "relayrej"}
        assert event.steps[-1].answer == (YES if is_yes_bad else NO)
        assert event.check


def test_what_the_queue_gets(tmp_path):
    dialogue = parse("x", 'rule: :allow,TCPREMOTEHOST="real.test",TCPREMOTEINFO="id"\n')
    site = SessionSite(tmp_path, dialogue)
    site.say(b"EHLO fake.test", *ENVELOPE, b"DATA")
    heard = site.say(b"Message-ID: <i@d>", b"", b"..x", b".")
    message = site.queue.taken[0]
    code = heard[0].partition(b"[")[2][:-1]
    assert heard[0].startswith(b"250 ok 1795187040 qp 1 [")
    assert message.sender == b"a@b"
    assert message.recipients == (b"joe@here.example",)
    assert message.body == b"Message-ID: <i@d>\n\n.x\n"
    assert message.size == len(message.body)
    assert message.message_id == b"<i@d>"
    assert (message.part, message.kind, message.file, message.origin) == (1, "network", 0, None)
    assert message.head == (
        b"Received: from real.test (HELO fake.test) (id@192.0.2.1)\n"
        b"  by mx.example with SMTP (trace %b); 20 Nov 2026 15:04:00 -0000\n" % code
    )
    story = decode_story(message.story)
    assert (story.client, story.client_port, story.client_name) == ("192.0.2.1", 4321, "real.test")
    assert (story.helo, story.code, story.part) == (b"fake.test", message.code, 1)
    assert [step.question for step in story.steps] == [
        "session.client-rule", "routing.rcpthosts", "session.hops",
    ]  # fmt: skip
    site.say(b"QUIT")
    site.session.lost()
    ended = site.events[-1]
    assert isinstance(ended, SessionEnded)
    assert (ended.how, ended.accepted, ended.refused) == ("quit", 1, 0)


def test_without_trace_codes_the_bytes_are_qmails(tmp_path):
    site = SessionSite(tmp_path, parse("x", "control/tracecodes: 0\n"))
    site.say(*ENVELOPE, b"DATA")
    assert site.say(b"x", b".") == [b"250 ok 1795187040 qp 1"]
    message = site.queue.taken[0]
    assert message.head == (
        b"Received: from unknown (192.0.2.1)\n  by mx.example with SMTP; "
        b"20 Nov 2026 15:04:00 -0000\n"
    )
    assert message.code


def test_250_only_follows_the_queues_yes(tmp_path):
    site = SessionSite(tmp_path)
    site.queue.answers_at_once = False
    site.say(*ENVELOPE, b"DATA")
    assert site.say(b"x", b".") == []
    site.now += 10_000
    site.session.tick(site.now)  # our own time is not the client's
    assert site.say(b"NOOP") == []
    assert site.wire.is_paused
    site.queue.answer()
    assert site.heard()[1] == b"250 ok"
    assert not site.wire.is_paused


def test_the_queue_goes_down(tmp_path):
    site = SessionSite(tmp_path)
    site.queue.is_up = False
    heard = site.say(*ENVELOPE, b"DATA")
    assert heard[-1].startswith(b"451 qqt failure (#4.3.0) [")
    assert site.say(b"RCPT TO:<joe@here.example>")[0].startswith(b"503 ")
    site.queue.is_up = True
    site.say(*ENVELOPE, b"DATA")
    site.queue.is_up = False
    assert site.say(b"x", b".")[0].startswith(b"451 qqt failure (#4.3.0) [")
    assert [event.check for event in site.events] == ["queue", "mail_first", "queue"]
    assert site.events[-1].stage == "message"
    assert site.events[-1].part == 1


@pytest.mark.covers("reply/queue_full")
@pytest.mark.parametrize(
    ("declined", "reply"),
    [
        (("Z", 53, b"qq write error or disk full (#4.3.0)"),
         b"452 qq write error or disk full (#4.3.1) ["),
        (("D", 31, b"mail server permanently rejected message (#5.3.0)"), b"554 mail server perm"),
        (("Z", 82, b"custom\ntext"), b"451-custom"),
    ],
)  # fmt: skip
def test_the_queue_declines(tmp_path, declined, reply):
    site = SessionSite(tmp_path)
    site.queue.declined = declined
    site.say(*ENVELOPE, b"DATA")
    assert site.say(b"x", b".")[0].startswith(reply)
    site.queue.declined = None
    site.say(*ENVELOPE, b"DATA")
    assert site.say(b"x", b".")[0].startswith(b"250 ok")
    assert [message.part for message in site.queue.taken] == [2]


@pytest.mark.covers("reply/no_queue")
def test_no_codes_no_session(tmp_path):
    site = SessionSite(tmp_path, begin=False)
    site.queue.codes = 0
    site.session = site.meet(site.wire)
    site.session.begin()
    assert site.heard() == [b"421 my queue does not answer (#4.3.0)"]
    assert site.wire.lines.is_closed
    assert site.events[0].stage == "connect"


@pytest.mark.covers("reply/too_many_sessions")
def test_turned_away(tmp_path):
    site = SessionSite(tmp_path, begin=False)
    site.session.begin(replies.TOO_MANY_SESSIONS)
    assert site.heard()[0].startswith(b"421 too many connections, try again later (#4.3.2) [")
    assert site.events[0].check == "too_many_sessions"
    site.session.lost()
    assert site.events[-1].how == "closed"


def test_denied_clients_hear_nothing(tmp_path):
    site = SessionSite(tmp_path, parse("x", "rule: 192.0.2.1:deny\n"))
    assert site.heard() == []
    assert site.wire.lines.is_closed
    refused = site.events[0]
    assert (refused.stage, refused.check, refused.reply_code, refused.reply) == (
        "connect", "client_rule", 0, b"",
    )  # fmt: skip
    assert refused.steps[0].source == "control/tcp.smtp:1 192.0.2.1:deny"


@pytest.mark.covers("control/timeoutsmtpd", "reply/timeout")
def test_time_out_between_commands(tmp_path):
    site = SessionSite(tmp_path, parse("x", "control/timeoutsmtpd: 30\n"))
    site.heard()
    site.now += 30
    site.session.tick(site.now)
    assert site.heard() == []
    site.now += 1
    site.session.tick(site.now)
    assert site.heard()[0].startswith(b"451 timeout (#4.4.2) [")
    assert site.wire.lines.is_closed
    site.now += LINGER_S_MAX + 1
    site.session.tick(site.now)
    assert site.wire.is_aborted
    site.session.lost()
    assert site.events[-1].how == "timeout"


def test_a_body_that_trickles(tmp_path):
    site = SessionSite(tmp_path)
    site.say(*ENVELOPE, b"DATA")
    for _ in range(DATA_S_MAX // 600):
        site.now += 600
        site.say(b"x")
        site.session.tick(site.now)
        assert not site.wire.lines.is_closed
    site.now += 1
    site.session.tick(site.now)
    assert site.heard()[0].startswith(b"451 timeout (#4.4.2) [")


def test_a_client_that_does_not_read(tmp_path):
    site = SessionSite(tmp_path, parse("x", "control/timeoutsmtpd: 30\n"))
    site.heard()
    site.wire.is_blocked = True
    assert site.say(b"NOOP") == []
    assert site.wire.is_paused
    site.wire.is_blocked = False
    site.session.writable()
    assert site.heard() == [b"250 ok"]
    assert not site.wire.is_paused
    site.wire.is_blocked = True
    site.now += 31
    site.session.tick(site.now)
    assert site.wire.is_aborted


def test_a_flood_of_commands_stops_at_a_blocked_wire(tmp_path):
    site = SessionSite(tmp_path)
    sent = []

    def send(data):
        sent.append(data)
        site.wire.is_blocked = True

    site.wire.send = send
    site.session.receive(b"HELP\r\n" * 20_000)
    assert sum(map(len, sent)) < 200_000
    assert site.wire.is_paused


def test_end_of_input_is_answered_first(tmp_path):
    site = SessionSite(tmp_path)
    site.queue.answers_at_once = False
    site.say(*ENVELOPE, b"DATA")
    site.say(b"x", b".")
    site.session.end_of_input()
    assert not site.wire.lines.is_closed
    site.queue.answer()
    assert site.heard()[0].startswith(b"250 ok")
    assert site.wire.lines.is_closed
    site.session.lost()
    assert (site.events[-1].how, site.events[-1].accepted) == ("dropped", 1)


def test_lost_while_the_queue_works(tmp_path):
    site = SessionSite(tmp_path)
    site.queue.answers_at_once = False
    site.say(*ENVELOPE, b"DATA")
    site.say(b"x", b".")
    site.session.lost()
    site.session.lost()
    assert site.events == []
    site.queue.answer()
    assert (site.events[-1].how, site.events[-1].accepted) == ("dropped", 1)
    assert len(site.events) == 1


@pytest.mark.covers("reply/shutting_down")
def test_stopping(tmp_path):
    site = SessionSite(tmp_path)
    site.heard()
    site.session.stop()
    assert site.heard()[0].startswith(b"421 this server is stopping (#4.3.2) [")
    site.session.lost()
    assert site.events[-1].how == "shutdown"


def test_stopping_lets_a_message_finish(tmp_path):
    site = SessionSite(tmp_path)
    site.queue.answers_at_once = False
    site.say(*ENVELOPE, b"DATA")
    site.session.stop()
    assert site.heard() == []
    site.say(b"x", b".")
    site.session.stop()
    assert site.heard() == []
    site.queue.answer()
    heard = site.heard()
    assert heard[0].startswith(b"250 ok")
    assert heard[1].startswith(b"421 this server is stopping")
    assert site.wire.lines.is_closed


def test_the_last_call_ends_a_body(tmp_path):
    site = SessionSite(tmp_path)
    site.say(*ENVELOPE, b"DATA")
    site.session.stop(is_last_call=True)
    assert site.heard()[0].startswith(b"421 ")
    assert not site.queue.taken


class SlowAsk(FakeAsk):
    async def account_exists(self, recipient):
        self.asked.append(recipient)
        await self.released.wait()
        if self.answers[recipient] == "fault":
            raise ValueError("a fault")
        return Existence(self.answers[recipient], ())


CHECKING = "control/checkrecipients: 1\ncontrol/locals: here.example\n"


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "reply"), [(YES, b"250 ok"), (NO, b"550 sorry"), ("fault", b"451 internal trouble")]
)
def test_a_check_that_waits(tmp_path, answer, reply):
    async def scenario():
        ask = SlowAsk({b"joe@here.example": answer})
        ask.released = asyncio.Event()
        site = SessionSite(tmp_path, parse("x", CHECKING), ask)
        site.heard()
        assert site.say(*ENVELOPE, b"NOOP") == [b"250 ok"]
        assert site.wire.is_paused
        await settle()
        assert site.heard() == []
        ask.released.set()
        await settle()
        heard = site.heard()
        assert heard[0].startswith(reply)
        assert heard[1] == b"250 ok"
        assert not site.wire.is_paused
        assert bool(site.alerts) == (answer == "fault")

    asyncio.run(scenario())


def test_a_group_of_recipients_is_asked_about_together(tmp_path):
    ask = FakeAsk({b"%d@here.example" % number: YES for number in range(3)})
    site = SessionSite(tmp_path, parse("x", CHECKING), ask)
    site.heard()
    local = [b"RCPT TO:<%d@here.example>" % number for number in range(3)]
    heard = site.say(b"MAIL FROM:<a@b.example>", *local, b"RCPT TO:<u@elsewhere.example>", *local)
    assert heard[1:4] == [b"250 ok"] * 3
    everybody = [b"%d@here.example" % number for number in range(3)]
    assert ask.foreseen == everybody + everybody  # once for each, nobody of another server
    assert ask.asked == everybody + everybody


@pytest.mark.covers("reply/trouble")
def test_a_fault_of_a_check_is_a_451(tmp_path, monkeypatch):
    async def broken(_facts, _ask):
        raise ValueError("a fault")

    site = SessionSite(tmp_path)
    site.heard()
    monkeypatch.setitem(pipeline.PIPELINE, "mail", (pipeline.Named("broken", broken),))
    assert site.say(b"MAIL FROM:<a@b>")[0].startswith(b"451 internal trouble (#4.3.0) [")
    assert "ValueError: a fault" in site.alerts[0]
    monkeypatch.undo()
    assert site.say(b"MAIL FROM:<a@b>") == [b"250 ok"]


def test_lost_while_a_check_waits(tmp_path):
    async def scenario():
        ask = SlowAsk({b"joe@here.example": YES})
        ask.released = asyncio.Event()
        site = SessionSite(tmp_path, parse("x", CHECKING), ask)
        site.say(*ENVELOPE)
        site.session.lost()
        ask.released.set()
        await settle()
        assert [type(event) for event in site.events] == [SessionEnded]
        assert not site.alerts

    asyncio.run(scenario())


async def until(condition):
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


def long_body(site, descriptor):
    site.queue.opened = OpenedBody(7, descriptor)
    line = b"x" * 98
    body = [line] * 10_000
    return body, (line + b"\n") * 10_000


def test_a_long_body_goes_to_a_file(tmp_path):
    async def scenario():
        site = SessionSite(tmp_path)
        descriptor = os.open(tmp_path / "body", os.O_RDWR | os.O_CREAT)
        body, stored = long_body(site, descriptor)
        site.say(*ENVELOPE, b"DATA")
        site.heard()
        assert site.say(*body) == []
        assert site.wire.is_paused  # more than may be held in memory
        await until(lambda: not site.wire.is_paused)
        site.say(b".")
        await until(lambda: site.queue.taken)
        message = site.queue.taken[0]
        assert (message.body, message.file, message.size) == (None, 7, len(stored))
        assert (tmp_path / "body").read_bytes() == stored
        assert site.heard()[0].startswith(b"250 ok")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
        assert not site.queue.taken_back

    asyncio.run(scenario())


def test_a_full_disk(tmp_path):
    async def scenario():
        site = SessionSite(tmp_path)
        body, _ = long_body(site, os.open("/dev/full", os.O_RDWR))
        site.say(*ENVELOPE, b"DATA")
        site.say(*body)
        await until(lambda: not site.wire.is_paused)
        site.say(*body, b".")
        await until(lambda: site.wire.lines._buffer)
        assert site.heard()[0].startswith(b"452 qq write error or disk full (#4.3.1) [")
        assert site.queue.taken_back == [7]
        assert site.say(b"NOOP") == [b"250 ok"]

    asyncio.run(scenario())


def test_the_queue_gives_no_file(tmp_path):
    async def scenario():
        site = SessionSite(tmp_path)
        body, _ = long_body(site, -1)
        site.queue.opened = Declined(1, "Z", 74, b"qqt failure (#4.3.0)")
        site.say(*ENVELOPE, b"DATA")
        site.say(*body, b".")
        await until(lambda: site.wire.lines._buffer)
        assert site.heard()[0].startswith(b"451 qqt failure (#4.3.0) [")

    asyncio.run(scenario())


@pytest.mark.parametrize("is_at_once", [True, False])
def test_lost_in_a_long_body(tmp_path, is_at_once):
    async def scenario():
        site = SessionSite(tmp_path)
        descriptor = os.open(tmp_path / "body", os.O_RDWR | os.O_CREAT)
        body, _ = long_body(site, descriptor)
        site.say(*ENVELOPE, b"DATA")
        site.say(*body)
        if not is_at_once:
            await until(lambda: not site.wire.is_paused)
            await until(lambda: site.session._body._task is None)
        else:
            await settle()
        site.session.lost()
        await until(lambda: site.queue.taken_back == [7])
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    asyncio.run(scenario())


def test_a_refused_long_body_is_taken_back(tmp_path):
    async def scenario():
        site = SessionSite(tmp_path)
        body, _ = long_body(site, os.open(tmp_path / "body", os.O_RDWR | os.O_CREAT))
        site.say(*ENVELOPE, b"DATA")
        site.say(*body)
        site.session.receive(b"\nbare\r\n.\r\n")
        assert site.heard()[0].startswith(b"451 See https")
        await until(lambda: site.queue.taken_back == [7])

    asyncio.run(scenario())


def test_a_refused_message_names_everybody_it_was_for(tmp_path):
    site = SessionSite(tmp_path)
    site.say(b"MAIL FROM:<a@b>", b"RCPT TO:<1@here.example>", b"RCPT TO:<2@here.example>", b"DATA")
    site.session.receive(b"x\nbare\r\n.\r\n")
    (refused,) = (event for event in site.events if isinstance(event, Refused))
    assert (refused.stage, refused.recipient) == ("message", b"")
    assert refused.recipients == (b"1@here.example", b"2@here.example")


def test_many_recipients_make_a_bounded_story(tmp_path):
    site = SessionSite(tmp_path)
    site.say(b"MAIL FROM:<a@b>", *[b"RCPT TO:<%d@here.example>" % n for n in range(3_000)], b"DATA")
    site.say(b".")
    message = site.queue.taken[0]
    assert len(message.recipients) == 3_000
    story = decode_story(message.story)
    assert len(story.recipients) == STORY_RECIPIENTS_MAX
    assert len(story.steps) == 1_000


def test_each_session_has_its_own_code_and_keeps_its_settings(tmp_path):
    site = SessionSite(tmp_path)
    site.heard()
    (tmp_path / "control" / "rcpthosts").write_text("other.example\n")
    (tmp_path / "control" / "me").write_text("new.example\n")
    site.now += 2
    site.settings.look_again()
    wire = FakeWire()
    second = site.meet(wire)
    second.begin()
    assert wire.lines.take() == b"220 new.example ESMTP"
    assert site.say(*ENVELOPE) == [b"250 ok", b"250 ok"]
    assert second.record.code != site.session.record.code


def test_a_fault_ends_one_session_only(tmp_path, monkeypatch):
    site = SessionSite(tmp_path)
    site.queue.answers_at_once = False
    site.say(*ENVELOPE, b"DATA")
    site.say(b"x", b".")
    monkeypatch.setattr(replies, "queued", None)
    site.queue.answer()
    assert "TypeError" in site.alerts[0]
    assert site.wire.is_aborted
