import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.tai64n import label
from glassmail.core.model import code as codes
from glassmail.explain.question import Limits, QuestionError, names, understand
from tests.store.history.story import NOON, S

CODE = 12345678901
TRACE = codes.render(CODE).decode()
BOUNCE = f"""Hi. This is the qmail-send program at mx.example.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<rcpt5@remote.test>:
127.0.0.1 does not like recipient.
Remote host said: 550 5.1.1 really not
Giving up on 127.0.0.1.

--- Below this line is a copy of the message.

Return-Path: <quser@example.test>
Received: (qmail 17 invoked from network); 20 Nov 2026 12:00:00 -0000
Received: from mx.src.test (192.0.2.7)
  by mx.example.test with SMTP (trace {TRACE}/1); 20 Nov 2026 12:00:00 -0000
Message-ID: <1.2@src.test>
Subject: x

body with other@address.test
"""


def readings(text, **more):
    question = understand(text, NOON, **more)
    return [(reading.query.kinds[0], reading.query.text or reading.query.number)
            for reading in question.readings]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("#7", ("message", 7)),
        ("7", ("message", 7)),
        (TRACE, ("code", CODE)),
        ("192.0.2.7", ("client", "192.0.2.7")),
        ("<joe@here.test>", ("address", "joe@here.test")),
        ("4XyZ12abc", ("remote_id", "4XyZ12abc")),
        ("1795176000.M5R0C71L0.mx.here.test,S=900,W=920:2,S", ("message", 5)),
        ("new/1795176000.M5R0C71L0.mx.here.test,S=900,W=920", ("message", 5)),
        ("end msg 7", ("message", 7)),
        ("info msg 7: bytes 900 from <a@src.test> qp 7 uid 995", ("message", 7)),
        ("starting delivery 3: msg 7 to local joe@here.test", ("message", 7)),
        ("delivery 3: success: did_1+0+0/", ("delivery", 3)),
        ("bounce msg 7 qp 29941", ("message", 7)),
        ("status: sent (250 ok 1795176000 qp 29941)", ("message", 29941)),
        ("tcpserver: ok 123 mx.test:10.0.0.1:25 h.test:192.0.2.1::4711", ("client", "192.0.2.1")),
        (f"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1) [{TRACE}]",
         ("code", CODE)),
        (f"refused {TRACE}/1 192.0.2.7:4711 - helo x rcpt from <a@b> to <c@d> by rcpthosts: 553_x",
         ("code", CODE)),
        ("smtp; 250 2.0.0 Ok: queued as 4XyZ12abc", ("remote_id", "4XyZ12abc")),
        ("550 5.1.1 <joe@there.test>: Recipient unknown", ("address", "joe@there.test")),
        ("Message-ID: <1.2@src.test>", ("message_id", "1.2@src.test")),
        ('{"record":"delivery","time":"2026-11-20T12:00:00.000001Z","message":7}', ("message", 7)),
        ("record=end time=2026-11-20T12:00:00.000001Z message=7", ("message", 7)),
        (BOUNCE, ("code", CODE)),
    ],
)  # fmt: skip
def test_what_a_person_has_in_hand(text, first):
    assert readings(text)[0] == first


def test_a_bounce_names_the_recipient_that_failed_and_the_message():
    found = readings(BOUNCE)
    assert ("message_id", "1.2@src.test") in found
    assert ("address", "rcpt5@remote.test") in found
    assert ("address", "other@address.test") not in found
    question = understand(BOUNCE, NOON)
    assert question.advice.id == "their_no_mailbox"
    assert "rcpt5@remote.test" in question.advice.fault or "does not know" in question.advice.fault
    assert question.header.startswith("Return-Path")


def test_a_log_line_is_looked_for_at_its_time():
    line = (label(NOON) + b" delivery 3: success: did_1+0+0/").decode()
    query = understand(line, NOON).readings[0].query
    assert query.since < NOON < query.until < NOON + 60 * S
    assert understand("delivery 3: success: ", NOON).readings[0].query.since == 0


def test_limits_hold_for_every_reading():
    question = understand(BOUNCE, NOON, Limits(NOON, NOON + S, "a@src.test", "@here.test"))
    for reading in question.readings:
        query = reading.query
        assert query.since >= NOON
        assert 0 < query.until <= NOON + S
        assert (query.sender, query.recipient) == ("a@src.test", "@here.test")


def test_our_own_reply_is_looked_for_at_its_time():
    first, second = understand("said: 250 ok 1795176000 qp 7", NOON).readings[:2]
    assert first.query.since < NOON < first.query.until < NOON + 10 * S
    assert second.query.kinds == ("remote_id",)  # another qmail says the same


def test_a_file_is_first_looked_for_in_its_second():
    narrow, wide = understand("1795176000.M5R0C71L0.mx.here.test,S=9,W=9", NOON).readings
    assert narrow.query.since == wide.query.since < NOON < narrow.query.until < NOON + 10 * S
    assert wide.query.until > NOON + 3_600 * S


