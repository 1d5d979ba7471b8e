"""Cut the power of a mail server again and again, and count what it had promised and lost.

    python bench/crash.py [--cuts N] [--senders 1|20]... [--layout NAME]... [--bodies small|file]...
                          [--forwards] [--bounces] [--drop] [--syncmode NAME]...
                          [--cut power|disk|home] [--server NAME] [--seed N]
    python bench/crash.py --self-test

Exit 1 when a message was lost or damaged, 3 where power cuts cannot be made. One variant for each
combination of senders, layout, bodies and syncmode; see bench/README.md.
"""

import argparse
import itertools
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass

import disk
import inside
import letters
from disk import Disk
from handing import Handing, Kind
from ledger import Ledger, Tally
from peers import CACHE
from server import USER, Layout, Server, ServerError

LAYOUTS = {
    "ext4": ("ext4",),
    "xfs": ("xfs",),
    "ext4+ext4": ("ext4", "ext4"),
    "xfs+ext4": ("xfs", "ext4"),
    "ext4+xfs": ("ext4", "xfs"),
}
GROUPS = {"one": ["ext4", "xfs"], "two": ["ext4+ext4", "xfs+ext4", "ext4+xfs"]}
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


def run(variant: Variant, cuts: int, seed: int) -> Ledger:
    """Run one variant and print its line."""
    rig = Rig(variant, seed)
    begun = time.monotonic()
    try:
        rig.prepare()
        for number in range(cuts):
            rig.cycle(number)
    except ServerError as error:
        # A server that cannot be started again after a cut has lost everything.
        rig.ledger.tally.lost += 1
        rig.ledger.notes.insert(0, str(error))
    finally:
        rig.close()
    tally, took = rig.ledger.tally, time.monotonic() - begun
    print(f"{variant}: {tally.cuts} cuts, {tally.accepted} accepted, {tally.lost} lost, "
          f"{tally.duplicated} duplicated, {tally.damaged} damaged "
          f"({took / max(1, cuts):.2f} s a cut)", flush=True)  # fmt: skip
    for note in rig.ledger.notes[:10]:
        print(f"    {note}", flush=True)
    return rig.ledger


def self_test(cuts: int, seed: int) -> int:
    """Prove that the harness finds losses, and that it finds none where there are none."""
    failures = []
    for layout, mode in itertools.product(("ext4", "xfs"), TOY_MODES):
        variant = Variant(f"toy-{mode}", 20, layout, "small", "auto", False, False, False)
        tally = run(variant, cuts, seed).tally
        if tally.is_clean != (mode in ("full", "checked")) or not tally.accepted:
            failures.append(str(variant))
    print("self-test: " + ("failed for " + ", ".join(failures) if failures else "passed"))
    return 1 if failures else 0


def variants(arguments: argparse.Namespace) -> list[Variant]:
    """All combinations that were asked for."""
    layouts = []
    named = arguments.layout or (["two"] if arguments.cut == "home" else ["one", "two"])
    for name in named:
        layouts += GROUPS.get(name, [name])
    return [
        Variant(arguments.server, senders, layout, bodies, syncmode, arguments.forwards,
                arguments.bounces, arguments.drop, arguments.cut)
        for layout, senders, bodies, syncmode in itertools.product(
            layouts, arguments.senders or [1, 20], arguments.bodies or ["small"],
            arguments.syncmode or ["auto"],
        )
    ]  # fmt: skip


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/crash.py")
    add = parser.add_argument
    add("--cuts", type=int, default=25, help="power cuts for each variant (25)")
    add("--senders", type=int, action="append", help="1 and 20 by default")
    add("--layout", action="append", choices=[*LAYOUTS, *GROUPS], help="one and two by default")
    add("--bodies", action="append", choices=list(SIZES), help="small by default")
    add("--forwards", action="store_true", help="half of the messages go through a forward")
    add("--bounces", action="store_true", help="some messages bounce; the bounce must arrive")
    add("--drop", action="store_true", help="hand in by command while the server is down")
    add("--syncmode", action="append", choices=["auto", "syncfs", "fsync"])
    add("--server", default="glassmail",
        choices=["glassmail", "postfix", *(f"toy-{mode}" for mode in TOY_MODES)])
    add("--cut", choices=["power", "disk", "home"], default="power",
        help="disk: the server runs on for a moment while its disks are dead already; "
        "home: only the Maildirs' disk dies")  # fmt: skip
    add("--seed", type=int, default=int(time.time()), help="moments of the cuts")
    add("--self-test", action="store_true", help="prove that losses are found")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; 1 when a promise was broken."""
    arguments = parse()
    reason = disk.why_not()
    if reason:
        print(f"SKIP: power cuts: {reason}")
        return 3
    inside.end_cleanly()
    inside.leave_mounts()
    if arguments.self_test:
        return self_test(arguments.cuts, arguments.seed)
    total = Tally()
    for variant in variants(arguments):
        tally = run(variant, arguments.cuts, arguments.seed).tally
        for name in ("cuts", "accepted", "lost", "duplicated", "damaged"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    print(
        f"all: {total.cuts} cuts, {total.accepted} accepted, {total.lost} lost, "
        f"{total.duplicated} duplicated, {total.damaged} damaged (seed {arguments.seed})"
    )
    return 0 if total.is_clean and total.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
