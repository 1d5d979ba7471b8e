"""The simplest control file: one line (control.c, control_readline).

It stands apart from core.formats.control because `qmail-inject` reads five of them at each run,
and what the tables there need to be imported costs it 3 ms.
"""

BLANKS = b" \t\n"  # control.c striptrailing: space, tab, newline; a CR is data and stays


def parse_line(data: bytes) -> bytes:
    """Read a `line` file: the first line without trailing blanks (control_readline)."""
    return data.split(b"\n", 1)[0].rstrip(BLANKS)
