"""recordio and fixcrio beside the real ones, where these are installed."""

import itertools
import shutil
import subprocess

import pytest

from glassmail.faces.compat.fixcrio import _fix
from tests.faces.compat.command import arguments, environment, run
from tests.shared import SHARED

PEERS = ("/usr/bin/recordio", "/usr/bin/fixcrio")  # of ucspi-tcp
SAMPLE = SHARED / "reference" / "samples" / "recordio-fixcrio-usage.txt"
SESSION = (
    'printf "220 oracle.example.test ESMTP\\r\\n"; read a; read b;'
    ' printf "250 oracle.example.test\\r\\n221 oracle.example.test\\r\\n"'
)


def without_pids(text):
    lines = text.removesuffix(b"\n").split(b"\n")
    return sorted(b" ".join(line.split(b" ")[1:]) for line in lines)


@pytest.mark.covers("command/recordio", "recordio/ < ", "recordio/ > ", "recordio/[EOF]")
def test_the_sample(tmp_path):
    done = run("recordio", tmp_path / "x", "sh", "-c", SESSION, message=b"HELO x\r\nQUIT\r\n")
    assert done.stdout == (
        b"220 oracle.example.test ESMTP\r\n250 oracle.example.test\r\n221 oracle.example.test\r\n"
    )
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE} is not there")
    shown = [line for line in SAMPLE.read_bytes().split(b"\n") if line.startswith(b"21526 ")]
    assert without_pids(done.stderr) == without_pids(b"\n".join(shown))


@pytest.mark.parametrize("peer", [None, "/usr/bin/recordio"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\n\nb\0\xff\n", [b"< a ", b"<  ", b"< b\0\xff ", b"< [EOF]", b"> [EOF]"]),
        (b"end", [b"< end+", b"< [EOF]", b"> [EOF]"]),
        (b"x" * 300 + b"\n", [b"< " + b"x" * 256 + b"+", b"< " + b"x" * 44 + b" ", b"< [EOF]",
                              b"> [EOF]"]),
    ],
)  # fmt: skip
def test_lines(tmp_path, peer, data, told):
    words = ["sh", "-c", "cat >/dev/null"]
    if peer is None:
        done = run("recordio", tmp_path / "x", *words, message=data)
    elif shutil.which(peer):
        done = subprocess.run([peer, *words], input=data, capture_output=True, check=False)
    else:
        pytest.skip(f"{peer} is not installed")
    assert without_pids(done.stderr) == sorted(told)


def test_the_program_keeps_the_process_id(tmp_path):
    words = arguments("recordio", "sh", "-c", "echo $$; exit 3")
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(tmp_path),
    ) as process:  # fmt: skip
        out, told = process.communicate(timeout=30)
        assert int(out) == process.pid
        assert process.returncode == 3
        assert told.splitlines()[-1] == b"%d > [EOF]" % process.pid


def test_a_client_that_hangs_up_ends_the_program(tmp_path):
    words = arguments("recordio", "sh", "-c", "while echo x; do :; done 2>/dev/null")
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment(tmp_path),
    ) as process:  # fmt: skip
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) != 0


@pytest.mark.covers("command/fixcrio")
@pytest.mark.parametrize("peer", [None, "/usr/bin/fixcrio"])
def test_both_directions(tmp_path, peer):
    words = ["sh", "-c", 'od -An -c | tr -d " \\n"; printf "q\\nr\\r\\n\\rs"']
    if peer is None:
        done = run("fixcrio", tmp_path / "x", *words, message=b"a\nb\r\nc")
    elif shutil.which(peer):
        done = subprocess.run([peer, *words], input=b"a\nb\r\nc", capture_output=True, check=False)
    else:
        pytest.skip(f"{peer} is not installed")
    assert done.stdout == b"a\\r\\nb\\r\\ncq\r\nr\r\n\rs"


def test_any_split():
    for length in range(1, 7):
        for values in itertools.product(b"\r\na", repeat=length):
            data = bytes(values)
            right, before = b"", 0
            for byte in data:
                right += b"\r" if byte == 10 and before != 13 else b""
                right += bytes([byte])
                before = byte
            for cut in range(1, length):
                fix = _fix()
                assert fix(data[:cut]) + fix(data[cut:]) == right


@pytest.mark.covers(
    "recordio/exit 100", "recordio/exit 111", "recordio/unable to run",
    "fixcrio/exit 100", "fixcrio/exit 111", "fixcrio/unable to run",
)  # fmt: skip
@pytest.mark.parametrize("name", ["recordio", "fixcrio"])
@pytest.mark.parametrize("peer", [False, True])
def test_no_program(tmp_path, name, peer):
    def go(*words):
        if not peer:
            return run(name, tmp_path / "x", *words)
        if not shutil.which(f"/usr/bin/{name}"):
            pytest.skip(f"{name} of ucspi-tcp is not installed")
        return subprocess.run([f"/usr/bin/{name}", *words], capture_output=True, check=False)

    done = go()
    usage = f"{name}: usage: {name} program [ arg ... ]\n"
    assert (done.returncode, done.stderr.decode()) == (100, usage)
    done = go("/no/such/program")
    fatal = f"{name}: fatal: unable to run /no/such/program: file does not exist\n"
    assert done.returncode == 111
    assert fatal in done.stderr.decode()
