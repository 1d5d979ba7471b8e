"""All checks, one by one: when they ask, what they say, and what their trail rests on."""

import pytest

from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.model.verdict import PASS
from glassmail.core.policy import (
    authorization,
    badmailfrom,
    client_rule,
    databytes,
    declared_size,
    hops,
    line_ends,
    recipient_exists,
    relay,
)
from glassmail.core.policy.facts import MessageFacts
from glassmail.core.protocol import replies
from glassmail.core.protocol.data_reader import BareLineEnd
from tests.core.policy.facts import ask, facts

RULE = 'control/tcp.smtp:2 :allow,X="y"'


def trail(verdict):
    for step in verdict.steps:
        assert step.question in QUESTIONS
        assert step.answer
        assert step.source
    return [(step.subject, step.answer, step.source) for step in verdict.steps]


@pytest.mark.covers("reply/denied")
def test_client_rule():
    verdict, _ = ask(client_rule.check, facts())
    assert verdict.reply is None
    assert trail(verdict) == [(b"192.0.2.1", YES, RULE)]
    verdict, _ = ask(client_rule.check, facts(allow=False))
    assert verdict.reply is replies.DENIED
    assert trail(verdict) == [(b"192.0.2.1", NO, RULE)]


def test_authorization():
    assert ask(authorization.check, facts())[0] is PASS
    verdict, _ = ask(authorization.check, facts(service="submission"))
    assert verdict.reply is replies.AUTHORIZATION
    verdict, _ = ask(
        authorization.check, facts(service="submission", environment=((b"RELAYCLIENT", b""),))
    )
    assert verdict.reply is None
    assert trail(verdict) == [(b"192.0.2.1", YES, RULE)]


@pytest.mark.parametrize(
    ("environment", "databytes", "size", "reply", "source"),
    [
        ((), 0, 10, None, None),
        ((), 9, 0, None, None),
        ((), 9, 9, None, "control/databytes 9"),
        ((), 9, 10, replies.DATABYTES, "control/databytes 9"),
        (((b"DATABYTES", b"10x"),), 9, 10, None, RULE + " 10"),
        (((b"DATABYTES", b"8"),), 0, 10, replies.DATABYTES, RULE + " 8"),
        (((b"DATABYTES", b""),), 9, 10, None, None),
    ],
)
def test_declared_size_and_databytes(environment, databytes, size, reply, source):
    about = facts(environment=environment, databytes=databytes)
    about.declared_size = size
    verdict, _ = ask(declared_size.check, about)
    assert verdict.reply is reply
    assert trail(verdict) == ([(b"%d" % size, NO if reply else YES, source)] if source else [])


@pytest.mark.parametrize(("size", "reply"), [(9, None), (10, replies.DATABYTES)])
def test_databytes(size, reply):
    about = facts(databytes=9)
    assert ask(databytes.check, about)[0] is PASS
    about.message = MessageFacts(size)
    verdict, _ = ask(databytes.check, about)
    assert verdict.reply is reply
    assert trail(verdict) == [(b"%d" % size, NO if reply else YES, "control/databytes 9")]


@pytest.mark.parametrize(
    ("sender", "source"),
    [
        (b"bad@spam.test", "control/badmailfrom:1 bad@spam.test"),
        (b"BAD@Spam.test", "control/badmailfrom:1 bad@spam.test"),
        (b"x@EVIL.test", "control/badmailfrom:2 @evil.test"),
        (b"x@y@evil.test", "control/badmailfrom:2 @evil.test"),
        (b"good@spam.test", None),
        (b"x@sub.evil.test", None),
        (b"evil.test", None),
    ],
)
@pytest.mark.covers(
    "address/badmailfrom address",
    "address/badmailfrom domain",
    "address/badmailfrom at RCPT",
)
def test_badmailfrom(sender, source):
    about = facts(badmailfrom=b"bad@spam.test\n@evil.test\n", environment=((b"RELAYCLIENT", b""),))
    about.sender = sender
    verdict, _ = ask(badmailfrom.check, about)
    assert verdict.reply is None
    answer = YES if source else NO
    assert trail(verdict) == [(sender, answer, source or "control/badmailfrom (2 entries)")]
    refused, _ = ask(badmailfrom.check_recipient, about)
    assert refused.reply is (replies.BADMAILFROM if source else None)
    assert refused.steps == (verdict.steps if source else ())


