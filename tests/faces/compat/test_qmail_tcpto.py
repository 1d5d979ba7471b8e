import re

import pytest

from glassmail.faces.compat import qmail_tcpok, qmail_tcpto
from glassmail.store.tcpto import TcpTimeouts
from tests.shared import SAMPLES

pytestmark = pytest.mark.covers("command/qmail-tcpto", "command/qmail-tcpok")

NOW = 1_800_000_000
LINES = (
    "192.0.2.7 timed out 100 seconds ago; # recent timeouts: 2\n"
    "192.0.2.8 timed out 5000 seconds ago; # recent timeouts: 10\n"
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSMAIL_ROOT", str(tmp_path))
    monkeypatch.setattr(qmail_tcpto.time, "time_ns", lambda: NOW * 10**9)
    return tmp_path


def _table(root):
    table = TcpTimeouts(str(root / "queue" / "lock"))
    table.create()
    for n in range(2):
        table.timed_out("192.0.2.7", NOW - 220 + 120 * n)
    for n in range(10):
        table.timed_out("192.0.2.8", NOW - 5000 - 9 * 120 + 120 * n)
    return table


def test_the_output_is_qmail_s(root, capsys):
    _table(root)
    assert qmail_tcpto.main([]) == 0
    assert capsys.readouterr().out == LINES
    if SAMPLES.exists():
        assert (SAMPLES / "qmail-tcpto.txt").read_text() == LINES


def test_ipv6_comes_after_qmails_own_table(root, capsys):
    table = _table(root)
    table.timed_out("2001:db8::7", NOW - 300)
    table.timed_out("2001:db8::7", NOW - 60)
    assert qmail_tcpto.main([]) == 0
    assert capsys.readouterr().out == (
        LINES + "2001:db8::7 timed out 60 seconds ago; # recent timeouts: 2\n"
    )
    assert (root / "queue" / "lock" / "tcpto").stat().st_size == 1024  # as qmail-tcpto reads it
    assert qmail_tcpok.main([]) == 0
    assert table.entries() == []


def test_tcpok_forgets_silently(root, capsys):
    table = _table(root)
    assert qmail_tcpok.main([]) == 0
    assert capsys.readouterr() == ("", "")
    assert table.entries() == []


def test_failures(root, capsys):
    assert qmail_tcpto.main([]) == 111
    assert capsys.readouterr().out == "fatal: unable to chdir: file does not exist\n"
    assert qmail_tcpok.main([]) == 111
    assert re.fullmatch(
        r"qmail-tcpok: fatal: unable to chdir to /\S+/queue/lock: file does not exist\n",
        capsys.readouterr().err,
    )
    (root / "queue" / "lock").mkdir(parents=True)
    assert qmail_tcpto.main([]) == 111
    assert capsys.readouterr().out == "fatal: unable to open tcpto: file does not exist\n"
    assert qmail_tcpok.main([]) == 111
    assert "unable to write" in capsys.readouterr().err
