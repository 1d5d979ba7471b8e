"""How a delivery's outputs become its report, and how it stops (qmail-local.c, qmail-lspawn.c)."""

from glassmail.core.model.limits import PROGRAM_OUTPUT_BYTES_MAX
from glassmail.core.model.outcome import Outcome

CRASHED = b"Aack, child crashed. (#4.3.0)\n"
TIMED_OUT = b"The program ran longer than %d seconds and was killed. (#4.3.0)\n"
ONE_USER = (
    b"This server runs as root for one user: it runs no programs and appends to no mbox. (#4.3.0)\n"
)
LOCAL_CRASHED = b"qmail-local crashed.\n"
TOO_LONG = b"\nError report too long, sorry.\n"
SOFT_CODES = frozenset((111, 71, 74, 75))  # of qmail-local, as qmail-lspawn.c takes them
HARD_CODES = frozenset((100, 64, 65, 70, 76, 77, 78, 112))  # of programs, qmail-local.c


class StopDeliveryError(Exception):
    """A line failed, or said that it was the last: the exit code is qmail-local's."""

    def __init__(self, exit_code: int, text: bytes = b"") -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code
        self.text = text


def outcome_of(exit_code: int) -> Outcome:
    """Turn qmail-local's exit code into K, Z or D (qmail-lspawn.c report)."""
    if exit_code == 0:
        return Outcome.SUCCESS
    return Outcome.DEFERRAL if exit_code in SOFT_CODES else Outcome.FAILURE


def program_verdict(exit_code: int) -> int:
    """Turn a program's exit code into what qmail-local does: 0 go on, 99 stop, 100 or 111 fail."""
    if exit_code in (0, 99):
        return exit_code
    return 100 if exit_code in HARD_CODES else 111


def assemble(outputs: list[bytes]) -> bytes:
    """Make the report of what was written: up to the first NUL, cut as qmail-lspawn does."""
    text = b"".join(outputs)
    if len(text) > PROGRAM_OUTPUT_BYTES_MAX:  # spawn.c keeps three bytes in reserve
        text = text[: PROGRAM_OUTPUT_BYTES_MAX - len(TOO_LONG) - 3] + TOO_LONG
    return text.partition(b"\0")[0]
