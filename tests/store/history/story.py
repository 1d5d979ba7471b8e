"""Events of made-up messages, for the tests of history and why."""

from glassmail.core.model.trail import Step
from glassmail.events import codec
from glassmail.events.queue import Accepted, Bounced, Ended, Settled, Started
from glassmail.events.smtpd import Refused, SessionEnded, Story

LOAD = (0, 255, 0, 20, False)
MS = 1_000_000
S = 1_000 * MS
DAY = 86_400 * S
NOON = 1_795_176_000 * S  # 2026-11-20 12:00 UTC

RCPTHOSTS = Step("routing.rcpthosts", b"here.test", "yes", "control/rcpthosts:1 here.test")
LOCALS = Step("routing.locals", b"here.test", "yes", "control/locals:1 here.test")
MAILDIR = Step("delivery.maildir", b"./Maildir/", "yes", "new/1.M1P0.mx,S=900")


def accepted(
    at,
    message,
    *,
    code=0,
    part=1,
    sender=b"a@src.test",
    recipients=(b"joe@here.test",),
    origin=0,
    kind="network",
    client="192.0.2.7",
):
    story = b""
    if code:
        story = codec.encode_story(
            Story(
                at,
                code,
                part,
                "smtp",
                client,
                4711,
                "mx.src.test",
                b"mx.src.test",
                sender,
                recipients,
                (RCPTHOSTS,),
            )
        )
    return Accepted(
        at,
        message,
        code,
        part if code else 0,
        900,
        sender,
        995,
        origin,
        kind,
        b"<%d.id@src.test>" % message,
        recipients,
        story,
    )


def started(at, message, *, delivery=0, number=0, address=b"joe@here.test", channel="local"):
    return Started(at, message, delivery or message, number, channel, address, (LOCALS,), LOAD)


def settled(
    at,
    message,
    *,
    outcome="K",
    text=b"did 1+0+0\n",
    delivery=0,
    number=0,
    address=b"joe@here.test",
    channel="local",
    retry_at=0,
    steps=None,
):
    return Settled(
        at,
        message,
        delivery or message,
        number,
        channel,
        address,
        outcome,
        text,
        retry_at,
        (MAILDIR,) * (outcome == "K") if steps is None else steps,
        LOAD,
    )


def delivered(at, message, **more):
    """A message that was accepted, delivered and ended within 3 ms."""
    return [
        accepted(at, message, **more),
        started(at + MS, message),
        settled(at + 2 * MS, message),
        Ended(at + 3 * MS, message),
    ]


def bounced(at, message, bounce, **more):
    """A message that failed, and its bounce, delivered."""
    return [
        accepted(at, message, **more),
        started(at + MS, message),
        settled(at + 2 * MS, message, outcome="D", text=b"Sorry, no mailbox.\n"),
        Bounced(at + 3 * MS, message, bounce),
        Ended(at + 3 * MS, message),
        *delivered(
            at + 3 * MS,
            bounce,
            sender=b"",
            recipients=(b"a@src.test",),
            origin=message,
            kind="bounce",
        ),
    ]


def refused(
    at,
    *,
    code,
    part=0,
    recipient=b"nobody@here.test",
    client="192.0.2.7",
    sender=b"a@src.test",
    reply_code=550,
    stage="rcpt",
    recipients=(),
):
    step = Step("session.recipient", recipient, "no", "vpasswd")
    return Refused(
        at,
        code,
        part,
        "smtp",
        client,
        4711,
        "",
        b"mx.src.test",
        sender,
        recipient,
        stage,
        "recipient",
        reply_code,
        b"%d no [CODE]" % reply_code,
        (step,),
        recipients,
    )


def session_ended(at, *, code, accepted=1, refused=0, client="192.0.2.7"):
    return SessionEnded(
        at, code, "smtp", client, 4711, b"mx.src.test", at - 5 * MS, "quit", accepted, refused, 4000
    )
