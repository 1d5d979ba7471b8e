"""One variant of the crash harness: its disks, its server, its ledger, and a cycle of them.

    work, cut, kill, unmount, mount, restart, drain, compare

See README.md for what the ways of cutting mean.
"""

import os
import random
import shutil
import time
from dataclasses import dataclass

import letters
from disk import Disk
from handing import Handing, Kind
from ledger import Ledger
from peers import CACHE
from server import USER, Layout, Server

LAYOUTS = {
    "ext4": ("ext4",),
    "xfs": ("xfs",),
    "ext4+ext4": ("ext4", "ext4"),
    "xfs+ext4": ("xfs", "ext4"),
    "ext4+xfs": ("ext4", "xfs"),
}
TOY_MODES = ("none", "file", "full", "checked")
SIZES = {"small": letters.SMALL, "file": letters.FILE}
MOMENT_S = (0.02, 0.35)
DRAIN_S = 30.0
EMPTY_S = 2.0
RUN_ON_S = 0.10
IN_FLIGHT_S = 0.02
FILES_MAX = 20_000
BYTES_MAX = 128 << 20


@dataclass(frozen=True)
class Variant:
    """One way to run the harness."""

    server: str
    senders: int
    layout: str
    bodies: str
    syncmode: str
    forwards: bool
    bounces: bool
    drop: bool
    cut: str = "power"

    def __str__(self) -> str:
        flags = [name for name in ("forwards", "bounces", "drop") if getattr(self, name)]
        mode = [self.syncmode] if self.syncmode != "auto" else []
        mode += [f"{self.cut} dies"] if self.cut != "power" else []
        return " ".join([self.server, self.layout, f"{self.senders} senders", self.bodies,
                         *mode, *flags])  # fmt: skip


