"""What `--as ADDRESS` shows, and what it never shows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from glassmail.core.model.trail import Step
from glassmail.events import codec
from glassmail.events.case import Case, Query
from glassmail.events.queue import Accepted, Ended
from glassmail.events.smtpd import SessionEnded, Story
from glassmail.store.history import everywhere
from glassmail.store.history.viewing import visible
from glassmail.store.history.writer import History
from tests.store.history.story import (
    MS,
    NOON,
    S,
    accepted,
    delivered,
    refused,
    session_ended,
    settled,
    started,
)

JOE, ANN, BOB = b"joe@here.test", b"ann@here.test", b"bob@there.test"
SENDER = b"a@src.test"


def case_of(*events):
    return Case(5, 0, 0, codec.encode(events), 0, events[0].at)


def seen(case, viewer):
    shown = visible(case, viewer)
    return None if shown is None else codec.decode(shown.events)


def to_all(sender=SENDER, steps=(), kind="network"):
    """A message to three, delivered to each."""
    recipients = (JOE, ANN, BOB)
    asked = tuple(Step("session.recipient", one, "yes", "vpasswd") for one in recipients)
    story = codec.encode_story(Story(NOON, 9, 1, "smtp", "192.0.2.7", 1, "", b"h", sender,
                                     recipients, (*steps, *asked)))  # fmt: skip
    events = [Accepted(NOON, 5, 9, 1, 900, sender, 0, 0, kind, b"<1@x>", recipients, story)]
    for number, one in enumerate(recipients):
        facts = {"delivery": number + 1, "number": number, "address": one}
        events += [started(NOON + MS, 5, **facts), settled(NOON + 2 * MS, 5, **facts)]
    return case_of(*events, Ended(NOON + 3 * MS, 5))


def test_a_recipient_sees_their_own_copy_alone():
    events = seen(to_all(), "Ann@here.test")
    first = events[0]
    assert first.recipients == (ANN,)
    assert codec.decode_story(first.story).recipients == (ANN,)
    assert [step.subject for step in codec.decode_story(first.story).steps] == [ANN]
    assert [(event.number, event.address) for event in events[1:-1]] == [(0, ANN), (0, ANN)]
    assert JOE not in codec.encode(events)
    assert BOB not in codec.encode(events)


def test_a_sender_who_is_known_sees_all_recipients_but_not_their_files():
    trusted = (Step("session.relayclient", b"192.0.2.7", "yes", "control/tcp.smtp:1"),)
    events = seen(to_all(steps=trusted), "a@src.test")
    assert events[0].recipients == (JOE, ANN, BOB)
    assert all(not event.steps for event in events[1:-1])
    assert seen(to_all(), "a@src.test") is None  # whoever wrote that address
    plain = accepted(NOON, 5, sender=JOE, recipients=(BOB,), kind="user")
    assert seen(case_of(plain), "joe@here.test")[0].recipients == (BOB,)
    assert seen(case_of(accepted(NOON, 5, sender=b"", kind="bounce")), "a@src.test") is None


def test_a_domain_sees_its_addresses():
    events = seen(to_all(), "@here.test")
    assert events[0].recipients == (JOE, ANN)
    assert BOB not in codec.encode(events)
    assert seen(to_all(), "@ere.test") is None


def test_forwards_of_ones_own_making_are_seen():
    own = [*delivered(NOON, 5, recipients=(JOE,)),
           *delivered(NOON + S, 6, origin=5, kind="forward", recipients=(BOB,))]  # fmt: skip
    events = seen(case_of(*own), "joe@here.test")
    assert [event.message for event in events if isinstance(event, Accepted)] == [5, 6]
    shared = [*delivered(NOON, 5, recipients=(JOE, ANN)),
              *delivered(NOON + S, 6, origin=5, kind="forward", recipients=(BOB,))]  # fmt: skip
    events = seen(case_of(*shared), "joe@here.test")
    assert [event.message for event in events if isinstance(event, Accepted)] == [5]


def test_what_led_to_ones_mail_is_not_seen():
    """Bob's message to Joe is forwarded to Ann: of Bob's session Ann sees nothing."""
    case = case_of(*delivered(NOON, 5, code=9, recipients=(JOE,)), session_ended(NOON + S, code=9),
                   *delivered(NOON + S, 6, origin=5, kind="forward", sender=JOE,
                              recipients=(ANN,)))  # fmt: skip
    shown = visible(case, "ann@here.test")
    assert (shown.message, shown.code, shown.at) == (6, 0, NOON + S)
    assert {event.message for event in codec.decode(shown.events)} == {6}


def test_refusals_of_ones_own_address_are_seen():
    case = case_of(refused(NOON, code=9, recipient=JOE), refused(NOON, code=9, recipient=ANN),
                   session_ended(NOON + S, code=9))  # fmt: skip
    events = seen(case, "joe@here.test")
    assert [getattr(event, "recipient", None) for event in events] == [JOE, None]
    assert seen(case, "bob@there.test") is None


def test_of_a_message_that_was_begun_ones_own_recipient_is_seen():
    end = SessionEnded(NOON, 9, "smtp", "192.0.2.7", 1, b"h", NOON, "dropped", 0, 0, 10, "", b"",
                       SENDER, (JOE, ANN), "data", (Step("a", JOE, "yes", ""),))  # fmt: skip
    (event,) = seen(case_of(end), "ann@here.test")
    assert (event.sender, event.recipients, event.steps) == (SENDER, (ANN,), ())
    assert seen(case_of(end), "bob@there.test") is None
    assert seen(case_of(end), "a@src.test") is None  # whoever wrote that address


def test_a_search_shows_and_counts_only_ones_own(tmp_path):
    history = History(str(tmp_path), 30, lambda: NOON + 60 * S)
    for number, recipients in enumerate([(JOE,), (ANN,), (JOE, ANN)], 1):
        events = delivered(NOON + number * S, number, code=100 + number, recipients=recipients)
        history.takes_fact(1, number)
        history.add_fact(number, codec.encode(events), events)
    history.close()

    def count(**query):
        found, cases = everywhere.search(str(tmp_path), Query(**query))
        assert found.count == len(cases)
        return found.count

    client = {"kinds": ("client",), "text": "192.0.2.7"}
    assert count(**client) == 3
    assert count(**client, viewer="joe@here.test") == 2
    assert count(**client, viewer="bob@there.test") == 0
    assert count(kinds=("message",), number=2, viewer="joe@here.test") == 0
    # Joe is not told that his copy of message 3 went to Ann, too.
    assert count(kinds=("address",), text="ann@here.test", viewer="joe@here.test") == 0
    sender = {"kinds": ("address",), "text": "a@src.test", "viewer": "joe@here.test"}
    assert count(**sender) == 2
    assert count(**sender, recipient="ann@here.test") == 0
    assert count(**sender, recipient="joe@here.test") == 2


_ADDRESSES = st.sampled_from([b"joe@here.test", b"ann@here.test", b"bob@there.test", b"c@d.test"])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(_ADDRESSES, st.lists(_ADDRESSES, min_size=1, max_size=4, unique=True)),
             min_size=1, max_size=4),
    st.lists(_ADDRESSES, max_size=3),
)  # fmt: skip
def test_no_other_recipient_is_ever_shown(messages, refusals):
    events = []
    for number, (sender, recipients) in enumerate(messages, 1):
        events.append(accepted(NOON + number, number, code=number, sender=sender,
                               recipients=tuple(recipients)))  # fmt: skip
        events += [started(NOON + number, number, number=n, address=one)
                   for n, one in enumerate(recipients)]  # fmt: skip
    events += [refused(NOON, code=50 + n, recipient=one) for n, one in enumerate(refusals)]
    shown = seen(case_of(*events), "joe@here.test")
    others = {b"ann@here.test", b"bob@there.test", b"c@d.test"}
    for event in shown or ():
        if isinstance(event, Accepted):
            assert not others & set(event.recipients)
        else:
            assert getattr(event, "recipient", None) not in others
            assert getattr(event, "address", None) not in others


def test_what_went_wrong_at_a_time(tmp_path):
    history = History(str(tmp_path), 30, lambda: NOON + 60 * S)
    gone = session_ended(NOON, code=1, accepted=0)
    gone = type(gone)(*[getattr(gone, name) if name != "how" else "dropped"
                        for name in gone.__struct_fields__])  # fmt: skip
    events = [gone, session_ended(NOON, code=2), refused(NOON + 50 * S, code=3)]
    history.add_events(codec.encode(events), events)
    history.close()
    query = Query(("time",), since=NOON - S, until=NOON + 10 * S)
    found, (case,) = everywhere.search(str(tmp_path), query)
    assert (found.count, case.code) == (1, 1)
