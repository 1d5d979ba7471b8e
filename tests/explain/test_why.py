import json
from datetime import UTC

import msgspec
import pytest

from glassmail.core.model import code as codes
from glassmail.core.model.trail import NO, Step
from glassmail.events import codec
from glassmail.events.case import Case, Coverage, Found, Near, Query, Visit
from glassmail.events.queue import Administered, Discarded, Ended
from glassmail.explain.hops import read_header
from glassmail.explain.hops_text import hop_rows
from glassmail.explain.nearby import Nearby, Seen
from glassmail.explain.nearby_text import nearby_rows
from glassmail.explain.question import Question, QuestionError, Reading
from glassmail.explain.remedies import advise
from glassmail.explain.why import parse_question
from glassmail.explain.why_rows import (
    advice_row,
    candidate,
    candidate_rows,
    nothing_row,
    reading_row,
    story_rows,
)
from glassmail.explain.why_story import tell
from glassmail.explain.why_text import Writer
from glassmail.explain.why_verdict import judge
from tests.store.history.story import (
    MS,
    NOON,
    S,
    accepted,
    bounced,
    delivered,
    refused,
    session_ended,
    settled,
    started,
)

CODE = 12345678901
TRACE = codes.render(CODE).decode()


def case_of(*events, message=5, code=0, part=0):
    return Case(message, code, part, codec.encode(sorted(events, key=lambda event: event.at)))


def text_of(case, now=NOON + 60 * S):
    return [line.text for line in Writer(now, zone=UTC).story(case)]


def verdicts_of(*events, message=5):
    case = case_of(*events, message=message)
    return judge(case, codec.decode(case.events))


# --- what is asked ---


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ("#7", ("message",), 7),
        ("7", ("message",), 7),
        (TRACE, ("code",), CODE),
        (TRACE.replace("-", "").lower(), ("code",), CODE),
        (f"[{TRACE}/2]", ("code",), CODE),
        ("192.0.2.7", ("client",), "192.0.2.7"),
        ("[2001:DB8::1]", ("client",), "2001:db8::1"),
        ("Joe@Here.test", ("address", "message_id"), "Joe@Here.test"),
        ("<1.abc@src.test>", ("address", "message_id"), "1.abc@src.test"),
        ("<odd-id>", ("message_id",), "odd-id"),
    ],
)
def test_questions(text, kinds, expected):
    query = parse_question(text)
    assert query.kinds == kinds
    assert expected in {query.text, query.number}


def test_the_part_of_a_trace_code():
    assert parse_question(f"{TRACE}/2").part == 2
    assert parse_question(TRACE, since=1, until=2).since == 1


@pytest.mark.parametrize("text", ["", "joe", "K7Q2-M4XW-3X", "a\x1b@b", "x" * 2_000 + "@b"])
def test_what_cannot_be_asked(text):
    with pytest.raises(QuestionError, match="trace code"):
        parse_question(text)


# --- the story ---


def test_a_delivered_message_in_full():
    case = case_of(
        *delivered(NOON, 5, code=CODE),
        session_ended(NOON + 9 * MS, code=CODE),
        code=CODE,
        part=1,
    )
    assert text_of(case) == [
        f"message #5  {TRACE}/1",
        "from <a@src.test> to joe@here.test",
        "Message-ID <5.id@src.test>",
        "",
        "2026-11-20",
        "12:00:00.000  smtp session from 192.0.2.7 (mx.src.test) port 4711, helo",
        "              mx.src.test",
        "    is here.test in rcpthosts?  yes   control/rcpthosts:1 here.test",
        "12:00:00.000  accepted as message #5 from <a@src.test>, 900 bytes",
        "    allowed by control/rcpthosts:1 here.test",
        "12:00:00.001  delivery 5, local: joe@here.test",
        "    is here.test in locals?  yes   control/locals:1 here.test",
        "12:00:00.002  delivered after 1 ms: did 1+0+0 (1 mailbox)",
        "    is the message in the Maildir ./Maildir/?",
        "                                          yes   new/1.M1P0.mx,S=900",
        "12:00:00.003  message #5 left the queue",
        "12:00:00.009  session ended (quit): 1 accepted, 0 refused",
        "",
        "joe@here.test: delivered (message #5)",
        "  decided by   is the message in the Maildir ./Maildir/? yes",
        "  where        new/1.M1P0.mx,S=900",
        "  turn         nobody's: it is done",
    ]


