"""Compare what was promised with what lies in the Maildir, cut after cut."""

import os
from collections import Counter
from dataclasses import dataclass

import letters
from handing import Kind


@dataclass
class Tally:
    """Sums over all cuts of one variant."""

    cuts: int = 0
    accepted: int = 0
    lost: int = 0
    duplicated: int = 0
    damaged: int = 0
    unpromised: int = 0

    @property
    def is_clean(self) -> bool:
        """No promise was broken; a duplicate is none, it is counted and shown."""
        return not self.lost and not self.damaged


class Ledger:
    """One Maildir's messages by number."""

    def __init__(self, maildir: str, sizes: tuple[int, int]) -> None:
        self._new = os.path.join(maildir, "new")
        self._sizes = sizes
        self._files: dict[str, str] = {}  # file name -> number of the message
        self._counts: Counter[str] = Counter()
        self.tally = Tally()
        self.duplicates: Counter[str] = Counter()  # by kind of hand-in
        self.notes: list[str] = []

    def missing(self, accepted: dict[str, Kind]) -> list[str]:
        """Read what is new; return the promised messages that are not there (yet)."""
        self._read(accepted)
        return [ident for ident in accepted if not self._counts[ident]]

    def _read(self, accepted: dict[str, Kind]) -> None:
        for name in os.listdir(self._new):
            if name in self._files:
                continue
            try:
                with open(os.path.join(self._new, name), "rb") as file:
                    stored = file.read()
            except OSError as error:
                self._damage(name, f"{name}: {error}")
                continue
            ident = letters.identify(stored)
            if ident is None:
                self._damage(name, f"{name}: {len(stored)} bytes without a number")
                continue
            self._files[name] = ident
            self._counts[ident] += 1
            kind = accepted.get(ident)
            # What was never promised may be a message whose 250 the cut took: of any kind.
            quotes = kind.bounces if kind else True
            if not letters.is_whole(ident, stored, self._sizes, quoted=quotes):
                self._damage(name, f"{name}: the body of {ident} is not what was sent")

    def _damage(self, name: str, note: str) -> None:
        self._files[name] = self._files.get(name, "")
        self.tally.damaged += 1
        self.notes.append("damaged: " + note)

    def vanished(self) -> list[str]:
        """Messages that an earlier cut's restart delivered and that are gone after this cut."""
        gone = set(self._files) - set(os.listdir(self._new))
        idents = []
        for name in gone:
            ident = self._files.pop(name)
            if ident:
                self._counts[ident] -= 1
                idents.append(ident)
        return idents

    def close_cut(self, accepted: dict[str, Kind], before: set[str]) -> None:
        """Count this cut: `before` are the promises of earlier cuts whose files had vanished."""
        self.tally.cuts += 1
        self.tally.accepted += len(accepted)
        for ident in self.missing(accepted):
            self.tally.lost += 1
            self.notes.append(f"lost: {ident} ({accepted[ident].name})")
        for ident in before:
            if not self._counts[ident]:
                self.tally.lost += 1
                self.notes.append(f"lost later: {ident} was delivered and is gone")
        doubles = {ident: count for ident, count in self._counts.items() if count > 1}
        for ident, count in doubles.items():
            self.tally.duplicated += count - 1
            self._counts[ident] = 1
            kind = accepted[ident].name if ident in accepted else "never promised"
            self.duplicates[kind] += count - 1
            names = sorted(name for name, other in self._files.items() if other == ident)
            self.notes.append(f"duplicated: {ident} ({kind}): {', '.join(names)}")

    def __len__(self) -> int:
        return len(self._files)

    def purge(self) -> None:
        """Throw all messages away, as their reader would, durably."""
        for name in self._files:
            os.unlink(os.path.join(self._new, name))
        directory = os.open(self._new, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self._files.clear()
        self._counts.clear()
