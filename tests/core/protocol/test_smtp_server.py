import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from glassmail.core.model.limits import (
    COMMAND_LINE_BYTES_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
)
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, YES
from glassmail.core.protocol import replies, smtp_server
from glassmail.core.protocol.smtp_commands import State
from glassmail.core.protocol.smtp_events import (
    BodyChunk,
    BodyEnds,
    DataBegins,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Refused,
    Reset,
)
from glassmail.core.protocol.smtp_server import SmtpServer
from tests.core_peer import CorePeer, FakeAsk
from tests.dialogue import load_all, run, write_site

DIALOGUES = load_all()
ANSWERS = {b"joe@here.example": YES, b"nobody@here.example": NO}


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.name)
def test_dialogue(dialogue, tmp_path):
    write_site(dialogue, tmp_path)
    asyncio.run(run(dialogue, CorePeer(dialogue, tmp_path, FakeAsk(ANSWERS))))


# Where a command of a group may end with LF, and what is glued to STARTTLS, depends on what came
# in one read, and nothing else.
WHOLE_READS = {"bare-lf-first", "bare-lf-group", "bare-lf-behind-body", "starttls-glued"}


@pytest.mark.parametrize(
    "dialogue", [d for d in DIALOGUES if d.name not in WHOLE_READS], ids=lambda d: d.name
)
def test_dialogue_byte_by_byte(dialogue, tmp_path):
    write_site(dialogue, tmp_path)
    peer = CorePeer(dialogue, tmp_path, FakeAsk(ANSWERS))
    asyncio.run(run(dialogue, peer, byte_by_byte=True))


def test_dialogue_hands_on_what_was_said(tmp_path):
    dialogue = next(d for d in DIALOGUES if d.name == "norelay")
    write_site(dialogue, tmp_path)
    peer = CorePeer(dialogue, tmp_path)
    asyncio.run(run(dialogue, peer))
    assert peer.envelopes == [
        (b"sender@src.test", (b"joe@virt.test",)),
        (b"", (b"ann@virt.test", b"quoted joe@virt.test", b"joe@virt.test", b"")),
    ]
    assert peer.bodies[0] == b"Subject: hello\nFrom: sender@src.test\n\nbody line\n.dot\n"


def greeted(**keywords):
    core = SmtpServer(**keywords)
    core.greet(replies.greeting(b"mx"))
    core.output()
    return core


def speak(core, data):
    """Feed data, answer everything yes, return (events, output)."""
    core.receive(data)
    events = []
    while (event := core.next_event()) is not None:
        if isinstance(event, BodyChunk) and events and isinstance(events[-1], BodyChunk):
            events[-1] = BodyChunk(events[-1].data + event.data)
        else:
            events.append(event)
        answer(core, event)
    return events, core.output()


def answer(core, event):
    if isinstance(event, DataBegins):
        core.accept_body(0)
    elif isinstance(event, BodyEnds):
        core.reply(replies.LINE_ENDS if event.bare else replies.queued(1, 1, b""))
    elif isinstance(event, Quit):
        core.reply(replies.goodbye(b"mx"))
    elif isinstance(event, Helo | Mail | Rcpt):
        core.reply(Reply(250, b"ok"))


def test_events():
    events, _ = speak(
        greeted(),
        b"ehlo a b\r\nHELO\r\nmail from:<s@x> SIZE=12 BODY=8BITMIME\r\nRcpt To:<r@y>\r\nRSET\r\n"
        b"MAIL FROM:<>\r\nRCPT TO:<r@y>\r\nDATA\r\nA: b\r\n\r\n..\r\n.\r\nFOO\r\nQUIT\r\nNOOP\r\n",
    )
    assert events == [
        Helo(b"a b", True),
        Helo(b"", False),
        Mail(b"s@x", 12),
        Rcpt(b"r@y"),
        Reset(),
        Mail(b"", 0),
        Rcpt(b"r@y"),
        DataBegins(),
        BodyChunk(b"A: b\n\n.\n"),
        BodyEnds(8, False, None, 0, b""),
        Refused("unimplemented", b"FOO"),
        Quit(),
    ]


def test_no_event_while_one_waits():
    core = greeted()
    core.receive(b"HELO a\r\nNOOP\r\n")
    assert core.next_event() == Helo(b"a", False)
    assert core.is_awaiting_reply
    assert core.next_event() is None
    core.reply(replies.helo(b"mx"))
    assert core.output() == b"250 mx\r\n"
    assert core.next_event() is None
    assert core.output() == b"250 ok\r\n"


