"""How a setting is declared, and all of them in one table.

A setting is a control file (one value per file, qmail's formats) or an environment variable.
Each is declared once in `control_files.py` or `environment.py`; readers, `glass settings`,
`qmail-showctl` and the manual work from that declaration.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a control file is read (reference: control.c)."""

    LINE = "line"
    INT = "int"
    LIST = "list"
    MAP = "map"
    RAW = "raw"  # the whole file, parsed by its own format module


class When(Enum):
    """When a running server looks at a setting again."""

    CONNECTION = "each connection"
    DELIVERY = "each delivery"
    RELOAD = "start and reload (HUP)"
    START = "start"
    RUN = "each run of the command"


@dataclass(frozen=True, slots=True)
class Setting:
    """One control file.

    Attributes:
        name: file name below ROOT/control.
        kind: how it is read.
        readers: the programs that read it.
        when: when a change is seen.
        about: one sentence for people.
        default: value when the file is missing (bytes for LINE, int for INT).
        from_me: whether the default is the content of `me` (before `default`).
        least: smallest INT that is obeyed; a smaller one counts as this.
        most: greatest INT that is obeyed; a greater one counts as this.
        is_patterns: whether lines may be wildcards and regular expressions; a line that is
            neither makes the file unusable.
        words: what a LINE or each line of a LIST may be; any other word makes the file unusable.
        is_many: whether a LINE is a sequence of such words, in any case.
    """

    name: str
    kind: Kind
    readers: tuple[str, ...]
    when: When
    about: str
    default: bytes | int | None = None
    from_me: bool = False
    least: int = 0
    most: int = 2**63 - 1
    is_patterns: bool = False
    words: tuple[bytes, ...] = ()
    is_many: bool = False
