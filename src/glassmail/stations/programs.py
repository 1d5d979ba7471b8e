"""Run a program of a dot-qmail file: standard input a message, output kept, time limited.

Purpose:
    `run` starts a program as qmail-local does (/bin/sh -c, or an argument list for programs
    that start others), waits for it and returns what it wrote and how it ended.

Always:
    - The shell gets the administrator's text alone; data goes by the environment, as bytes.
    - The program is a session and process group of its own. At the time limit the whole group
      is killed.
    - Only PROGRAM_OUTPUT_BYTES_MAX bytes of output are kept; the rest is read and dropped, so that
      the program does not block. What a background process writes after the program's end is
      not waited for.

It changes this process's directory and blocks: call it in a process that does nothing else.
"""

import os
import resource
import select
import signal
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from glassmail.core.model.limits import PROGRAM_OUTPUT_BYTES_MAX

PIPE_BYTES = 65_536
# Signals that our processes ignore and a program must find as usual.
RESET_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGALRM)


class Limits(NamedTuple):
    """What a program may take: seconds, and bytes of memory (0: no limit of ours)."""

    seconds: int
    memory_bytes: int = 0


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        exit_code: 0 to 255; meaningless after a crash.
        output: what it wrote to standard output and error, in the order written.
        is_crash: whether a signal ended it.
        is_timeout: whether we killed it at the time limit.
    """

    exit_code: int
    output: bytes
    is_crash: bool = False
    is_timeout: bool = False


_running: set[int] = set()  # process groups of programs under way, at most one here


def shell(command: bytes) -> tuple[bytes, ...]:
    """Return the argument list that runs a program line."""
    return (b"/bin/sh", b"-c", command)


def find_program(name: bytes, path: bytes) -> bytes | None:
    """Find a program as execvp does; None when there is none."""
    if b"/" in name:
        return name
    for directory in path.split(b":"):
        found = os.path.join(directory or b".", name)
        if os.access(found, os.X_OK) and not os.path.isdir(found):
            return found
    return None


def run(
    arguments: Sequence[bytes],
    directory: bytes,
    environment: Mapping[bytes, bytes],
    stdin: int,
    limits: Limits,
) -> Ended:
    """Run a program to its end; raises OSError when it cannot be started.

    Args:
        arguments: argument list; the first is looked for in the environment's PATH.
        directory: where it runs.
        environment: all of its environment.
        stdin: descriptor with the message, at its start.
        limits: time and memory.
    """
    path = find_program(arguments[0], environment.get(b"PATH", b""))
    if path is None:
        raise FileNotFoundError(2, os.strerror(2), os.fsdecode(arguments[0]))
    os.chdir(directory)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.posix_spawn(
            path,
            list(arguments),
            dict(environment),
            file_actions=(
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_DUP2, writer, 2),
            ),
            setsid=True,
            setsigmask=(),
            setsigdef=RESET_SIGNALS,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    _running.add(pid)
    try:
        if limits.memory_bytes:
            _limit_memory(pid, limits.memory_bytes)
        return _wait(pid, reader, limits.seconds)
    finally:
        _running.discard(pid)
        os.close(reader)


def kill_running() -> None:
    """Kill what `run` has started; for a process that is told to end."""
    for group in _running:
        _kill(group)


def _limit_memory(pid: int, most: int) -> None:
    try:
        hard = resource.prlimit(pid, resource.RLIMIT_AS)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, resource.RLIMIT_AS, (least, hard))
    except ProcessLookupError:
        pass  # it has ended already


def _wait(pid: int, reader: int, seconds: int) -> Ended:
    os.set_blocking(reader, False)
    process = os.pidfd_open(pid)
    output = bytearray()
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    poller.register(process, select.POLLIN)
    until = time.monotonic() + seconds
    is_timeout = False
    try:
        while True:
            left = until - time.monotonic()
            ready = dict(poller.poll(max(0, left) * 1000)) if not is_timeout else {process: 1}
            if reader in ready and not _read_some(reader, output):
                poller.unregister(reader)  # it closed its output and goes on
            if process in ready:
                break
            if not ready and left <= 0:
                is_timeout = True
                _kill(pid)
    finally:
        os.close(process)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    while _read_some(reader, output):
        pass
    return Ended(max(status, 0), bytes(output), status < 0, is_timeout)


def _read_some(reader: int, output: bytearray) -> bool:
    """Read what is there; False at the end, and when nothing is there now."""
    try:
        data = os.read(reader, PIPE_BYTES)
    except BlockingIOError:
        return False
    # One byte more than may be shown, so that the cut is seen.
    output += data[: PROGRAM_OUTPUT_BYTES_MAX + 1 - len(output)]
    return bool(data)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended meanwhile
