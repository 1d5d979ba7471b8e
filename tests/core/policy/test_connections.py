"""Connection limits, blocks and held accounts as the pipeline asks them."""

import pytest

from glassmail.core.ask import Counts, Held
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.policy import account_rate, connections, pipeline
from glassmail.core.protocol import replies
from tests.core.policy.facts import facts
from tests.core_peer import FakeAsk, drive
from tests.covers import row


def connect(*variables, counts=None, load=0.0, blocks=None, **settings):
    about = facts(environment=variables, **settings)
    asked = FakeAsk()
    asked.load_average, asked.blocks = load, blocks or {}
    if counts is not None:
        asked.counts = Counts(YES, *counts)
    return drive(pipeline.run(pipeline.CONNECT, about, asked))


LIMITS = [
    row("rule-variable/MAXCONNIP", b"MAXCONNIP", (3, 9, 99), {}),
    row("rule-variable/MAXCONNC", b"MAXCONNC", (1, 3, 99), {}),
    row("rule-variable/MAXLOAD", b"MAXLOAD", None, {"load": 0.03}),
]


@pytest.mark.covers(
    "rule-variable/MAXCONNIP", "rule-variable/MAXCONNC", "rule-variable/MAXLOAD",
    "rule-variable/DIEMSG", "rule-variable/DIEMSG_MAXLOAD", "rule-variable/DIEMSG_MAXCONNIP",
    "rule-variable/DIEMSG_MAXCONNC",
)  # fmt: skip
@pytest.mark.parametrize(("name", "counts", "more"), LIMITS)
def test_a_limit_and_itslast_words(name, counts, more):
    assert connect((name, b"3"), counts=counts, **more).reply is None
    assert connect(counts=counts, **more).reply is None
    silent = connect((name, b"2"), counts=counts, **more)
    assert silent.reply is replies.DENIED
    assert silent.steps[-1].answer == NO
    assert f"{name.decode()} 2" in silent.steps[-1].source
    assert silent.effects[-1].key == (name.replace(b"MAXLOAD", b"LOAD") + b": 2")
    always = connect((name, b"2"), (b"DIEMSG", b"421 go away"), counts=counts, **more)
    assert always.reply[:3] == (421, b"go away", True)
    both = ((b"DIEMSG", b"421 go away"), (b"DIEMSG_" + name, b"too many"))
    assert connect((name, b"2"), *both, counts=counts, **more).reply[:3] == (421, b"too many", True)


def test_none_at_all():
    assert connect((b"MAXCONNIP", b"0"), counts=(1, 1, 1)).reply is replies.DENIED


@pytest.mark.covers("control/concurrencyincoming")
def test_of_all():
    assert connect(counts=(1, 1, 41), connections_max=41).reply is None
    refused = connect(counts=(1, 1, 42), connections_max=41)
    assert (refused.reply, refused.decided_by) == (replies.TOO_MANY_SESSIONS, "connections")
    assert refused.steps[-1].source == "42 open, control/concurrencyincoming 41"


def test_nobody_counts():
    verdict = connect((b"MAXCONNIP", b"1"))
    assert verdict.reply is None
    assert verdict.steps[-1].answer == UNKNOWN


def test_a_text_that_is_no_reply():
    about = facts(environment=((b"DIEMSG", b"200 come in"),))
    assert connections.last_words(about, b"MAXLOAD").code == 421
    about = facts(environment=((b"DIEMSG", b"554"),))
    assert connections.last_words(about, b"MAXLOAD")[:2] == (554, b"closing")


@pytest.mark.covers("rule-variable/NOLIMITS", "reply/blocked")
def test_a_block():
    blocks = {b"192.0.2.1": ("192.0.2.0/24", "more than 5 unknown recipients within a minute")}
    refused = connect(blocks=blocks)
    assert (refused.reply, refused.decided_by) == (replies.BLOCKED, "blocked")
    assert refused.steps[-1].source.startswith("192.0.2.0/24: more than 5 unknown recipients")
    assert connect((b"NOLIMITS", b""), blocks=blocks).reply is None
    assert connect().reply is None


def test_an_account():
    about = facts(account_recipients_max=500)
    asked = FakeAsk()
    about.recipients_asked, about.recipients_refused = 3, 1
    assert not account_rate.is_active(about)
    assert "account_rate" not in [each.name for each in pipeline.checks(pipeline.DATA, about)]
    about.login = b"joe@here.example"
    verdict = drive(account_rate.check(about, asked))
    assert (verdict.reply, verdict.effects) == (None, ())
    assert verdict.steps[0].source.startswith("2 recipients within the hour")
    asked.held = {b"joe@here.example": Held(NO, 502, "more than 500 recipients within an hour")}
    verdict = drive(account_rate.check(about, asked))
    assert verdict.reply is None  # nothing is refused, so that nothing is lost
    assert [effect.kind for effect in verdict.effects] == [account_rate.HOLD]
    assert "account_rate" in [each.name for each in pipeline.checks(pipeline.DATA, about)]
    about.settings = facts().settings
    assert not account_rate.is_active(about)