def test_a_deferred_message_says_when_it_is_tried_again():
    retry_at = NOON // S + 400
    case = case_of(
        accepted(NOON, 5),
        started(NOON + MS, 5, channel="remote"),
        settled(
            NOON + 2 * S,
            5,
            outcome="Z",
            text=b"No connection. (#4.4.1)\n",
            channel="remote",
            retry_at=retry_at,
        ),
    )
    assert text_of(case)[-8:] == [
        "",
        "joe@here.test: waiting (message #5)",
        "  decided by   is here.test in locals? yes",
        "  set in       control/locals:1 here.test",
        "  words        No connection. (#4.4.1)",
        "  turn         the other server's, or its administrator's; the queue tries again",
        "               by itself",
        "  next try     2026-11-20 12:06:40 (in 6 min)",
    ]
    assert text_of(case, now=NOON + 401 * S)[-1].endswith("(due now)")


def test_a_refused_attempt():
    case = case_of(refused(NOON, code=CODE), message=0, code=CODE)
    assert text_of(case) == [
        f"a session without a message  {TRACE}",
        "",
        "2026-11-20",
        "12:00:00.000  smtp session from 192.0.2.7 port 4711, helo mx.src.test",
        "12:00:00.000  refused at rcpt: 550 no [CODE]",
        "    from <a@src.test> to <nobody@here.test>",
        "    is there somebody here for nobody@here.test?",
        "                                          no    vpasswd",
        "",
        "nobody@here.test: refused",
        "  decided by   is there somebody here for nobody@here.test? no",
        "  set in       vpasswd",
        "  words        550 no [CODE]",
        "  fault        nobody here has that name",
        "  remedy       write the address as it exists, or add the mailbox",
        "               nobody@here.test",
        "  turn         the sender's: the client was told and has to tell them",
    ]


def test_repeated_attempts_are_told_shortly():
    events = [accepted(NOON, 5)]
    for n in range(30):
        at = NOON + n * 400 * S
        events += [
            started(at, 5, delivery=n + 1, channel="remote"),
            settled(at + S, 5, delivery=n + 1, outcome="Z", text=b"no\n", channel="remote"),
        ]
    lines = text_of(case_of(*events))
    assert sum("delivery " in line and "remote:" in line for line in lines) == 3
    assert "... and 27 more delivery attempts: --json tells them all" in lines
    assert lines.count("    (the same answers as before)") == 2


def test_many_recipients_are_told_by_what_needs_attention():
    recipients = tuple(b"r%d@here.test" % n for n in range(100))
    events = [accepted(NOON, 5, recipients=recipients)]
    for n in range(100):
        outcome = "D" if n == 77 else "K"
        events += [
            started(NOON + MS, 5, delivery=n + 1, number=n, address=recipients[n]),
            settled(NOON + 2 * MS, 5, delivery=n + 1, number=n, outcome=outcome),
        ]
    lines = text_of(case_of(*events))
    assert "r77@here.test: failed (message #5)" in lines
    assert "100 recipients in all: 99 delivered, 1 failed" in lines
    assert len(lines) < 200


def test_hostile_bytes_cannot_reach_the_terminal():
    evil = b"\x1b[31m\r\n\xe2\x80\xae@x"
    case = case_of(
        refused(NOON - S, code=CODE, recipient=evil, sender=evil),
        *delivered(NOON, 5, code=CODE, sender=evil, recipients=(evil,)),
        settled(NOON + MS, 5, text=evil),
        code=CODE,
    )
    assert all(line.isprintable() for line in text_of(case))


def test_lines_fit_80_columns():
    case = case_of(*bounced(NOON, 5, 6, code=CODE), refused(NOON, code=CODE), code=CODE)
    assert max(map(len, text_of(case))) <= 80


# --- the verdicts ---


def test_a_bounce_is_followed():
    first, second = verdicts_of(*bounced(NOON, 5, 6))
    assert (first.state, first.turn) == ("failed", "the sender's: message #6 tells <a@src.test>")
    assert (second.message, second.state) == (6, "delivered")


def test_a_forward_is_followed():
    events = [
        accepted(NOON, 5),
        started(NOON + MS, 5),
        settled(NOON + 2 * MS, 5, text=b"did 0+1+0\nqp 6\n"),
        *delivered(NOON + MS, 6, origin=5, kind="forward", recipients=(b"bob@else.test",)),
    ]
    first, second = verdicts_of(*events)
    assert (first.state, first.turn) == ("forwarded", "see message #6")
    assert (second.recipient, second.state) == (b"bob@else.test", "delivered")


