"""Programs, cdb files and DNS beside the sessions, with real processes."""

import asyncio
import os
import time

import pytest

from glassmail.core.formats import cdb
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.net.dns import Answer, MxRecord, Status
from glassmail.settings.place import Place
from glassmail.stations import front_programs
from glassmail.stations.front_ask import FrontAsk
from glassmail.stations.front_programs import Call, Programs
from glassmail.store.control import Controls


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return os.fsencode(path)


def run(tmp_path, text, *, seconds=5.0, environment=None, texts=(4,), inputs=None, is_logged=True):
    async def go():
        path = program(tmp_path / "p", text)
        call = Call((path,), environment or {}, inputs or {}, texts, 1_021, is_logged, seconds)
        return await Programs().run(call)

    return asyncio.run(go())


def test_text_exit_code_and_environment(tmp_path):
    ended = run(tmp_path, 'echo "550 $WHO" >&4; exit 100', environment={b"WHO": b"me"})
    assert (ended.exit_code, ended.text, ended.problem) == (100, b"550 me\n", "")


def test_standard_input_is_empty_and_what_is_ours_is_closed(tmp_path):
    ours = os.open(tmp_path, os.O_RDONLY)
    ended = run(tmp_path, "cat; ls -l /proc/$$/fd")
    os.close(ours)
    assert b" 0 -> /dev/null" in ended.output
    assert os.fsencode(tmp_path) + b"\n" not in ended.output


def test_more_than_a_pipe_holds_does_not_stall(tmp_path):
    ended = run(tmp_path, "head -c 300000 /dev/zero >&4; head -c 300000 /dev/zero >&2; exit 3")
    assert (ended.exit_code, len(ended.text)) == (3, 1_021)


@pytest.mark.parametrize("text", ["yes >&4 & yes >&2 & exit 0", "setsid yes >&4 & exit 0"])
def test_what_a_program_leaves_behind_may_write_for_ever(tmp_path, text):
    began = time.monotonic()
    assert run(tmp_path, text).exit_code == 0
    assert time.monotonic() - began < 4


def test_nobody_waits_for_a_program_that_is_given_up(tmp_path, monkeypatch):
    """Its group cannot be signalled: it has changed its user, and goes on as it likes."""

    async def go():
        path = program(tmp_path / "p", f"echo $$ >{tmp_path}/pid; read line")
        reader, writer = os.pipe()
        call = Call((path,), {}, {0: reader}, (4,), 1_021, True, 60.0)
        running = asyncio.create_task(Programs().run(call))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.005)
        monkeypatch.setattr(front_programs, "_end_group", lambda _group: None)
        running.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - began < 4
        os.close(reader)
        os.close(writer)  # now it ends, and is buried
        pid = int((tmp_path / "pid").read_text())
        while True:
            try:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:
                return
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(go(), 10))


def test_time_limit_ends_the_whole_group(tmp_path):
    began = time.monotonic()
    ended = run(tmp_path, f"sleep 77 & echo $! >{tmp_path}/pid; wait", seconds=0.3)
    assert ended.problem == "killed after 0 s"
    assert time.monotonic() - began < 4
    child = int((tmp_path / "pid").read_text())
    for _ in range(200):
        try:
            with open(f"/proc/{child}/stat") as file:
                if file.read().split()[2] == "Z":
                    break
        except FileNotFoundError:
            break
        os.sched_yield()


@pytest.mark.parametrize("text", ["kill -SEGV $$"])
def test_crash(tmp_path, text):
    assert "signal 11" in run(tmp_path, text).problem


def test_what_cannot_be_run_is_a_problem(tmp_path):
    async def go():
        return await Programs().run(Call((b"/no/such",), {}, {}, (), 0, True, 1.0))

    ended = asyncio.run(go())
    assert ended.problem
    assert ended.pid == 0


def test_a_bare_name_lies_below_the_sites_directory(tmp_path, monkeypatch):
    program(tmp_path / "check", "exit 100")
    monkeypatch.chdir(tmp_path)

    async def go(name):
        return await Programs().run(Call((name,), {}, {}, (), 0, True, 5.0))

    assert asyncio.run(go(b"check")).exit_code == 100
    assert asyncio.run(go(b"true"))[:1] == (0,)  # else it is on PATH


