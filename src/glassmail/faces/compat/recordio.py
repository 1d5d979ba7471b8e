"""recordio PROGRAM ...: tell descriptor 2 what passes between PROGRAM and the network.

`PID < line ` came from the network, `PID > line ` goes to it; `+` instead of the blank at the end
means that the line goes on, `[EOF]` that nothing more comes. PID is PROGRAM's.
"""

import os
import sys

from glassmail.faces.compat import copying
from glassmail.faces.compat.copying import Change
from glassmail.store.letter import write_all


def main(argv: list[str] | None = None) -> int:
    """Run the command; it becomes the program."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    return copying.run(b"recordio", words, lambda pid: (_record(pid, b"<"), _record(pid, b">")))


def _record(pid: int, side: bytes) -> Change:
    front = b"%d %b " % (pid, side)

    def tell(data: bytes) -> bytes:
        if not data:
            write_all(2, front + b"[EOF]\n")
            return data
        lines = data.split(b"\n")
        last = lines.pop()
        told = b"".join(front + line + b" \n" for line in lines)
        write_all(2, told + front + last + b"+\n" if last else told)
        return data

    return tell