@pytest.mark.parametrize(
    ("events", "state", "turn"),
    [
        ([], "waiting", "the queue's: the first attempt has not begun"),
        ([started(NOON + MS, 5)], "under way", "the local delivery's: it runs since then"),
        (
            [Administered(NOON + MS, 5, "hold", 0)],
            "held",
            "an administrator's: glass queue release 5",
        ),
        (
            [settled(NOON + MS, 5, outcome="Z"), Administered(NOON + S, 5, "hold", 0)],
            "held",
            "an administrator's: glass queue release 5",
        ),
        (
            [
                settled(NOON + MS, 5, outcome="Z"),
                Administered(NOON + S, 5, "drop", 0),
                Ended(NOON + S, 5),
            ],
            "dropped",
            "nobody's: it is done",
        ),
        (
            [settled(NOON + MS, 5, outcome="D")],
            "failed",
            "the queue's: a bounce to <a@src.test> follows when all recipients are settled",
        ),
        (
            [
                settled(NOON + MS, 5, outcome="D"),
                Discarded(NOON + S, 5, "triple"),
                Ended(NOON + S, 5),
            ],
            "failed",
            "nobody's: the triple bounce was thrown away",
        ),
        (
            [settled(NOON + MS, 5, outcome="Z"), started(NOON + S, 5, delivery=9)],
            "under way",
            "the local delivery's: it runs since then",
        ),
        ([Ended(NOON + S, 5)], "unknown", "nobody's: it is done"),
    ],
)
def test_whose_turn_it_is(events, state, turn):
    (verdict,) = verdicts_of(accepted(NOON, 5), *events)
    assert (verdict.state, verdict.turn) == (state, turn)


def test_a_refusal_for_now_is_the_clients_turn():
    (verdict,) = verdicts_of(refused(NOON, code=1, reply_code=451), message=0)
    assert verdict.state == "refused for now"
    assert verdict.turn == "the client's: it was asked to come again"


def test_a_message_older_than_the_history():
    (verdict,) = verdicts_of(settled(NOON, 5, outcome="Z", text=b"no\n"))
    assert (verdict.state, verdict.text) == ("unknown", b"no\n")
    assert text_of(case_of(settled(NOON, 5, outcome="Z")))[0] == "message #5"


# --- many, and nothing ---


def test_several_cases_are_a_table():
    cases = [
        case_of(*delivered(NOON, 5, code=CODE, recipients=(b"joe@here.test", b"ann@here.test"))),
        case_of(*bounced(NOON + S, 7, 8), message=7),
        case_of(refused(NOON, code=CODE), message=0),
    ]
    found = Found(40, False, Coverage(NOON, NOON))
    lines = [line.text for line in Writer(NOON, zone=UTC).candidates(found, cases, "a@src.test")]
    assert lines == [
        "40 matches for a@src.test, the newest 3; ask about one of them:",
        "",
        "when              ask for         from        to                state",
        f"2026-11-20 12:00  {TRACE}/1  a@src.test  joe@here.test +1  unknown",
        "2026-11-20 12:00  #7              a@src.test  joe@here.test     failed",
        f"2026-11-20 12:00  {TRACE}    a@src.test  nobody@here.test  refused",
    ]
    assert [row.get("state") for row in candidate_rows(found, cases)][:-1] == [
        "unknown",
        "failed",
        "refused",
    ]
    assert list(candidate_rows(found, cases))[-1] == {
        "kind": "found",
        "count": 40,
        "is_more": False,
        "shown": 3,
    }
    assert candidate(cases[0])["recipients"] == ["joe@here.test", "ann@here.test"]


def test_long_names_in_a_table_are_cut():
    names = (b"a" * 40 + b"@here.test", b"ann@here.test")
    case = case_of(*delivered(NOON, 5, code=CODE, recipients=names))
    found = Found(1, False, Coverage(NOON, NOON))
    *_head, line = [line.text for line in Writer(NOON, zone=UTC).candidates(found, [case], "x")]
    assert len(line) <= 80
    assert "a\N{HORIZONTAL ELLIPSIS} +1  unknown" in line


def test_what_happened_during_an_attempt_stands_in_its_place():
    case = case_of(
        accepted(NOON, 5),
        started(NOON + MS, 5),
        accepted(NOON + 2 * MS, 6, kind="forward", origin=5),
        settled(NOON + 3 * MS, 5),
    )
    lines = [line for line in text_of(case) if line.startswith("12:")]
    assert [line[:12] for line in lines] == sorted(line[:12] for line in lines)
    assert lines[-1] == "12:00:00.003  delivery 5 delivered after 2 ms: did 1+0+0 (1 mailbox)"


