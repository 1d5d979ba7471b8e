import os
import signal
import stat
import subprocess

import pytest

from glassmail.core.model.envelope import Envelope
from glassmail.core.model.limits import BODY_INLINE_BYTES_MAX, RECIPIENTS_MAX
from glassmail.store.drop import is_finished, open_drop
from tests.faces.compat.command import arguments, environment, make_site, run_queue
from tests.faces.compat.fake_queue import FakeQueue

pytestmark = pytest.mark.covers("command/qmail-queue")

MESSAGE = b"Subject: x\n\nbody\n"
ENVELOPE = b"Fa@b.test\0Tc@d.test\0Te@f.test\0\0"


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def dropped(root):
    return [path for path in (root / "queue/drop").iterdir() if is_finished(path.name)]


@pytest.mark.parametrize(
    ("envelope", "exit_code"),
    [  # probe-qmail-queue-exit.txt
        (b"a@b.test\0\0", 91),
        (b"Fa@b.test\0Tc@d.test\0", 54),
        (b"", 54),
        (b"Fa@b.test\0c@d.test\0\0", 91),
        (b"Fa@b.test\0T" + b"a" * 1002 + b"\0\0", 0),
        (b"Fa@b.test\0T" + b"a" * 1003 + b"\0\0", 11),
        (b"F" + b"a" * 1002 + b"\0\0", 0),
        (b"F" + b"a" * 1003 + b"\0\0", 11),
        (b"Fa@b.test\0\0", 0),
        (b"F\0\0ignored", 0),
    ],
)
def test_exit_codes_of_envelopes(root, envelope, exit_code):
    with FakeQueue(root) as queue:
        assert run_queue(root, MESSAGE, envelope) == exit_code
    assert len(queue.taken) == (1 if exit_code == 0 else 0)
    assert not dropped(root)


def test_small_message_travels_in_the_frame(root):
    with FakeQueue(root) as queue:
        assert run_queue(root, MESSAGE, ENVELOPE) == 0
    (message, body), (hello,) = queue.taken[0], queue.hellos
    assert body == MESSAGE
    assert message.sender == b"a@b.test"
    assert message.recipients == (b"c@d.test", b"e@f.test")
    assert (message.head, message.size, message.kind) == (b"", len(MESSAGE), "user")
    assert (message.code, message.part, message.story, message.origin) == (0, 0, b"", None)
    assert hello.role == "client"


@pytest.mark.parametrize("size", [BODY_INLINE_BYTES_MAX, BODY_INLINE_BYTES_MAX + 1, 3_000_000])
def test_large_message_goes_to_the_queues_file(root, size):
    body = bytes(range(256)) * (size // 256 + 1)
    with FakeQueue(root) as queue:
        assert run_queue(root, body[:size], ENVELOPE) == 0
    message, taken = queue.taken[0]
    assert taken == body[:size]
    assert message.size == size
    assert message.file == (7 if size > BODY_INLINE_BYTES_MAX else 0)
    assert (message.body is None) == (size > BODY_INLINE_BYTES_MAX)


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (("Z", 53, b"qq write error or disk full (#4.3.0)"), 53),
        (("D", 31, b""), 31),
        (("D", 0, b"odd"), 31),
        (("Z", 999, b"odd"), 71),
        ("hang up", 53),
        ("nonsense", 53),
    ],
)
def test_what_the_queue_says_is_the_exit_code(root, answer, exit_code):
    with FakeQueue(root, answer=answer):
        assert run_queue(root, MESSAGE, ENVELOPE) == exit_code
    assert not dropped(root), "the queue may have it: only the caller may try again"


def test_a_full_queue_opens_no_body(root):
    with FakeQueue(root, body_answer="full"):
        assert run_queue(root, b"x" * 200_000, ENVELOPE) == 53
    assert not list((root / "queue/drop").iterdir())


@pytest.mark.parametrize("size", [0, 17, 200_000])
@pytest.mark.parametrize("is_socket_there", [False, True])
def test_without_the_queue_it_is_left_in_drop(root, size, is_socket_there):
    if is_socket_there:
        (root / "run/queue.sock").touch()
    body = os.urandom(size)
    assert run_queue(root, body, ENVELOPE) == 0
    (path,) = dropped(root)
    found = open_drop(path)
    assert found.envelope == Envelope(b"a@b.test", (b"c@d.test", b"e@f.test"))
    assert os.pread(found.fd, found.body_size, found.body_at) == body
    assert found.uid == os.getuid()
    assert stat.S_IMODE(os.fstat(found.fd).st_mode) == 0o644
    os.close(found.fd)
    seconds, _pid, random = path.name.split(".")
    assert seconds.isdigit()
    assert len(random) == 32


def test_a_queue_that_goes_away_before_it_has_anything_makes_a_drop(root):
    body = b"y" * 300_000
    with FakeQueue(root, body_answer="hang up"):
        assert run_queue(root, body, ENVELOPE) == 0
    (path,) = dropped(root)
    found = open_drop(path)
    assert found.body_size == len(body)
    os.close(found.fd)


def test_drop_works_in_a_directory_that_may_not_be_listed(root):
    (root / "queue/drop").chmod(0o1333)
    assert run_queue(root, MESSAGE, ENVELOPE) == 0
    (root / "queue/drop").chmod(0o1733)
    assert len(dropped(root)) == 1


def test_missing_directories_have_their_codes(root):
    (root / "queue/drop").rmdir()
    assert run_queue(root, MESSAGE, ENVELOPE) == 62
    assert run_queue(root / "nowhere", MESSAGE, ENVELOPE) == 61


def test_a_bad_envelope_leaves_no_half_drop(root):
    assert run_queue(root, b"z" * 200_000, b"Fa@b.test\0") == 54
    assert not list((root / "queue/drop").iterdir())


def test_too_many_recipients_are_refused_for_good(root):
    with FakeQueue(root) as queue:
        envelope = b"Fa@b\0" + b"Tx@y\0" * (RECIPIENTS_MAX + 1) + b"\0"
        assert run_queue(root, MESSAGE, envelope) == 31
        assert run_queue(root, MESSAGE, b"Fa@b\0" + b"Tx@y\0" * RECIPIENTS_MAX + b"\0") == 0
    assert len(queue.taken) == 1


def test_unreadable_message_is_54(root):
    descriptor = os.open("/dev/null", os.O_WRONLY)
    done = subprocess.run(
        arguments("qmail_queue"), stdin=descriptor, env=environment(root), timeout=30, check=False
    )
    os.close(descriptor)
    assert done.returncode == 54


def test_hang_up_does_not_stop_it_and_alarm_ends_it_with_52(root):
    process = subprocess.Popen(
        arguments("qmail_queue"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=environment(root),
    )  # fmt: skip
    process.stdin.write(MESSAGE)
    process.stdin.flush()
    wait_until_ignored(process.pid, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGALRM)
    assert process.wait(timeout=30) == 52
    process.stdin.close()
    process.stdout.close()


def wait_until_ignored(pid, number):
    """Wait until the command has set its signals up, by looking at /proc."""
    bit = 1 << (number - 1)
    for _ in range(100_000):
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        if int(status["SigIgn"], 16) & bit and int(status["SigCgt"], 16) & 1 << signal.SIGALRM - 1:
            return
        os.sched_yield()
    raise AssertionError("it never set its signals up")