@pytest.mark.covers("address/badmailfrom empty sender")
def test_badmailfrom_never_matches_nobody():
    about = facts(badmailfrom=b"@\n")
    about.sender = b""
    assert ask(badmailfrom.check, about)[0] is PASS
    assert ask(badmailfrom.check_recipient, about)[0] is PASS
    about = facts()
    about.sender = b"a@b"
    assert ask(badmailfrom.check, about)[0] is PASS


def test_relay():
    about = facts()
    about.recipient = b"joe@Here.example"
    verdict, _ = ask(relay.check, about)
    assert verdict.reply is None
    assert trail(verdict) == [(b"here.example", YES, "control/rcpthosts:1 here.example")]
    about.recipient = b"joe@elsewhere.example"
    verdict, _ = ask(relay.check, about)
    assert verdict.reply is replies.RCPTHOSTS
    assert trail(verdict) == [
        (b"192.0.2.1", NO, RULE),
        (b"elsewhere.example", NO, "control/rcpthosts (1 entry)"),
    ]


@pytest.mark.covers("address/RELAYCLIENT")
def test_relayclient():
    about = facts(environment=((b"RELAYCLIENT", b"@fix"),))
    about.recipient = relay.final_recipient(about, b"joe@anywhere")
    assert about.recipient == b"joe@anywhere@fix"
    verdict, _ = ask(relay.check, about)
    assert verdict.reply is None
    assert trail(verdict) == [(b"192.0.2.1", YES, RULE)]


@pytest.mark.covers("control/envnoathost")
@pytest.mark.parametrize(
    ("recipient", "is_asked"),
    [
        (b"joe@here.example", True),
        (b"joe@VIRT.example", True),
        (b"joe", False),  # goes to envnoathost, which is not in locals
        (b"joe@elsewhere.example", False),
    ],
)
@pytest.mark.parametrize("answer", [YES, NO, UNKNOWN])
def test_recipient_exists(recipient, is_asked, answer):
    about = facts(is_checking=True)
    about.recipient = recipient
    verdict, asked = ask(recipient_exists.check, about, {recipient: answer})
    assert asked == ([recipient] if is_asked else [])
    if is_asked:
        assert verdict.reply is (replies.NO_MAILBOX if answer == NO else None)
        assert trail(verdict)[-1][:2] == (recipient, answer)
    else:
        assert verdict is PASS


def test_recipient_exists_is_off_by_default():
    about = facts()
    about.recipient = b"joe@here.example"
    assert ask(recipient_exists.check, about) == (PASS, [])


@pytest.mark.parametrize(("count", "reply"), [(0, None), (99, None), (100, replies.HOPS)])
def test_hops(count, reply):
    about = facts()
    assert ask(hops.check, about)[0] is PASS
    about.message = MessageFacts(10, count)
    verdict, _ = ask(hops.check, about)
    assert verdict.reply is reply
    assert trail(verdict)[0][0] == b"%d" % count


def test_line_ends():
    about = facts()
    assert ask(line_ends.check, about)[0] is PASS
    about.message = MessageFacts(10)
    assert ask(line_ends.check, about)[0] is PASS
    about.message = MessageFacts(10, 0, BareLineEnd("LF", 57, 3))
    verdict, _ = ask(line_ends.check, about)
    assert verdict.reply is replies.LINE_ENDS
    assert verdict.reply.close
    assert trail(verdict) == [
        (b"", NO, "bare LF at byte offset 57, line 3 of the message"),
    ]
    assert verdict.effects[0].key == (
        b"line ends [192.0.2.1] bare LF at byte offset 57, line 3 of the message, refused"
    )
