"""A program with somebody in the middle: what recordio and fixcrio do with its two directions.

Purpose:
    `run` becomes the program, as tcpserver's next in a chain, so that it keeps its process id. A
    copy of us stands between it and descriptors 0 and 1 and passes on what comes, 256 bytes at a
    time.

Always:
    - What was read of one direction is written before more of it is read.
    - The end of the program's output ends the copier; so does a side that takes nothing more.
"""

import os
import select
import signal
from collections.abc import Callable

from glassmail.core.model.system_errors import error_text
from glassmail.stations.programs import find_program
from glassmail.store.letter import write_all

READ_BYTES = 256  # recordio.c, fixcrio.c: a line longer than this is told in pieces
Change = Callable[[bytes], bytes]


def run(name: bytes, words: list[bytes], make: Callable[[int], tuple[Change, Change]]) -> int:
    """Become a program behind a copier; returns only when that fails.

    Args:
        name: ours, for messages.
        words: the program and its arguments.
        make: from the program's process id, what is done with bytes to and from the program;
            each is told the end by no bytes at all.
    """
    if not words:
        write_all(2, b"%b: usage: %b program [ arg ... ]\n" % (name, name))
        return 100
    to_program, from_program = os.pipe(), os.pipe()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; the program must not
    pid = os.getpid()
    if os.fork() == 0:
        os.close(to_program[0])
        os.close(from_program[1])
        inward, outward = make(pid)
        _copy(to_program[1], from_program[0], inward, outward)
        os._exit(0)
    os.dup2(to_program[0], 0)
    os.dup2(from_program[1], 1)
    for end in (*to_program, *from_program):
        os.close(end)
    path = find_program(words[0], os.environb.get(b"PATH", b"/usr/bin:/bin"))
    try:
        if path is None:
            raise FileNotFoundError(2, os.strerror(2))
        os.execve(path, words, os.environb)  # noqa: S606 (as asked)
    except OSError as error:
        write_all(2, b"%b: fatal: unable to run %b: %b\n" % (name, words[0], error_text(error)))
        return 111


def _copy(program_in: int, program_out: int, inward: Change, outward: Change) -> None:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(program_out, select.POLLIN)
    while True:
        for source, _event in poll.poll():
            data = os.read(source, READ_BYTES)
            if source == 0:
                changed = inward(data)
                if data:
                    write_all(program_in, changed)
                else:
                    os.close(program_in)
                    poll.unregister(0)
            else:
                changed = outward(data)
                if not data:
                    return
                write_all(1, changed)
