"""What the gate must not forget when it ends: blocks and held accounts, in one small file.

Always:
    - The file is replaced whole (store.edit): a reader sees the old state or the new one.
    - A file that cannot be read is an empty state, and the reason is told.
"""

import os

import msgspec

from glassmail.store import edit

FILE_BYTES_MAX = 16_777_216
_MODE = 0o600


class SavedBlock(msgspec.Struct, frozen=True):
    """One block, as core.schedule.gate_book.Blocked."""

    network: str
    since: float
    until: float
    reason: str
    is_login_only: bool = False
    is_by_hand: bool = False


class SavedAccount(msgspec.Struct, frozen=True):
    """One held account."""

    account: bytes
    since: float
    reason: str


class GateState(msgspec.Struct, frozen=True):
    """All of it."""

    blocks: tuple[SavedBlock, ...] = ()
    held: tuple[SavedAccount, ...] = ()


def load(path: str) -> tuple[GateState, str]:
    """Return the state of a file, and what is wrong with the file, empty when nothing is."""
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(FILE_BYTES_MAX), type=GateState), ""
    except FileNotFoundError:
        return GateState(), ""
    except (OSError, msgspec.MsgspecError) as error:
        return GateState(), f"{path}: {error}: blocks and held accounts are forgotten"


def save(path: str, state: GateState) -> None:
    """Write the state; raises OSError or EditError."""
    edit.replace(path, msgspec.json.encode(state), _MODE)


def make_directory(path: str, owner: tuple[int, int]) -> None:
    """Make the directory of a site from before it was needed; raises EditError."""
    if not os.path.isdir(path):
        edit.make_directory(path, 0o700, owner)
