"""The queue of a server that was stopped or killed: who may see it; looking does no harm."""

import os
import signal

import pytest

from tests.scenarios.program import NOBODY
from tests.scenarios.site import ONE_USER, TAMMY, USERS
from tests.scenarios.waiting import until


def leave_one_behind(site):
    """Accept mail for a server that refuses connections, until it is deferred."""
    site.control("rcpthosts", "mx.example.test\nexample.test\nfar.test\n")
    site.control("smtproutes", ":[127.0.0.1]:1\n")
    site.start()
    site.send(["someone@far.test", TAMMY])
    site.arrived(TAMMY)
    until(lambda: (site.queued() or [{}])[0].get("recipients"), "it waits")


@pytest.mark.covers("command/qmail-qread", "command/qmail-qstat")
@pytest.mark.parametrize("flavour", [ONE_USER, USERS])
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_it_is_listed_and_goes_on(make_site, flavour, how):
    site = make_site(flavour)
    leave_one_behind(site)
    if how == "stopped":
        site.stop()
    else:
        site.may_complain = True
        site.server.send_signal(signal.SIGKILL)
        site.server.wait()
        until(lambda: site.queued() is None, "the queue process is gone")
        site.server = None
    assert not os.path.exists(site.place.queue_socket) or site.queued() is None
    lines = site.glass("queue", "list").splitlines()
    assert lines[-1] == "no server runs here: nothing is being tried (glass serve)"
    assert any("to remote someone@far.test" in line for line in lines)
    listed = site.historical("qmail-qread").stdout.decode()
    assert "\tremote\tsomeone@far.test\n" in listed
    assert site.historical("qmail-qstat").stdout.decode().startswith("messages in queue: 1\n")
    if flavour == USERS:  # whoever may not read the file is told what he was told before
        assert "is it running?" in site.glass("queue", "list", code=3, uid=NOBODY)
    site.start()  # whatever looking left behind belongs to the queue's user
    site.send(TAMMY)
    assert len(site.arrived(TAMMY, 2)) == 2
    until(lambda: len(site.queued() or ()) == 1, "only the first message's far recipient waits")