def test_deliveries_that_begin_together_are_told_in_order():
    case = case_of(
        accepted(NOON, 5, recipients=(b"joe@here.test", b"ann@here.test")),
        started(NOON + MS, 5),
        settled(NOON + 3 * MS, 5),
        started(NOON + MS, 5, number=1),
        settled(NOON + 2 * MS, 5, number=1),
    )
    lines = [line for line in text_of(case) if line.startswith("12:")]
    assert [line[:12] for line in lines] == sorted(line[:12] for line in lines)


def test_the_recipient_that_was_asked_about_comes_first_in_a_table():
    case = case_of(
        accepted(NOON, 5, recipients=(b"joe@here.test", b"Ann@there.test")),
        settled(NOON + MS, 5, outcome="D", text=b"no\n"),
        settled(NOON + MS, 5, number=1),
    )
    for asked, recipients, state in (
        ("", ["joe@here.test", "Ann@there.test"], "failed"),
        ("ann@there.test", ["Ann@there.test", "joe@here.test"], "delivered"),
        ("@there.test", ["Ann@there.test", "joe@here.test"], "delivered"),
        ("bob@there.test", ["joe@here.test", "Ann@there.test"], "failed"),
    ):
        row = candidate(case, asked)
        assert (row["recipients"], row["state"]) == (recipients, state)
    found = Found(2, False, Coverage(NOON, NOON))
    writer = Writer(NOON, zone=UTC)
    *_head, line = [one.text for one in writer.candidates(found, [case], "x", "ann@there.test")]
    assert "Ann@there.test +1  delivered" in line


HOME = Step("routing.home", b"/home/fred", "yes", "owner 7:7, mode 0755")
FOUND = Step("routing.dot_qmail", b".qmail-x", "yes", "/home/fred, mode 0644")
PROGRAM = Step("delivery.program", b"cat", "exit 111", "/bin/sh")


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ((HOME, FOUND), "/home/fred/.qmail-x (mode 0644)"),
        ((HOME, FOUND._replace(source="/home/fred, mode 0666: others may write it")),
         "/home/fred/.qmail-x (mode 0666: others may write it)"),
        ((HOME, FOUND._replace(answer="cannot tell", source="/home/fred: access denied")),
         "/home/fred/.qmail-x (access denied)"),
        ((HOME._replace(answer=NO, source="file does not exist"),),
         "/home/fred (file does not exist)"),
        ((HOME, FOUND, Step("delivery.maildir", b"./Gone/", NO, "no such file or directory")),
         "/home/fred/.qmail-x"),
        ((HOME, FOUND, PROGRAM), "/home/fred/.qmail-x"),
        ((HOME, FOUND._replace(answer=NO, source="/home/fred")), "/home/fred"),
    ],
)  # fmt: skip
def test_a_decision_is_set_in_a_file_not_in_a_reason(steps, place):
    event = settled(NOON + MS, 5, outcome="Z", text=b"no\n", steps=steps)
    (verdict,) = verdicts_of(accepted(NOON, 5), event)
    assert verdict.place == place
    assert f"  set in       {place}" in text_of(case_of(accepted(NOON, 5), event))


@pytest.mark.covers("fault/by_hand")
@pytest.mark.parametrize(("verb", "state"), [("drop", "dropped"), ("bounce", "failed")])
@pytest.mark.parametrize("is_tried", [True, False])
def test_what_was_ended_by_hand_is_not_tried_again(verb, state, is_tried):
    text = b"192.0.2.1 does not like recipient.\nRemote host said: 450 greylisted\n"
    steps = (Step("remote.smtproutes", b"far.test", "cannot tell", "control/smtproutes"),)
    deferred = settled(NOON + MS, 5, outcome="Z", text=text, channel="remote", steps=steps)
    tried = [deferred] * is_tried
    events = [Administered(NOON + S, 5, verb, 0), Ended(NOON + S, 5)]
    (verdict,) = verdicts_of(accepted(NOON, 5), *tried, *events)
    assert (verdict.state, verdict.advice.id) == (state, "by_hand")
    assert "by itself" not in verdict.advice.text
    # What deferred it before is not what ended it.
    assert (verdict.text, verdict.decided, verdict.place) == (b"", None, "")


