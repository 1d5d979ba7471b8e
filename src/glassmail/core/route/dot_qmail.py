"""Which dot-qmail file is meant, and what refuses a delivery (qmail-local.c)."""

from typing import NamedTuple

from glassmail.core.formats.dot_qmail import Instruction, Kind

HAS_FILE_AND_X_BIT = b"Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"
HAS_PROGRAM_AND_X_BIT = b"Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n"
LOOPING = b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n"

_DEFAULT = b"default"


class Candidate(NamedTuple):
    """A file to look for.

    Attributes:
        name: file name below the home.
        default: the variable DEFAULT when this file is taken, None to leave it unset.
    """

    name: bytes
    default: bytes | None


def safe_extension(ext: bytes) -> bytes:
    """Return the extension as file names carry it: lower case, `:` for `.`."""
    return ext.lower().replace(b".", b":")


def candidates(dash: bytes, ext: bytes) -> tuple[Candidate, ...]:
    """List the files to look for, in order (qmail-local.c qmesearch).

    The exact name first; then, for each `-` of the extension from the right, what stands before
    it with `default`; then `default` alone. QUIRK: an exact name that itself ends in `default`
    sets DEFAULT to that tail of the extension.
    """
    safe = safe_extension(ext)
    base = b".qmail" + dash
    tail = len(safe) - len(_DEFAULT)
    exact = ext[tail:] if safe.endswith(_DEFAULT) else None
    found = [Candidate(base + safe, exact)]
    cut = len(safe)
    while True:
        cut = safe.rfind(b"-", 0, cut) + 1  # behind the next `-` from the right, at last 0
        found.append(Candidate(base + safe[:cut] + _DEFAULT, ext[cut:]))
        if not cut:
            break
        cut -= 1
    return tuple(found)


def refusal(instruction: Instruction, is_executable: bool) -> bytes | None:
    """Return the text that defers instead of a file or program line, None when it may run.

    Args:
        instruction: the line that is due.
        is_executable: whether the file has its x bit set, which means forwards only.
    """
    if instruction.kind is Kind.FORWARD or not (is_executable or instruction.list_only):
        return None
    return HAS_PROGRAM_AND_X_BIT if instruction.kind is Kind.PROGRAM else HAS_FILE_AND_X_BIT


def is_looping(header: bytes, delivered_to: bytes) -> bool:
    """Tell whether the header has exactly this Delivered-To line (qmail-local.c bouncexf).

    Args:
        header: the start of the stored message, LF line ends; the header ends at an empty line.
        delivered_to: the whole line with its LF, DTLINE of the environment.
    """
    if header.startswith(delivered_to):
        return True
    found = header.find(b"\n" + delivered_to)
    if found < 0:
        return False
    end = 0 if header.startswith(b"\n") else header.find(b"\n\n")
    return end < 0 or found < end
