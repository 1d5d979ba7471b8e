from glassmail.core.model.limits import TRAIL_STEPS_MAX
from glassmail.core.model.trail import Step
from glassmail.daemons.local_limits import TRAIL_BYTES_MAX
from glassmail.daemons.worker_child import STEP_MAX, bounded


def test_a_usual_trail_stays():
    steps = (Step("delivery.maildir", b"./Maildir/", "yes", "/home/joe/Maildir/new/x"),) * 5
    assert bounded(steps) is steps
    assert bounded(()) == ()


def test_a_long_trail_keeps_its_start_and_its_end():
    steps = tuple(Step("delivery.program", b"%d" % n, "exit 0", "here") for n in range(1_000))
    cut = bounded(steps)
    assert cut[:TRAIL_STEPS_MAX] == steps[:TRAIL_STEPS_MAX]
    assert cut[-1] == steps[-1]
    assert len(cut) == TRAIL_STEPS_MAX + 1


def test_huge_steps_are_cut():
    steps = (Step("delivery.program", b"x" * 250_000, "exit 0", "y" * 9_000),) * 3
    (only,) = bounded(steps)
    assert len(only.subject) == len(only.source) == STEP_MAX
    assert TRAIL_BYTES_MAX < 250_000
