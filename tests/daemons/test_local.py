"""The local starter and its workers, with a queue that is not the real one."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from glassmail.core.formats import assign, cdb
from tests.daemons.local_queue import FakeQueue, job

RUN = Path(__file__).with_name("run_local.py")
SOURCE = Path(__file__).resolve().parents[2] / "src"
UID, OTHER_UID = 20_011, 20_012
IS_ROOT = os.getuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root to deliver as several users")
CRASHED = b"qmail-local crashed.\n"


class Site:
    """A site with users whose homes are below it. Not below tmp_path, which is root's alone."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="local-", dir="/tmp"))
        self.root.chmod(0o755)
        for name in ("control", "run", "users", "homes"):
            (self.root / name).mkdir()
        self.control("me", "mx.test")
        self.lines = []
        self.parent, self.alive = os.pipe()
        self.process: subprocess.Popen[bytes] | None = None

    def control(self, name, text):
        (self.root / "control" / name).write_text(text + "\n")

    def user(self, name, uid=UID, maildir=True):
        """A user with every extension, and a Maildir."""
        home = self.root / "homes" / name
        home.mkdir()
        if maildir:
            for part in ("Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
                (home / part).mkdir(mode=0o700)
        if IS_ROOT:
            for path in (home, *home.rglob("*")):
                os.chown(path, uid, uid)
        self.lines.append(f"={name}:{name}:{uid}:{uid}:{home}:::\n")
        self.lines.append(f"+{name}-:{name}:{uid}:{uid}:{home}:-::\n")
        text = "".join([*self.lines, ".\n"]).encode()
        (self.root / "users" / "cdb").write_bytes(cdb.render(assign.records(assign.parse(text))))
        return home

    def start(self, mode="root", **options):
        self.process = subprocess.Popen(
            [sys.executable, str(RUN), str(self.root), mode, str(self.parent)],
            pass_fds=(self.parent,),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            **options,
        )

    def children(self, pid=None):
        """Process ids below the starter: forker, workers, their children."""
        pid = pid or self.process.pid
        found = []
        with contextlib.suppress(FileNotFoundError):
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            for child in map(int, text.split()):
                found += [child, *self.children(child)]
        return found

    def workers(self):
        return [pid for pid in self.children() if b"qmail-local uid" in _title(pid)]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=15)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=15)
        os.close(self.parent)
        os.close(self.alive)
        shutil.rmtree(self.root)