class Rig:
    """Disks, server and ledger of one variant."""

    def __init__(self, variant: Variant, seed: int) -> None:
        self.variant = variant
        self._random = random.Random(seed)
        base = os.path.join(CACHE, "crash", f"{os.getpid()}")
        self._base = base
        shutil.rmtree(base, ignore_errors=True)
        kinds = LAYOUTS[variant.layout]
        self.disks = [
            Disk(kind, os.path.join(base, f"image{n}"), os.path.join(base, f"disk{n}"))
            for n, kind in enumerate(kinds)
        ]
        home = os.path.join(self.disks[-1].on, "home")
        layout = Layout(os.path.join(base, "site"), os.path.join(self.disks[0].on, "queue"), home)
        self.server = make_server(variant, layout)
        self.ledger = Ledger(layout.maildir, SIZES[variant.bodies])
        self._bytes = 0
        self._dead_at = 0.0

    def prepare(self) -> None:
        """Make the filesystems, configure and start the server."""
        for one in self.disks:
            one.make()
        self.server.prepare()
        os.sync()
        self.server.start()

    def close(self) -> None:
        """End everything."""
        self.server.stop()
        for one in self.disks:
            one.close()
        shutil.rmtree(self._base, ignore_errors=True)

    def cycle(self, number: int) -> None:
        """One power cut: work, cut, kill, unmount, mount, restart, drain, compare."""
        accepted = self._work_and_cut(f"c{number}")
        for one in self.disks:
            one.unmount()
        for one in self.disks:
            one.mount()
        before = set(self.ledger.vanished())
        self.server.start()
        self._drain(accepted)
        self.ledger.close_cut(accepted, before)
        self._bytes += sum(SIZES[self.variant.bodies]) // 2 * len(accepted)
        if len(self.ledger) > FILES_MAX or self._bytes > BYTES_MAX:
            self.ledger.purge()
            self._bytes = 0

    def _work_and_cut(self, prefix: str) -> dict[str, Kind]:
        handing = Handing(
            self.server.place(), prefix, kinds_of(self.variant, self.server),
            SIZES[self.variant.bodies],
        )  # fmt: skip
        if self.variant.drop:
            return self._drop_and_cut(prefix)
        handing.start(self.variant.senders)
        time.sleep(self._random.uniform(*MOMENT_S))
        cut_at = time.monotonic()
        self._cut()
        self.server.kill()
        handing.stop()
        if self.variant.cut == "disk":
            # An fsync under way at that moment may say yes though nothing was written (ext4), or
            # the next one of a directory (xfs). Promises of these milliseconds are in doubt.
            handing.forget(cut_at, self._dead_at + IN_FLIGHT_S)
        if handing.refusals and not handing.accepted:
            self.ledger.notes.append(f"refused: {handing.refusals[0]}")
        return handing.accepted

    def _drop_and_cut(self, prefix: str) -> dict[str, Kind]:
        """Hand in by command while the server is down: the drop directory keeps the promise."""
        from glassmail_site import hand_in_drop

        self.server.kill()
        kind = Kind("drop", b"", b"")
        stop_at = time.monotonic() + self._random.uniform(0.2, 0.6)
        accepted = hand_in_drop(
            self.server, prefix, self.variant.senders, stop_at, SIZES[self.variant.bodies]
        )
        self._cut()
        return dict.fromkeys(accepted(), kind)

    def _cut(self) -> None:
        """Take the power away: from the processes first, so that none acts on a dead disk.

        With `--cut disk` and `--cut home` they go on for a while, as when a disk fails under a
        running server; with `home` only the Maildirs' disk does, and the queue must keep
        whatever did not get there.
        """
        if self.variant.cut == "power":
            self.server.freeze()
        dying = self.disks[-1:] if self.variant.cut == "home" else self.disks
        for one in self._random.sample(dying, len(dying)):
            one.cut()
        self._dead_at = time.monotonic()
        if self.variant.cut != "power":
            time.sleep(RUN_ON_S)

    def _drain(self, accepted: dict[str, Kind]) -> None:
        """Wait until everything is there and the queue is empty, or until patience ends."""
        deadline = time.monotonic() + DRAIN_S
        flush_at = time.monotonic() + 1.0
        pause, last, changed_at = 0.01, (0, 0), time.monotonic()
        while state := self._undone(accepted):
            now = time.monotonic()
            if state != last:
                last, changed_at = state, now
            # With an empty queue nothing more can come, but for a file that is being renamed.
            patience_s = DRAIN_S if state[1] else EMPTY_S
            if now > deadline or now > changed_at + patience_s:
                self.ledger.notes.append(f"undone: {state[0]} missing, {state[1]} in the queue")
                return
            if now > flush_at:
                # Deliveries that the cut disturbed were deferred; do not wait for their time.
                self.server.flush()
                flush_at = now + 5.0
            time.sleep(pause)
            pause = min(0.1, pause * 1.5)


    def _undone(self, accepted: dict[str, Kind]) -> tuple[int, int] | None:
        """How many messages are missing and how many in the queue; None when all is done."""
        state = len(self.ledger.missing(accepted)), self.server.queue_length()
        return state if any(state) else None


def kinds_of(variant: Variant, server: Server) -> list[Kind]:
    """What the senders send: to the user, and as asked through a forward and to nobody."""
    user = server.address().encode()
    kinds = [Kind("direct", b"", user)]
    if variant.forwards:
        kinds.append(Kind("forward", b"", server.address(f"{USER}-fwd").encode()))
    if variant.bounces:
        kinds.append(Kind("bounce", user, server.address("nobody-here").encode(), bounces=True))
    return kinds


def make_server(variant: Variant, layout: Layout) -> Server:
    """Make the server object of a variant."""
    if variant.server.startswith("toy-"):
        from toy_server import Toy

        return Toy(layout, variant.server.removeprefix("toy-"))
    if variant.server == "postfix":
        from postfix import Postfix

        return Postfix(layout)
    from glassmail_site import Glassmail

    return Glassmail(layout, syncmode=variant.syncmode, accepts_unknown=True)
