"""Cut the power of a mail server again and again, and count what it had promised and lost.

    python bench/crash.py [--cuts N] [--senders 1|20]... [--layout NAME]... [--bodies small|file]...
                          [--forwards] [--bounces] [--drop] [--syncmode NAME]...
                          [--cut power|disk|home] [--server NAME] [--seed N]
    python bench/crash.py --self-test
    python bench/crash.py --full [--seed N]

--full is the proof: 2,000 cuts over every layout, 1 and 20 senders, small bodies and bodies in
files, forwards, bounces and the drop directory, and each way of syncing; about 25 minutes.

Exit 1 when a message was lost or damaged, 3 where power cuts cannot be made. One variant for each
combination of senders, layout, bodies and syncmode; see bench/README.md.
"""

import argparse
import itertools
import sys
import time

import disk
import inside
from ledger import Ledger, Tally
from rig import LAYOUTS, SIZES, TOY_MODES, Rig, Variant
from server import ServerError

GROUPS = {"one": ["ext4", "xfs"], "two": ["ext4+ext4", "xfs+ext4", "ext4+xfs"]}
ALL_LAYOUTS = [*GROUPS["one"], *GROUPS["two"]]


def full() -> list[tuple[Variant, int]]:
    """The 2,000 cuts of the proof: variants, and how often each is cut."""
    plan = []
    for layout in ALL_LAYOUTS:
        plan += [(_variant(layout, senders), 120) for senders in (1, 20)]
        plan.append((_variant(layout, 20, bodies="file"), 40))
        plan.append((_variant(layout, 20, has_others=True), 40))
        plan += [(_variant(layout, 20, syncmode=mode), 40) for mode in ("syncfs", "fsync")]
    return plan


def _variant(
    layout: str, senders: int, *, bodies: str = "small", syncmode: str = "auto",
    has_others: bool = False,
) -> Variant:  # fmt: skip
    others = (has_others, has_others, has_others)
    return Variant("glassmail", senders, layout, bodies, syncmode, *others, "power")


def run(variant: Variant, cuts: int, seed: int, *, until_lost: bool = False) -> Ledger:
    """Run one variant and print its line; `until_lost` ends it with the first loss."""
    rig = Rig(variant, seed)
    begun = time.monotonic()
    try:
        rig.prepare()
        for number in range(cuts):
            rig.cycle(number)
            if until_lost and rig.ledger.tally.lost:
                break
    except ServerError as error:
        # A server that cannot be started again after a cut has lost everything.
        rig.ledger.tally.lost += 1
        rig.ledger.notes.insert(0, str(error))
    finally:
        rig.close()
    tally, took = rig.ledger.tally, time.monotonic() - begun
    print(f"{variant}: {tally.cuts} cuts, {tally.accepted} accepted, {tally.lost} lost, "
          f"{tally.duplicated} duplicated, {tally.damaged} damaged "
          f"({took / max(1, tally.cuts):.2f} s a cut)", flush=True)  # fmt: skip
    for note in rig.ledger.notes[:10]:
        print(f"    {note}", flush=True)
    return rig.ledger


def self_test(cuts: int, seed: int) -> int:
    """Prove that the harness finds losses, and that it finds none where there are none."""
    failures = []
    for layout, mode in itertools.product(("ext4", "xfs"), TOY_MODES):
        variant = Variant(f"toy-{mode}", 20, layout, "small", "auto", False, False, False)
        tally = run(variant, cuts, seed, until_lost=True).tally
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
    add("--full", action="store_true", help="the 2,000 cuts of the proof")
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
    plan = full() if arguments.full else [(v, arguments.cuts) for v in variants(arguments)]
    for variant, cuts in plan:
        tally = run(variant, cuts, arguments.seed).tally
        for name in ("cuts", "accepted", "lost", "duplicated", "damaged"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    print(
        f"all: {total.cuts} cuts, {total.accepted} accepted, {total.lost} lost, "
        f"{total.duplicated} duplicated, {total.damaged} damaged (seed {arguments.seed})"
    )
    return 0 if total.is_clean and total.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
