import os

import pytest

from glassmail.core.formats import cdb
from glassmail.settings.place import Place
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import Controls


def reader(tmp_path, **files):
    control = tmp_path / "control"
    control.mkdir()
    for name, text in files.items():
        (control / name).write_text(text)
    site = type("Site", (), {"now": 0.0})()
    return SettingsReader(Controls(str(control)), Place(str(tmp_path)), lambda: site.now), site


@pytest.mark.covers("control/smtpgreeting", "control/localiphost")
def test_values(tmp_path):
    settings, _ = reader(
        tmp_path, me="mx.example\n", smtpgreeting="mx.example hello\n", databytes="9\n",
        timeoutsmtpd="30\n", tracecodes="0\n", enhancedcodes="1\n", rcpthosts="a\nb\n",
        badmailfrom="x@y\n", checkrecipients="1\n", locals="a\n", virtualdomains="v:joe\n",
    )  # fmt: skip
    now = settings.now()
    assert (now.greeting, now.me) == (b"mx.example hello", b"mx.example")
    assert now.localiphost == b"mx.example"
    assert (now.timeout_s, now.is_tracing, now.is_enhanced, now.problem) == (30, False, True, "")
    assert now.policy.databytes == 9
    assert now.policy.is_checking_recipients
    assert set(now.policy.rcpthosts.entries) == {b"a", b"b"}
    assert set(now.policy.routing.virtualdomains.entries) == {b"v"}


def test_without_me_nobody_is_served(tmp_path):
    settings, _ = reader(tmp_path)
    assert "control/me" in settings.now().problem


def test_a_problem_is_told_once(tmp_path):
    control = tmp_path / "control"
    control.mkdir()
    told, now = [], iter(range(1_000))
    controls = Controls(str(control))
    settings = SettingsReader(controls, Place(str(tmp_path)), lambda: next(now), told.append)
    assert settings.now().problem == settings.now().problem == told[0]
    (control / "me").write_text("mx.example\n")
    controls.refresh()
    assert settings.now().problem == ""
    (control / "me").unlink()
    controls.refresh()
    settings.now()
    assert told == [told[0]] * 2


def test_without_rcpthosts_nothing_is_ours(tmp_path):
    settings, _ = reader(tmp_path, me="mx\n")
    table = settings.now().policy.rcpthosts
    assert table.is_present
    assert not table.entries
    assert "openrelay" in table.summary


@pytest.mark.covers("control/openrelay")
def test_openrelay(tmp_path):
    settings, _ = reader(tmp_path, me="mx\n", openrelay="1\n")
    assert not settings.now().policy.rcpthosts.is_present


def test_a_session_keeps_what_it_got(tmp_path):
    settings, site = reader(tmp_path, me="mx\n", databytes="1\n")
    before = settings.now()
    (tmp_path / "control" / "databytes").write_text("22\n")
    assert settings.now() is before
    settings.look_again()
    assert settings.now().policy.databytes == 22
    assert before.policy.databytes == 1
    site.now = 2.0
    assert settings.now() is settings.now()


def test_morercpthosts(tmp_path):
    settings, site = reader(tmp_path, me="mx\n", rcpthosts="a\n")
    assert settings.now().policy.more_rcpthosts is None
    path = tmp_path / "control" / "morercpthosts.cdb"
    path.write_bytes(cdb.render([(b"more.example", b"")]))
    site.now = 2.0
    more = settings.now().policy.more_rcpthosts
    assert more.find(b"more.example") == b""
    path.unlink()
    os.mkdir(path)
    site.now = 4.0
    assert settings.now().problem.startswith("control/morercpthosts.cdb: ")
    os.rmdir(path)
    site.now = 6.0
    assert not settings.now().problem