def _title(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


def run(site, talk, *, mode="root", **options):
    """Run the starter and a conversation with it."""

    async def go():
        async with FakeQueue(str(site.root / "run" / "queue.sock")) as queue:
            site.start(mode, **options)
            await talk(queue)
            site.stop()

    asyncio.run(go())


def one_user(site, name="joe"):
    """What makes this test's user the one whom a server without root delivers for."""
    return site.user(name, uid=os.getuid())


def new(home, maildir="Maildir"):
    return {path.name: path.read_bytes() for path in (home / maildir / "new").iterdir()}


def said(results):
    return [(result.outcome, result.text) for result in results]


DID = ("K", b"did 1+0+0\n")


@pytest.mark.covers("control/syncmode")
@needs_root
@pytest.mark.parametrize("mode", ["auto", "syncfs", "fsync"])
def test_each_user_gets_his_mail_from_a_worker_of_his_own(site, mode):
    site.control("syncmode", mode)
    joe, ann = site.user("joe"), site.user("ann", OTHER_UID)

    async def talk(queue):
        targets = tuple(queue.target(n + b"@x.test", i) for i, n in enumerate([b"joe", b"ann"]))
        results = await queue.deliver(
            job(1, targets), *(job(n, (queue.target(b"joe@x.test"),)) for n in range(2, 40))
        )
        assert set(said(results)) == {DID}
        assert len(site.workers()) == 2
        for pid, status in (
            (pid, Path(f"/proc/{pid}/status").read_text()) for pid in site.workers()
        ):
            uids = [
                line.split()[1:] for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")
            ]
            assert len({uid for line in uids for uid in line}) == 1, pid
            assert "Groups:\t \n" in status
        steps = [step.question for step in results[0].steps]
        assert steps[0] == "routing.assign"
        assert steps[-1] == "delivery.maildir"

    run(site, talk)
    assert len(new(joe)) == 39
    assert len(new(ann)) == 1
    ((name, content),) = new(ann).items()
    assert name.startswith("1795187040.M1R1C")
    assert content.startswith(b"Return-Path: <sender@src.test>\nDelivered-To: ann@x.test\nRece")
    assert list((joe / "Maildir" / "tmp").iterdir()) == []
    assert {path.stat().st_uid for path in (joe / "Maildir" / "new").iterdir()} == {UID}


@needs_root
def test_root_is_refused_and_so_is_nobody(site):
    site.user("boss", 0)
    site.user("joe")

    async def talk(queue):
        names = (b"boss@x.test", b"joe-none@x.test", b"joe")
        results = await queue.deliver(job(1, tuple(map(queue.target, names))))
        assert said(results) == [
            ("Z", b"Not allowed to perform deliveries as root.\n"),
            ("D", b"Sorry, no mailbox here by that name. (#5.1.1)\n"),
            ("D", b"Sorry, address must include host name. (#5.1.3)\n"),
        ]
        assert all(result.steps for result in results)

    run(site, talk)


def test_one_user_without_root(site):
    """The whole server as one ordinary user; as root it becomes one first."""
    uid = UID if IS_ROOT else os.getuid()
    home = site.user("joe", uid)
    site.user("ann", OTHER_UID)
    (home / ".qmail-run").write_text("|id -u\n")
    if IS_ROOT:
        os.chown(site.root / "run", uid, uid)

    async def talk(queue):
        names = (b"joe@x.test", b"ann@x.test", b"joe-run@x.test")
        results = await queue.deliver(job(1, tuple(map(queue.target, names))))
        other = f"This server runs as uid {uid} and cannot deliver as uid {OTHER_UID}. (#4.3.5)\n"
        assert said(results) == [
            DID,
            ("Z", other.encode()),
            ("K", f"{uid}\ndid 0+0+1\n".encode()),
        ]

    run(site, talk, mode="one-user", **({"user": uid, "group": uid} if IS_ROOT else {}))
    assert len(new(home)) == 1


@needs_root
def test_one_user_as_root_keeps_to_maildirs(site):
    home = site.user("joe", 0)
    (home / ".qmail-run").write_text("|true\n")

    async def talk(queue):
        names = (b"joe@x.test", b"joe-run@x.test")
        results = await queue.deliver(job(1, tuple(map(queue.target, names))))
        assert said(results)[0] == DID
        assert results[1].outcome == "Z"
        assert results[1].text.startswith(b"This server runs as root for one user")

    run(site, talk, mode="one-user")


def plain(site):
    """A user that this test's caller can deliver for: (home, mode)."""
    return (site.user("joe"), "root") if IS_ROOT else (one_user(site), "one-user")


def test_a_body_in_a_file(site, tmp_path):
    home, mode = plain(site)
    body = b"Subject: big\n\n" + b"line\n" * 200_000
    (tmp_path / "body").write_bytes(body)
    (home / ".qmail-p").write_text("|tail -n 1\n")

    async def talk(queue):
        descriptor = os.open(tmp_path / "body", os.O_RDONLY)
        targets = (queue.target(b"joe@x.test"), queue.target(b"joe-p@x.test", 1))
        whole = job(1, targets, body=None)
        whole.size = len(whole.head) + len(body)
        results = await queue.deliver(whole, descriptors=(descriptor,))
        os.close(descriptor)
        assert said(results) == [DID, ("K", b"line\ndid 0+0+1\n")]

    run(site, talk, mode=mode)
    ((name, content),) = new(home).items()
    assert content.endswith(body)
    assert f",S={len(content)},W={len(content) + content.count(10)}" in name


def test_forwards_go_to_the_queue_as_the_recipient(site):
    home, mode = plain(site)
    (home / ".qmail-f").write_text("&a@x.test\n./Maildir/\nb@x.test\n")
    (home / ".qmail-g").write_text(
        "|forward c@x.test\n|cat >/dev/null\n|condredirect d@x.test true\n"
    )

    async def talk(queue):
        first, second = queue.target(b"joe-f@x.test", 3), queue.target(b"joe-g@x.test", 4)
        results = await queue.deliver(job(1, (first,)))
        assert said(results) == [("K", b"did 1+2+0\nqp 9001\n")]
        (sent,) = queue.forwards
        assert sent.recipients == (b"a@x.test", b"b@x.test")
        assert (sent.head, sent.body, sent.sender) == (
            b"Delivered-To: joe-f@x.test\n",
            None,
            b"sender@src.test",
        )
        assert (sent.origin.message, sent.origin.number, sent.origin.key) == (1, 3, b"key")
        results = await queue.deliver(job(2, (second,)))
        text = b"forward: qp 9002\ncondredirect: qp 9003\ndid 0+0+3\n"
        assert said(results) == [("K", text)]
        parts = {each.origin.part for each in queue.forwards}
        assert len(parts) == 3
        again = await queue.deliver(job(2, (queue.target(b"joe-g@x.test", 4),), attempt=1))
        assert again[0].outcome == "K"
        assert {each.origin.part for each in queue.forwards} == parts  # the queue sees the repeat

    run(site, talk, mode=mode)


@pytest.mark.covers("control/maxprograms")
def test_programs_do_not_hold_up_others_and_are_limited(site):
    home, mode = plain(site)
    site.control("maxprograms", "2")
    (home / ".qmail-wait").write_text("|echo x >>started; while [ ! -e go ]; do sleep 0.05; done\n")
    home.joinpath("started").touch()
    if IS_ROOT:
        os.chown(home / "started", UID, UID)

    async def talk(queue):
        await queue.until(lambda: queue.local is not None)
        waiting = [job(n, (queue.target(b"joe-wait@x.test"),)) for n in range(1, 5)]
        queue.send(waiting)
        results = await queue.deliver(job(9, (queue.target(b"joe@x.test"),)))
        assert said(results) == [DID]
        async with asyncio.timeout(10):
            while len((home / "started").read_text().split()) < 2:
                await asyncio.sleep(0.02)
        assert not any(each.targets[0].delivery in queue.results for each in waiting)
        assert len((home / "started").read_text().split()) == 2
        (home / "go").touch()
        numbers = [each.targets[0].delivery for each in waiting]
        await queue.until(lambda: all(number in queue.results for number in numbers))
        assert {queue.results[number].text for number in numbers} == {b"did 0+0+1\n"}

    run(site, talk, mode=mode)


@pytest.mark.covers("local/local_crashed")
def test_a_killed_worker_leaves_deferrals_and_no_duplicates(site):
    home, mode = plain(site)
    total = 300

    async def talk(queue):
        await queue.until(lambda: queue.local is not None)
        waiting = {n: job(n, (queue.target(b"joe@x.test"),)) for n in range(1, total + 1)}
        numbers = {each.targets[0].delivery: n for n, each in waiting.items()}
        delivered, deferred, kills = set(), 0, 0
        while len(delivered) < total:
            batch = [waiting[n] for n in waiting if n not in delivered][:60]
            workers = site.workers()
            if kills == 1:  # certain to die before its work is done; the others die at some moment
                for pid in workers:
                    os.kill(pid, signal.SIGSTOP)
            queue.send(batch)
            wanted = [each.targets[0].delivery for each in batch]
            if workers and kills < 4:
                await asyncio.sleep(0.004 * kills)
                for pid in workers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            kills += bool(workers)
            await queue.until(lambda wanted=wanted: all(each in queue.results for each in wanted))
            for each in wanted:
                result, n = queue.results[each], numbers[each]
                if result.outcome == "K":
                    delivered.add(n)
                    continue
                assert (result.outcome, result.text) == ("Z", CRASHED)
                deferred += 1
                waiting[n] = job(n, (queue.target(b"joe@x.test"),), attempt=1)
                numbers[waiting[n].targets[0].delivery] = n
            there = {int(name.split(".M")[1].split("R")[0]) for name in new(home)}
            assert delivered <= there  # never a K without the file
        assert deferred

    run(site, talk, mode=mode)
    assert len(new(home)) == total


def test_a_killed_starter_leaves_no_duplicates_and_no_processes(site):
    home, mode = plain(site)
    total = 200

    async def talk(queue):
        delivered = set()
        for attempt in range(4):
            await queue.until(lambda: queue.local is not None)
            jobs = [
                job(n, (queue.target(b"joe@x.test"),), attempt=attempt)
                for n in range(1, total + 1)
                if n not in delivered
            ]
            numbers = {each.targets[0].delivery: each.message for each in jobs}
            queue.send(jobs)
            if attempt < 3:
                await asyncio.sleep(0.03 * attempt)
                children = site.children()
                site.process.kill()
                site.process.wait(timeout=10)
                async with asyncio.timeout(5):
                    while any(_title(pid).startswith(b"qmail-local") for pid in children):
                        await asyncio.sleep(0.01)
                await queue.until(lambda: queue.local is None)
            else:
                await queue.until(lambda numbers=numbers: numbers.keys() <= queue.results.keys())
            for number, n in numbers.items():
                if number in queue.results and queue.results[number].outcome == "K":
                    delivered.add(n)
            there = {int(name.split(".M")[1].split("R")[0]) for name in new(home)}
            assert delivered <= there
            if attempt < 3:
                site.start(mode)
        assert len(delivered) == total

    run(site, talk, mode=mode)
    assert len(new(home)) == total


def test_results_for_a_queue_that_went_away_are_dropped(site):
    home, mode = plain(site)
    (home / ".qmail-wait").write_text("|while [ ! -e go ]; do sleep 0.02; done\n")

    async def talk(queue):
        await queue.until(lambda: queue.local is not None)
        old = job(1, (queue.target(b"joe-wait@x.test"),))
        queue.send([old])
        await queue.deliver(job(2, (queue.target(b"joe@x.test"),)))
        queue.local.close()
        await queue.until(lambda: queue.connections == 2 and queue.local is not None)
        (home / "go").touch()
        results = await queue.deliver(job(3, (queue.target(b"joe@x.test"),)))
        assert said(results) == [DID]
        assert old.targets[0].delivery not in queue.results

    run(site, talk, mode=mode)


@pytest.mark.covers("control/defaultdelivery")
def test_a_changed_default_delivery_is_obeyed(site):
    home, mode = plain(site)
    site.control("defaultdelivery", "./Other/")

    async def talk(queue):
        results = await queue.deliver(job(1, (queue.target(b"joe@x.test"),)))
        assert said(results) == [("Z", b"Unable to chdir to maildir. (#4.2.1)\n")]
        site.control("defaultdelivery", "./Maildir/")
        site.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            number = 2
            while True:
                results = await queue.deliver(job(number, (queue.target(b"joe@x.test"),)))
                if said(results) == [DID]:
                    break
                number += 1

    run(site, talk, mode=mode)
    assert len(new(home)) == 1


def test_when_told_to_end_it_finishes_what_is_under_way(site):
    home, mode = plain(site)
    (home / ".qmail-wait").write_text("|while [ ! -e go ]; do sleep 0.02; done; echo done\n")

    async def talk(queue):
        await queue.until(lambda: queue.local is not None)
        late = job(1, (queue.target(b"joe-wait@x.test"),))
        queue.send([late])
        await queue.deliver(job(2, (queue.target(b"joe@x.test"),)))
        site.process.terminate()
        (home / "go").touch()
        await queue.until(lambda: late.targets[0].delivery in queue.results)
        assert queue.results[late.targets[0].delivery].text == b"done\ndid 0+0+1\n"
        assert site.process.wait(timeout=10) == 0

    run(site, talk, mode=mode)