def test_inputs_stand_where_they_are_wanted(tmp_path):
    one, two = os.memfd_create("one"), os.memfd_create("two")
    for descriptor, text in ((one, b"message"), (two, b"envelope")):
        os.write(descriptor, text)
        os.lseek(descriptor, 0, os.SEEK_SET)
    ended = run(tmp_path, "cat <&0 >&4; cat <&1 >&4", inputs={0: one, 1: two}, is_logged=False)
    os.close(one)
    os.close(two)
    assert ended.text == b"messageenvelope"


class FakeDns:
    def __init__(self, answers):
        self.answers = answers

    async def ask(self, name, kind):
        return self.answers[name, kind]


def with_ask(tmp_path, check):
    (tmp_path / "control").mkdir(exist_ok=True)

    async def go():
        place = Place(str(tmp_path))
        ask = FrontAsk(place, "smtpd", Controls(place.control))
        return await check(ask)

    return asyncio.run(go())


def test_dns(tmp_path):
    async def check(ask):
        ask._dns = FakeDns({
            (b"a", "MX"): Answer(Status.FOUND, (MxRecord(10, b"mx.a"),), 0, "TTL 60 s"),
            (b"a", "A"): Answer(Status.FOUND, ("192.0.2.1",), 0, "TTL 60 s"),
            (b"b", "MX"): Answer(Status.NO_NAME, (), 0, "no such name"),
            (b"c", "MX"): Answer(Status.FAILED, (), 0, "no server answered in time"),
        })
        return [await ask.dns(*q) for q in ((b"a", "MX"), (b"a", "A"), (b"b", "MX"), (b"c", "MX"))]

    facts = with_ask(tmp_path, check)
    assert [fact.answer for fact in facts] == [YES, YES, NO, UNKNOWN]
    assert facts[0].records == (b"10 mx.a",)
    assert facts[1].records == (b"192.0.2.1",)
    assert facts[3].detail == "no server answered in time"


def test_a_broken_dnsserver_is_an_answer(tmp_path):
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "dnsserver").write_text("nonsense\n")

    async def check(ask):
        return await ask.dns(b"a", "MX")

    assert "control/dnsserver:1" in with_ask(tmp_path, check).detail


def test_cdb_files_are_below_the_site_and_seen_when_replaced(tmp_path):
    async def check(ask):
        found = [ask.find_in_cdb(b"v.cdb", (b"x", b"y"))]
        for records in ([(b"y", b"-")], [(b"z", b"")]):
            path = tmp_path / "new"
            path.write_bytes(cdb.render(records))
            path.rename(tmp_path / "v.cdb")
            found.append(ask.find_in_cdb(b"v.cdb", (b"x", b"y")))
        (tmp_path / "v.cdb").write_bytes(b"short")
        return [*found, ask.find_in_cdb(b"v.cdb", (b"x",))]

    gone, yes, no, broken = with_ask(tmp_path, check)
    assert (gone.answer, gone.detail) == (UNKNOWN, "no such file")
    assert (yes.answer, yes.key, yes.value) == (YES, b"y", b"-")
    assert no.answer == NO
    assert broken.answer == UNKNOWN


def test_programs_of_recipients(tmp_path):
    (tmp_path / "control").mkdir()
    path = program(tmp_path / "p", 'test "$(tr "\\0" . <&3)" = "joe@x.test..." && exit 1; exit 0')

    async def check(ask):
        return await ask.ask_program((path,), b"joe@x.test")

    assert with_ask(tmp_path, check).exit_code == 1


@pytest.mark.covers("control/timeoutrcptcheck")
def test_rcptcheck_is_ended(tmp_path):
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "timeoutrcptcheck").write_text("1\n")
    path = program(tmp_path / "p", "sleep 77")

    async def check(ask):
        return await ask.check_recipient(path, {})

    assert with_ask(tmp_path, check).problem == "killed after 1 s"
