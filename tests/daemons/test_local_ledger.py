"""What the starter owes the queue."""

import asyncio

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import Step
from glassmail.daemons.local_ledger import Ledger
from glassmail.daemons.local_limits import RESULTS_MAX
from glassmail.daemons.local_messages import Done

STEP = Step("delivery.worker", b"joe", "no", "x")


def with_ledger(talk):
    async def go():
        sent = []
        await talk(Ledger(lambda settle: sent.append(settle.results) or True), sent)

    asyncio.run(go())


def done(task, letter="K", text=b"did\n"):
    return Done(task, letter, text, (STEP,))


def test_results_of_one_turn_share_a_frame():
    async def talk(ledger, sent):
        tasks = [ledger.take(delivery, (STEP,)) for delivery in (11, 12)]
        ledger.close([done(tasks[0])], is_durable=True)
        ledger.close([done(tasks[1], "D", b"no\n")], is_durable=True)
        ledger.refuse(13, Report(Outcome.DEFERRAL, b"later\n"))
        assert not sent
        await asyncio.sleep(0)
        ((first, second, third),) = sent
        assert (first.delivery, first.outcome, first.text) == (11, "K", b"did\n")
        assert first.steps == (STEP, STEP)
        assert (second.delivery, second.outcome) == (12, "D")
        assert (third.delivery, third.outcome, third.text) == (13, "Z", b"later\n")
        assert ledger.is_empty

    with_ledger(talk)


def test_success_that_is_not_durable_is_a_deferral():
    async def talk(ledger, sent):
        tasks = [ledger.take(delivery, ()) for delivery in (1, 2)]
        ledger.close([done(tasks[0]), done(tasks[1], "D", b"no\n")], is_durable=False)
        ledger.flush()
        assert [(result.outcome, result.text) for result in sent[0]] == [
            ("Z", b"Temporary error on maildir delivery. (#4.3.0)\n"),
            ("D", b"no\n"),
        ]

    with_ledger(talk)


def test_results_of_an_old_connection_are_dropped():
    async def talk(ledger, sent):
        settled, running, waiting = (ledger.take(delivery, ()) for delivery in (1, 2, 3))
        ledger.close([done(settled)], is_durable=True)
        ledger.queue_gone(lambda task: task != waiting)
        again = ledger.take(2, ())
        assert again not in (settled, running, waiting)
        assert [ledger.is_wanted(task) for task in (running, waiting, again)] == [
            False,
            False,
            True,
        ]
        ledger.close([done(running)], is_durable=True)
        assert not ledger.is_empty
        assert ledger.break_off([again], b"gone\n") == 1
        await asyncio.sleep(0)
        ((only,),) = [results for results in sent if results]
        assert (only.delivery, only.outcome, only.text) == (2, "Z", b"gone\n")

    with_ledger(talk)


def test_frames_are_bounded():
    async def talk(ledger, sent):
        tasks = [ledger.take(delivery, ()) for delivery in range(RESULTS_MAX + 1)]
        ledger.close([done(task) for task in tasks], is_durable=True)
        await asyncio.sleep(0)
        assert [len(results) for results in sent] == [RESULTS_MAX, 1]

    with_ledger(talk)
