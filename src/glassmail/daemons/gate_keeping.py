"""The gate's memory on the disk: read at the start, written by a thread soon after a change."""

import asyncio
import threading
from collections.abc import Callable

from glassmail.core.model.networks import NetworkError, parse
from glassmail.core.schedule.gate_book import Blocked, GateBook, HeldAccount
from glassmail.store import gate_state
from glassmail.store.edit import EditError
from glassmail.store.gate_state import GateState, SavedAccount, SavedBlock


class GateKeeping:
    """Keeps blocks and held accounts of a book in a file."""

    def __init__(self, path: str, book: GateBook, warn: Callable[[str], None]) -> None:
        """Begin without having looked.

        Args:
            path: of the file.
            book: whose.
            warn: takes the text of a problem.
        """
        self._path = path
        self._book = book
        self._warn = warn
        self._is_changed = False
        self._saving: asyncio.Future[str] | None = None
        self._lock = threading.Lock()  # of the file
        self._number = self._written = 0
        self._problem = ""

    def load(self, now: float) -> None:
        """Fill the book with what was saved and still counts."""
        state, problem = gate_state.load(self._path)
        if problem:
            self._warn(problem)
        for saved in state.blocks:
            try:
                network = parse(saved.network)
            except NetworkError:
                continue  # written by another version; the others still count
            if saved.until > now:
                self._book.blocks.put(
                    network,
                    Blocked(network, saved.since, saved.until, saved.reason,
                            saved.is_login_only, saved.is_by_hand),
                )  # fmt: skip
        for account in state.held:
            self._book.held[account.account] = HeldAccount(
                account.account, account.since, account.reason
            )

    def changed(self) -> None:
        """Note that the file is behind."""
        self._is_changed = True

    def tick(self) -> None:
        """Save what changed; to be called once a second."""
        if not self._is_changed or self._saving is not None:
            return
        self._is_changed = False
        loop = asyncio.get_running_loop()
        self._saving = loop.run_in_executor(None, self._save, *self._state())
        self._saving.add_done_callback(self._saved)

    def save_now(self) -> None:
        """Save in place: the process ends, or what changed must not be forgotten."""
        if self._is_changed:
            self._is_changed = False
            self._tell(self._save(*self._state()))

    def _saved(self, done: "asyncio.Future[str]") -> None:
        self._saving = None
        if not done.cancelled():
            self._tell(done.result())

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            self._warn(problem)
        self._problem = problem
        self._is_changed = self._is_changed or bool(problem)

    def _state(self) -> tuple[int, GateState]:
        """Return the state, and its number: a later one is never written over."""
        self._number += 1
        blocks = tuple(
            SavedBlock(block.network.text, *block[1:]) for block in self._book.blocks.values()
        )
        held = tuple(SavedAccount(*account) for account in self._book.held.values())
        return self._number, GateState(blocks, held)

    def _save(self, number: int, state: GateState) -> str:
        try:
            with self._lock:
                if number > self._written:
                    gate_state.save(self._path, state)
                    self._written = number
        except (EditError, OSError) as error:
            return f"blocks and held accounts are not saved: {error}"
        return ""
