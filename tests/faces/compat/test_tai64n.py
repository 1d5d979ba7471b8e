import os
import subprocess
import sys
import time

import pytest

from glassmail.faces.compat.tai64n import Stamper
from glassmail.faces.compat.tai64nlocal import Localizer, localize
from tests.shared import SAMPLES

STAMP = b"@400000006b00648239e94394"


def run(module, data):
    command = [sys.executable, "-c", f"from glassmail.faces.compat.{module} import main; main()"]
    environment = os.environ | {"TZ": "UTC"}
    done = subprocess.run(
        command, check=True, input=data, capture_output=True, timeout=20, env=environment
    )
    assert done.stderr == b""
    return done.stdout


def ticks():
    now = 1_795_187_704_971_588_500

    def tick():
        nonlocal now
        now += 1
        return now

    return tick


@pytest.mark.parametrize("cut", range(1, 12))
def test_each_line_gets_one_label_however_it_comes(cut):
    data = b"hello\n\nworld"
    stamper = Stamper(ticks())
    out = b"".join(stamper.feed(data[n : n + cut]) for n in range(0, len(data), cut))
    assert [line[26:] for line in out.split(b"\n")] == [b"hello", b"", b"world"]
    assert all(line[:1] == b"@" and line[25:26] == b" " for line in out.split(b"\n"))


@pytest.mark.parametrize("cut", range(1, 40))
def test_labels_become_local_time_however_they_come(cut, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    data = STAMP + b" hello\nno stamp\n" + STAMP + b"\n@" + STAMP + b"\n" + STAMP + b" rest"
    reader = Localizer()
    out = b"".join(reader.feed(data[n : n + cut]) for n in range(0, len(data), cut)) + reader.end()
    moment = b"2026-11-20 15:17:12.971588500"
    assert out == (
        moment + b" hello\nno stamp\n" + moment + b"\n@" + STAMP + b"\n" + moment + b" rest"
    )
    monkeypatch.undo()
    time.tzset()


def test_a_moment_beyond_the_calendar_stays():
    line = b"@7fffffffffffffff00000000 x"
    assert localize(line) == line


@pytest.mark.covers("command/tai64n", "command/tai64nlocal")
def test_the_commands():
    stamped = run("tai64n", b"hello\nlast")
    assert [line[26:] for line in stamped.split(b"\n")] == [b"hello", b"last"]
    assert run("tai64nlocal", b"@4000000037c219bf2ef02e94 mark\nno stamp\n") == (
        b"1999-08-24 04:04:05.787492500 mark\nno stamp\n"
    )


def test_the_reference_sample():
    path = SAMPLES / "multilog.txt"
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    expected = path.read_bytes().splitlines()[-2:]
    assert run("tai64nlocal", b"@4000000037c219bf2ef02e94 mark\nno stamp").splitlines() == expected