def test_from_and_to_alone_are_a_question():
    assert readings("", limits=Limits(sender="a@src.test", recipient="joe@here.test")) == [
        ("address", "joe@here.test")
    ]
    assert readings("", limits=Limits(recipient="@here.test")) == [("domain", "@here.test")]


def test_a_known_text_without_names_still_means_something():
    question = understand("X-Qmail-Scanner-2.08:[mx17] cleanup: parent process died", NOON)
    assert question.advice.id == "scanner_orphaned"
    timed = understand(
        "Nov 20 12:00:00 mx qmail-scanner: X-Qmail-Scanner: parent process died", NOON + S
    )
    assert ("time",) in [reading.query.kinds for reading in timed.readings]
    word = understand("qmail_has_prog_delivery_but_has_x_bit_set", NOON)
    assert word.advice.id == "dot_qmail_x_bit"


def test_a_file_of_a_maildir(tmp_path):
    (tmp_path / "new").mkdir()
    path = tmp_path / "new" / "1795176000.M5R0C71L0.mx.here.test,S=900,W=920"
    path.write_bytes(b"Delivered-To: joe@here.test\nReceived: (qmail 5 invoked by uid 7); "
                     b"20 Nov 2026 12:00:00 -0000\nMessage-ID: <9@x>\n\n"
                     b"other@body.test\n")  # fmt: skip
    question = understand(str(path), NOON)
    assert question.asked == str(path)
    assert question.is_own_file
    found = [(r.query.kinds[0], r.query.text or r.query.number) for r in question.readings]
    assert found[0] == ("message", 5)
    assert ("message_id", "9@x") in found
    assert ("address", "other@body.test") not in found


@pytest.mark.parametrize("text", ["", " ", "joe", "K7Q2-M4XW-3X", "a\x1b@b", "x" * 2_000 + "@b"])
def test_what_cannot_be_asked(text):
    with pytest.raises(QuestionError, match="trace code"):
        understand(text, NOON)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("joe", [("address", "joe@here.test"), ("login", "joe")]),
        ("joe-list", [("address", "joe-list@here.test"), ("login", "joe-list")]),
        # What else a word may be comes first.
        ("joe.doe", [("domain", "joe.doe"), ("remote_id", "joe.doe")]),
        ("4Xyz12", [("remote_id", "4Xyz12"), ("address", "4Xyz12@here.test"), ("login", "4Xyz12")]),
        (TRACE, [("code", "")]),
        (TRACE.replace("-", "").lower(), [("code", "")]),
        ("#26", [("message", "")]),
    ],
)  # fmt: skip
def test_a_name_without_a_domain_is_a_user_here(text, kinds):
    found = understand(text, NOON, domains=["here.test"]).readings
    assert [(r.query.kinds[0], r.query.text) for r in found] == kinds


def test_a_known_text_and_a_mistyped_code_are_no_users():
    word = understand("qmail_has_prog_delivery_but_has_x_bit_set", NOON, domains=["here.test"])
    assert (word.advice.id, word.readings) == ("dot_qmail_x_bit", ())
    with pytest.raises(QuestionError, match="mistyped"):
        understand("K7Q2-M4XW-3X", NOON, domains=["here.test"])


def test_the_answer_says_which_address_a_name_was():
    found = names(understand("joe", NOON, domains=["here.test", "b.test"]).readings)
    assert found == "user here (joe@here.test, joe@b.test), account of a refused login"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    try:
        question = understand("# " + text.replace("/", " "), NOON)
    except QuestionError:
        return
    assert question.readings or question.header or question.advice.id


@pytest.mark.parametrize(
    ("text", "domain"), [("@src.test", "src.test"), ("mx.src.test", "mx.src.test")]
)
def test_a_domain(text, domain):
    first = understand(text, 0).readings[0]
    assert (first.words, first.query.kinds, first.query.text) == ("domain", ("domain",), domain)


def test_a_mistyped_trace_code_is_named():
    with pytest.raises(QuestionError, match="mistyped: the last character"):
        understand("K7Q2-M4XW-3X", 0)


def test_a_question_in_quotes():
    text = "<1.abc@src.test>"
    assert understand(f"'{text}'", 0).readings == understand(text, 0).readings


HEADER = """Return-Path: <boss@src.test>
Received: from a.test (a.test [192.0.2.1]) by b.test id 4Xyz12; 20 Nov 2026 10:00:00 -0000
Message-ID: <1@a.test>
From: The Boss <boss@src.test>
To: Joe <joe@here.test>,
 ann@here.test
"""


def test_addresses_of_a_header_are_read_together():
    """Other mail of the same people is not what its owner asks about."""
    pairs = [r.query for r in understand(HEADER, 0).readings if "address" in r.query.kinds]
    assert [(q.sender, q.text) for q in pairs] == [
        ("boss@src.test", "joe@here.test"), ("boss@src.test", "ann@here.test")
    ]  # fmt: skip
    assert all(query.since and query.until for query in pairs)