def test_recipients_that_stand_next_in_the_buffer():
    core = greeted()
    core.receive(
        b"MAIL FROM:<a@b>\r\nRCPT TO:<1@b>\r\nrcpt to:<2@b> X=1\r\nRCPT TO:<3@b>\r\nDATA\r\nRCPT"
    )
    core.next_event()
    core.reply(replies.MAIL_OK)
    assert core.next_event() == Rcpt(b"1@b")
    assert core.upcoming_recipients(10) == [b"2@b", b"3@b"]
    assert core.upcoming_recipients(1) == [b"2@b"]
    core.reply(replies.RCPT_OK)
    assert core.next_event() == Rcpt(b"2@b")


def test_misuse_is_an_error():
    core = greeted()
    with pytest.raises(RuntimeError):
        core.greet(replies.greeting(b"mx"))
    with pytest.raises(RuntimeError):
        core.reply(replies.MAIL_OK)
    with pytest.raises(RuntimeError):
        core.accept_body(0)
    core.receive(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n")
    core.next_event()
    core.reply(replies.MAIL_OK)
    core.next_event()
    core.reply(replies.RCPT_OK)
    core.next_event()
    with pytest.raises(RuntimeError):
        core.reply(replies.GO_AHEAD)


def test_bytes_before_the_greeting_wait():
    core = SmtpServer()
    core.receive(b"NOOP\r\n")
    assert core.next_event() is None
    core.greet(replies.greeting(b"mx"))
    assert core.next_event() is None
    assert core.output() == b"220 mx ESMTP\r\n250 ok\r\n"


@pytest.mark.covers("reply/queue_down")
def test_a_refused_data_ends_the_transaction():
    core = greeted()
    core.receive(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n")
    for reply in (replies.MAIL_OK, replies.RCPT_OK, replies.QUEUE_DOWN):
        core.next_event()
        core.reply(reply)
    assert core.state is State.READY
    assert core.sent == b"451 qqt failure (#4.3.0)"


def test_hanging_up_forgets_everything():
    core = greeted(suffix=b" [C]")
    core.receive(b"MAIL FROM:<a")
    core.hang_up(replies.QUEUE_DOWN)
    assert core.output() == b"451 qqt failure (#4.3.0) [C]\r\n"
    core.receive(b">\r\n")
    assert core.next_event() is None
    assert core.state is State.CLOSED
    assert not core.has_unread


@pytest.mark.parametrize("size", [1, 1_000, COMMAND_LINE_BYTES_MAX])
def test_an_endless_command_line_is_bounded(size):
    core = greeted()
    for _ in range(COMMAND_LINE_BYTES_MAX // size):
        assert core.state is State.READY
        core.receive(b"x" * size)
        assert len(core._buffer) <= COMMAND_LINE_BYTES_MAX
        event = core.next_event()
    if event is None:
        core.receive(b"x" * size)
        event = core.next_event()
    assert event.name == "line_too_long"
    assert core.output() == b"500 command line too long (#5.5.2)\r\n"


@pytest.mark.covers("reply/too_many_recipients")
def test_too_many_recipients_do_not_count_as_errors(monkeypatch):
    monkeypatch.setattr(smtp_server, "RECIPIENTS_MAX", 3)
    assert RECIPIENTS_MAX == 50_000
    _, out = speak(greeted(), b"MAIL FROM:<a>\r\n" + b"RCPT TO:<r@y>\r\n" * 40 + b"DATA\r\n.\r\n")
    assert out.count(b"250 ok\r\n") == 4
    assert out.count(b"452 sorry, too many recipients (#4.5.3)\r\n") == 37
    assert out.endswith(b"354 go ahead\r\n250 ok 1 qp 1\r\n")


def test_recipients_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(smtp_server, "RECIPIENTS_BYTES_MAX", 10)
    assert RECIPIENTS_BYTES_MAX > RECIPIENTS_MAX * 40
    core = greeted()
    _, out = speak(core, b"MAIL FROM:<a>\r\n" + b"RCPT TO:<r@y>\r\n" * 4)
    assert (out.count(b"250 "), out.count(b"452 ")) == (4, 1)
    _, out = speak(core, b"MAIL FROM:<a>\r\nRCPT TO:<r@y>\r\n")
    assert out == b"250 ok\r\n250 ok\r\n"


# --- any split of the input gives the same events ----------------------------------------------
lines = st.sampled_from(
    [
        b"HELO x", b"EHLO y", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"RCPT TO:<\x01>", b"DATA",
        b"RSET", b"NOOP", b"VRFY x", b"HELP", b"FOO", b"", b".", b"..", b"text", b"QUIT", b"a\rb",
    ]
)  # fmt: skip
conversations = st.lists(lines, max_size=25).map(lambda all_: b"".join(x + b"\r\n" for x in all_))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_split_gives_the_same_events(data):
    wire = data.draw(conversations)
    whole = speak(greeted(), wire)
    core = greeted()
    at = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    events, out = [], b""
    for a, b in zip([0, *at], [*at, len(wire)], strict=True):
        more, said = speak(core, wire[a:b])
        out += said
        for event in more:
            if isinstance(event, BodyChunk) and events and isinstance(events[-1], BodyChunk):
                events[-1] = BodyChunk(events[-1].data + event.data)
            else:
                events.append(event)
    if b"a\rb" in wire:  # what comes before a lone CR is seen depends on the split
        events = [e for e in events if not isinstance(e, BodyChunk)]
        whole = [e for e in whole[0] if not isinstance(e, BodyChunk)], whole[1]
    assert (events, out) == whole


class Session(RuleBasedStateMachine):
    """Any command in any state, answered yes or no: every state is legal, every reply in place."""

    @initialize(is_enhanced=st.booleans())
    def greet(self, is_enhanced):
        self.core = SmtpServer(b" [CODE]", is_enhanced=is_enhanced)
        self.core.greet(replies.greeting(b"mx"))
        self.has_sender = False
        self.recipients = 0
        self.take(1)

    def take(self, count):
        out = self.core.output()
        assert out.endswith(b"\r\n") or not out
        got = [line for line in out.split(b"\r\n")[:-1] if line[3:4] == b" "]
        assert len(got) == count
        for line in got:
            assert len(line) <= 510
            assert line.endswith(b" [CODE]") == (line[:1] in b"45")
        return got

    @precondition(lambda self: self.core.state is not State.CLOSED)
    @rule(line=lines, is_yes=st.booleans())
    def command(self, line, is_yes):
        self.core.receive(line + b"\r\n")
        event = self.core.next_event()
        if self.core.state is State.BODY or isinstance(event, BodyEnds):
            self.body(event, line)
            return
        if isinstance(event, Rcpt):
            assert self.has_sender
        if isinstance(event, DataBegins):
            assert self.recipients
        if isinstance(event, Helo | Mail | Rcpt | Quit | DataBegins):
            self.reply(event, is_yes)
        if isinstance(event, Helo | Reset | Mail):
            self.recipients = 0
        if isinstance(event, Helo | Reset):
            self.has_sender = False
        if isinstance(event, Mail):
            self.has_sender = is_yes
        if isinstance(event, Refused) and line.startswith(b"MAIL"):
            self.has_sender = False
        if isinstance(event, Rcpt):
            self.recipients += is_yes
        assert self.core.next_event() is None
        self.take(1)

    def reply(self, event, is_yes):
        if isinstance(event, DataBegins) and is_yes:
            self.core.accept_body(0)
        elif isinstance(event, Quit):
            self.core.reply(replies.goodbye(b"mx"))
        else:
            self.core.reply(Reply(250, b"ok") if is_yes else replies.TROUBLE)
        if isinstance(event, DataBegins) and not is_yes:
            self.has_sender, self.recipients = False, 0

    def body(self, event, line):
        if isinstance(event, BodyChunk):
            event = self.core.next_event()
        if event is None:
            assert line != b"."
            self.take(0)
            return
        assert isinstance(event, BodyEnds)
        assert line == b"."
        self.core.reply(replies.queued(1, 2, b"CODE/1"))
        self.has_sender, self.recipients = False, 0
        assert self.take(1)[0].endswith(b"ok 1 qp 2 [CODE/1]")

    @precondition(lambda self: self.core.state is State.CLOSED)
    @rule(line=lines)
    def nothing_after_the_end(self, line):
        self.core.receive(line + b"\r\n")
        assert self.core.next_event() is None
        assert not self.core.output()


TestSession = Session.TestCase
EXAMPLES = int(os.environ.get("GLASSMAIL_EXAMPLES", "2000"))
TestSession.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
