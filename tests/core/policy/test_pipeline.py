from glassmail.core.model.trail import NO, YES
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy import pipeline
from glassmail.core.policy.facts import MessageFacts
from glassmail.core.protocol import replies
from glassmail.core.protocol.data_reader import BareLineEnd
from tests.core.policy.facts import facts
from tests.core_peer import FakeAsk, drive


def run(stage, about, answers=None):
    return drive(pipeline.run(stage, about, FakeAsk(answers)))


def test_every_stage_can_be_run():
    about = facts()
    about.sender, about.recipient = b"a@b", b"joe@here.example"
    about.message = MessageFacts(1)
    for stage in pipeline.STAGES:
        assert run(stage, about).reply is None


def test_badmailfrom_comes_before_relaying():
    about = facts(badmailfrom=b"a@b\n", environment=((b"RELAYCLIENT", b""),))
    about.sender, about.recipient = b"a@b", b"joe@elsewhere"
    verdict = run(pipeline.RCPT, about)
    assert (verdict.reply, verdict.decided_by) == (replies.BADMAILFROM, "badmailfrom")
    assert [step.question for step in verdict.steps] == ["session.badmailfrom"]


def test_relaying_comes_before_existence():
    about = facts(is_checking=True, rcpthosts=b"other\n")
    about.recipient = b"nobody@here.example"
    assert run(pipeline.RCPT, about, {about.recipient: NO}).decided_by == "relay"
    about = facts(is_checking=True)
    about.recipient = b"nobody@here.example"
    verdict = run(pipeline.RCPT, about, {about.recipient: NO})
    assert verdict.decided_by == "recipient_exists"
    assert [step.question for step in verdict.steps] == [
        "routing.rcpthosts", "routing.locals", "session.recipient",
    ]  # fmt: skip
    assert [step.answer for step in verdict.steps] == [YES, YES, NO]


def test_line_ends_then_hops_then_size():
    about = facts(databytes=1)
    about.message = MessageFacts(2, 100, BareLineEnd("CR", 0, 1))
    assert run(pipeline.MESSAGE, about).reply is replies.LINE_ENDS
    about.message = MessageFacts(2, 100)
    assert run(pipeline.MESSAGE, about).reply is replies.HOPS
    about.message = MessageFacts(2, 1)
    verdict = run(pipeline.MESSAGE, about)
    assert verdict.reply is replies.DATABYTES
    assert [step.answer for step in verdict.steps] == [YES, NO]


def test_nothing_asked_is_a_pass():
    assert run(pipeline.HELO, facts()) is PASS


def test_effects_are_handed_on(monkeypatch):
    async def count(_facts, _ask):
        return Verdict(None, (), (Effect("count", b"x", 1),))

    async def refuse(_facts, _ask):
        return Verdict(replies.TROUBLE, (), (Effect("hold", b"y", 2),))

    async def never(_facts, _ask):
        raise AssertionError

    checks = tuple(pipeline.Named(c.__name__, c) for c in (count, refuse, never))
    monkeypatch.setitem(pipeline.PIPELINE, pipeline.AUTH, checks)
    verdict = run(pipeline.AUTH, facts())
    assert verdict.decided_by == "refuse"
    assert verdict.effects == (Effect("count", b"x", 1), Effect("hold", b"y", 2))
