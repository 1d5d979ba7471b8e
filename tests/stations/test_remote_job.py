import asyncio
import os

import pytest

from glassmail.core.formats.smtproutes import Relay
from glassmail.core.model.outcome import Outcome, Report
from glassmail.net.messages import Job, Target
from glassmail.stations.remote_job import RemoteJob
from glassmail.store.control import take_snapshot


def _job(*addresses, body=b"x\n"):
    targets = tuple(Target(n, n, address, address, b"") for n, address in enumerate(addresses))
    return Job(1, b"me@here", b"h\n", body, 4, 0, 0, 0, False, targets)


def _run(tmp_path, job, send, descriptor=-1):
    (tmp_path / "me").write_text("here.example\n")
    (tmp_path / "smtproutes").write_text(".r.example:relay:26\nbad.example:x:y\n")
    settled = {}

    def settle(recipient, report):
        assert recipient.delivery not in settled
        settled[recipient.delivery] = report

    async def go():
        await RemoteJob(job, descriptor, lambda: take_snapshot(str(tmp_path)), send, settle).run()

    return go, settled


def test_groups(tmp_path):
    sent = {}

    async def send(target, errand):
        sent[target] = [recipient.address for recipient in errand.recipients]
        for recipient in errand.recipients:
            errand.settle(recipient, Report(Outcome.SUCCESS, b"ok\n"))

    job = _job(b"a@X.example", b"b@x.example", b"c@1.r.example", b"d@2.r.example", b"e@bad.example")
    go, settled = _run(tmp_path, job, send)
    asyncio.run(go())
    assert sent == {
        b"x.example": [b"a@X.example", b"b@x.example"],
        Relay(b"relay", 26): [b"c@1.r.example", b"d@2.r.example"],
    }
    assert [settled[n].outcome.value for n in range(5)] == ["K", "K", "K", "K", "Z"]


@pytest.mark.covers("remote/crashed")
def test_a_fault_in_one_group_leaves_the_other_alone(tmp_path):
    async def send(target, errand):
        if target == b"x.example":
            raise ZeroDivisionError
        await asyncio.sleep(0)
        for recipient in errand.recipients:
            errand.settle(recipient, Report(Outcome.SUCCESS, b"ok\n"))

    go, settled = _run(tmp_path, _job(b"a@x.example", b"b@y.example"), send)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(go())
    assert settled[0].text == b"qmail-remote crashed.\n"
    assert settled[1].outcome is Outcome.SUCCESS


def test_the_descriptor_is_closed(tmp_path):
    (tmp_path / "body").write_bytes(b"x\n")
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)

    async def send(_target, errand):
        for recipient in errand.recipients:
            errand.settle(recipient, Report(Outcome.SUCCESS, b"ok\n"))

    go, settled = _run(tmp_path, _job(b"a@x.example", body=None), send, descriptor)
    asyncio.run(go())
    assert settled[0].outcome is Outcome.SUCCESS
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
