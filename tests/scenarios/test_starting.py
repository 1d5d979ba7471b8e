"""Starting: what cannot be used, a port that does not serve yet, and who starts the server."""

import smtplib

import pytest

from tests.scenarios.site import ONE_USER, TAMMY
from tests.scenarios.waiting import until

WRONG = "control/smtpauth:1 vpopmial: no such word"


@pytest.mark.covers("glass/restart", "glass/reload")
def test_a_typing_error_ends_no_server_that_runs(make_site):
    site = make_site(ONE_USER).start()
    site.control("smtpauth", "vpopmial\n")
    assert site.glass("reload", code=1) == "reloaded, but for what is named above\n"
    refused = site.glass("restart", code=111)
    assert WRONG in refused
    assert "the server that runs goes on" in refused
    until(lambda: any(WRONG in line for line in site.log_lines("serve")), "an alert tells it")
    site.send(TAMMY)
    site.arrived(TAMMY)


@pytest.mark.covers("glass/serve")
def test_a_server_does_not_start_with_a_word_that_means_nothing(make_site):
    site = make_site(ONE_USER)
    site.control("smtpauth", "vpopmial\n")
    assert WRONG in site.refuses_to_start()


def test_ready_comes_when_the_last_port_serves(make_site):
    """A fault that is no setting's: sessions are refused until it is mended, and that is told."""
    site = make_site(ONE_USER)
    closed = site.root / "control" / "morercpthosts.cdb"
    site.may_complain = True
    closed.mkdir()
    site.launch()
    until(lambda: "does not serve yet: 421 unable to read controls" in site.complaints(), "told")
    alert = "alert: smtpd: no session is served: control/morercpthosts.cdb"
    until(lambda: any(line.startswith(alert) for line in site.log_lines("serve")), "an alert")
    closed.rmdir()
    until(lambda: b"ready" in (site.base / "serve.out").read_bytes(), "ready comes")
    site.send(TAMMY)
    site.arrived(TAMMY)


@pytest.mark.parametrize(
    "before",
    [
        ("nice", "-n", "10"), ("chrt", "-i", "0"), ("chrt", "-b", "0"), ("env", "-i"),
        ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"),
        ("sh", "-c", 'umask 077; exec "$@" <&-', "sh"),
    ],
    ids=["nice", "idle", "batch", "bare", "64 descriptors", "umask, no input"],
)  # fmt: skip
def test_whatever_starts_it(make_site, before):
    site = make_site(ONE_USER)
    site.control("smtpauth", "vpopmail\n")
    site.runner.before = before
    site.start()
    site.runner.before = ()
    with smtplib.SMTP("127.0.0.1", site.submission_port, timeout=20) as client:
        client.login(TAMMY, "secret")
        client.sendmail(TAMMY, [TAMMY], b"Subject: hello\r\n\r\nbody\r\n")
    site.arrived(TAMMY)