def refusal(at, text=b"502 unimplemented", *, code=502, question="session.order", **fields):
    event = refused(at, code=CODE)
    steps = (Step(question, b"GA", NO, "unimplemented"),)
    changed = {"reply_code": code, "reply": text, "recipient": b"", "recipients": (),
               "sender": b"", "stage": "command", "steps": steps}  # fmt: skip
    return msgspec.structs.replace(event, **{**changed, **fields})


@pytest.mark.covers("fault/bad_command")
def test_the_same_refusal_again_and_again_is_told_once():
    events = [refusal(NOON + n * MS) for n in range(30)]
    events.append(refusal(NOON + S, b"421 too many errors (#4.7.0)", code=421))
    case = case_of(*events, session_ended(NOON + S, code=CODE), message=0, code=CODE)
    lines = text_of(case)
    heads = [line for line in lines if line.startswith("the session: ")]
    assert heads == ["the session: refused (30 times)", "the session: refused for now"]
    assert sum("was GA understood" in line for line in lines if line.startswith("    ")) == 1
    assert "  fault        the client said what is no command of SMTP, or not in its place" in lines
    assert not any("recipients in all" in line for line in lines)


def test_a_client_that_is_hung_up_on_was_not_asked_to_come_again():
    event = refusal(NOON, b"", code=0, question="session.client-rule", helo=b"", sender=b"")
    (verdict,) = verdicts_of(event, message=0)
    assert (verdict.state, verdict.turn) == (
        "refused", "the client's: it was hung up on without a word"
    )  # fmt: skip
    session = next(line for line in text_of(case_of(event, message=0)) if "smtp session" in line)
    assert session.endswith("port 4711")


def test_a_client_that_fell_silent_in_a_message_is_judged_once():
    silent = refusal(NOON, b"451 timeout (#4.4.2)", code=451, question="session.patience",
                     sender=b"a@src.test")  # fmt: skip
    ended = msgspec.structs.replace(
        session_ended(NOON + S, code=CODE), how="timeout", sender=b"a@src.test",
        recipients=(b"joe@here.test",), stage="data",
    )  # fmt: skip
    (verdict,) = verdicts_of(silent, ended, message=0)
    assert (verdict.recipient, verdict.advice.id) == (b"joe@here.test", "client_silent")
    (verdict,) = verdicts_of(silent, message=0)
    assert verdict.advice.id == "client_silent"


def test_mail_that_was_thrown_away_is_told_so():
    event = settled(NOON + MS, 5, text=b"did 0+0+0\n", steps=(HOME, FOUND))
    (verdict,) = verdicts_of(accepted(NOON, 5), event)
    assert (verdict.state, verdict.advice.id) == ("delivered", "vanishes")
    assert verdict.advice.text == "write an instruction into /home/fred/.qmail-x"


def test_words_that_are_not_utf_8_are_told_once():
    said = Step("remote.reply", b"RCPT TO:<x@y>", "550", "550 5.1.1 Empf\\xe4nger")
    text = b"192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 Empf\xe4nger\n"
    event = settled(NOON + MS, 5, outcome="D", text=text, channel="remote", steps=(said,))
    lines = text_of(case_of(accepted(NOON, 5), event))
    verdict = lines[lines.index("") :]
    assert sum("Empf\\xe4nger" in line for line in lines[lines.index("", 4) :]) == 1, verdict
    assert not any("\N{REPLACEMENT CHARACTER}" in line for line in lines)


def test_a_long_report_is_told_in_full_once():
    text = b"".join(b"line %d of a program\n" % number for number in range(200))
    event = settled(NOON + MS, 5, outcome="D", text=text, steps=(HOME, FOUND, PROGRAM))
    lines = text_of(case_of(accepted(NOON, 5), event))
    assert sum("199 of" in line or "line 199" in line for line in lines) == 1
    assert len(lines) < 110


def test_nothing_found_tells_the_span_and_its_holes():
    coverage = Coverage(NOON, NOON + 10 * S, ((NOON + S, NOON + 2 * S),), ((NOON, "2 lost"),))
    lines = [line.text for line in Writer(NOON, zone=UTC).nothing(Question("joe@x", ()), coverage)]
    assert lines == [
        "nothing is known about joe@x",
        "the history covers 2026-11-20 12:00:00 to 2026-11-20 12:00:10",
        "no log ran, or it was killed, from 2026-11-20 12:00:01 to 2026-11-20 12:00:02:",
        "  this server's refusals then are not recorded, its messages are",
        "2026-11-20 12:00:00: 2 lost",
    ]
    row = nothing_row(coverage)
    assert row["gaps"] == [
        {"from": "2026-11-20T12:00:01.000000Z", "until": "2026-11-20T12:00:02.000000Z"}
    ]
    assert [line.text for line in Writer(NOON).nothing(Question("x", ()), Coverage(0, 0))][-1] == (
        "the history is empty"
    )


