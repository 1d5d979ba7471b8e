"""What an entry of the catalogue of remedies (explain.remedies) holds."""

from typing import NamedTuple


class Remedy(NamedTuple):
    """One entry of the catalogue.

    Attributes:
        id: what programs ask for.
        fault: what is wrong, for people.
        text: what to do.
        command: what to type for it, empty where that depends on what is wanted.
    """

    id: str
    fault: str
    text: str
    command: str = ""
