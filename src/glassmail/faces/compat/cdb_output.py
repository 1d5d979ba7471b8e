"""How commands put a cdb in its place: a temporary file of a given name, renamed when complete."""

import os
from collections.abc import Iterable

from glassmail.core.formats import cdb


class StageError(Exception):
    """One stage failed: `stage` is `create`, `write` or `move`, `cause` the system's error."""

    def __init__(self, stage: str, cause: OSError) -> None:
        super().__init__(stage)
        self.stage = stage
        self.cause = cause


def create(temporary: str) -> int:
    """Make or empty the temporary file; raises StageError."""
    try:
        return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StageError("create", error) from error


def finish(
    descriptor: int, temporary: str, path: str, records: Iterable[tuple[bytes, bytes]]
) -> None:
    """Write the records, make them durable, rename the file; raises StageError.

    The directory is synced too, which the commands of old did not do: a power cut must not bring
    the file of before back after the command has succeeded.
    """
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(cdb.render(records))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StageError("write", error) from error
    try:
        os.rename(temporary, path)
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StageError("move", error) from error