# --- JSON ---


def test_json_rows_in_order():
    case = case_of(*delivered(NOON, 5, code=CODE), session_ended(NOON + S, code=CODE), code=CODE)
    rows = list(story_rows(case))
    assert [row["kind"] for row in rows] == [
        "session",
        "step",
        "accepted",
        "attempt",
        "step",
        "step",
        "ended",
        "session_end",
        "verdict",
    ]
    assert all(json.loads(json.dumps(row)) == row for row in rows)
    attempt = rows[3]
    assert (attempt["outcome"], attempt["text"]) == ("delivered", "did 1+0+0\n")
    verdict = rows[-1]
    assert verdict["decided_by"]["question"] == "delivery.maildir"
    assert verdict["set_in"] == "new/1.M1P0.mx,S=900"


def test_steps_have_the_fields_that_trace_prints():
    from glassmail.explain.steps import step_row

    case = case_of(*delivered(NOON, 5, code=CODE), code=CODE)
    step = next(row for row in story_rows(case) if row["kind"] == "step")
    del step["kind"]
    assert step == step_row(
        Step("routing.rcpthosts", b"here.test", "yes", "control/rcpthosts:1 here.test")
    )


def test_every_kind_and_field_is_documented():
    from pathlib import Path

    manual = Path(__file__).parents[2] / "docs" / "why-json.md"
    text = manual.read_text()
    case = case_of(
        *bounced(NOON, 5, 6, code=CODE),
        refused(NOON, code=CODE),
        session_ended(NOON, code=CODE),
        Administered(NOON, 5, "hold", 0),
        Discarded(NOON, 5, "double"),
        code=CODE,
    )
    rows = [*story_rows(case), *candidate_rows(Found(1, False, Coverage(0, 0)), [case])]
    rows += [nothing_row(Coverage(0, 0)), {"kind": "left_out", "events": 1}]
    visit = Visit("192.0.2.7", "", "", NOON, NOON, 1, 0, 1, 0)
    near = Near(1, 1, Coverage(0, 0))
    nearby = Nearby("src.test", (), (), (Seen(visit, "past mail"),), near, 0)
    rows += nearby_rows(nearby, Question("x", ()))
    rows += hop_rows(read_header("Received: by x.test; 20 Nov 2026 12:00:00 -0000\n\n"))
    rows += [reading_row(Reading("client", Query(("client",), text="192.0.2.7")))]
    rows += [advice_row(advise("not_running"))]
    assert {row["kind"] for row in rows} == {
        "session",
        "step",
        "refused",
        "accepted",
        "attempt",
        "bounced",
        "discarded",
        "order",
        "ended",
        "session_end",
        "verdict",
        "candidate",
        "found",
        "nothing",
        "left_out",
        "nearby",
        "visit",
        "hop",
        "reading",
        "meaning",
    }
    for row in rows:
        section = text.split(f"### {row['kind']}\n")[1].split("\n### ")[0]
        for field in row:
            assert f"`{field}`" in section or field == "kind", (row["kind"], field)


def test_a_story_of_another_version_costs_only_its_session():
    import msgspec

    event = msgspec.structs.replace(accepted(NOON, 5, code=CODE), story=b"\x93\x01\x02\x03")
    _events, entries = tell(case_of(event, code=CODE))
    assert [entry.kind for entry in entries] == ["accepted"]


@pytest.mark.covers("fault/account_held")
def test_an_account_that_sent_too_much_is_named():
    taken = accepted(NOON, 5, code=1000)
    story = codec.decode_story(taken.story)
    rate = Step("session.account-rate", b"joe@here.test", NO, "501 of 500 recipients in an hour")
    story = msgspec.structs.replace(story, steps=(*story.steps, rate))
    taken = msgspec.structs.replace(taken, story=codec.encode_story(story))
    (verdict,) = verdicts_of(taken, Administered(NOON + MS, 5, "hold", 0))
    assert (verdict.state, verdict.advice.id) == ("held", "account_held")
    assert "joe@here.test" in verdict.advice.fault
    assert verdict.turn.endswith("glass block remove joe@here.test; glass queue release 5")
