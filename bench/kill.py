"""Kill a random process of the server every 200 ms while mail comes in, and count what was lost.

    python bench/kill.py [--messages N] [--seconds S] [--every-ms M] [--senders N]
                         [--bodies small|file] [--forwards] [--bounces] [--seed N]

Every message that got its 250 must arrive at least once; duplicates are counted and shown (only a
program or another server may cause one). The supervisor itself is spared: it is what restarts the
others. Exit 1 when a message was lost or damaged.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter

import inside
import letters
from handing import Handing, Kind
from ledger import Ledger
from server import USER, Server, ServerError, standard_layout

SIZES = {"small": letters.SMALL, "file": letters.FILE}
DRAIN_S = 120.0


def victims(server: Server) -> list[tuple[int, str]]:
    """Processes that may be killed, with their roles."""
    return [(pid, role) for pid, role in server.roles().items() if role != "supervisor"]


def kill_while(server: Server, handing: Handing, arguments: argparse.Namespace) -> Counter[str]:
    """Kill at the wanted pace until enough messages were accepted; return kills by role."""
    choose, killed = random.Random(arguments.seed), Counter()
    deadline = time.monotonic() + arguments.seconds
    while len(handing.accepted) < arguments.messages and time.monotonic() < deadline:
        time.sleep(arguments.every_ms / 1e3)
        found = victims(server)
        if not found:
            continue
        pid, role = choose.choice(found)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended since we listed it
        killed[role] += 1
    return killed


def drain(server: Server, ledger: Ledger, accepted: dict[str, Kind]) -> str:
    """Wait until all is there and the queue is empty; return what is undone when patience ends."""
    deadline, flush_at = time.monotonic() + DRAIN_S, time.monotonic() + 3.0
    while time.monotonic() < deadline:
        missing = len(ledger.missing(accepted))
        try:
            queued = server.queue_length()
        except ServerError:
            queued = -1  # the queue is just being started again
        if not missing and queued == 0:
            return ""
        if time.monotonic() > flush_at:
            server.flush()
            flush_at = time.monotonic() + 5.0
        time.sleep(0.1)
    return f"undone after {DRAIN_S:.0f} s: {missing} missing, {queued} in the queue"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/kill.py")
    add = parser.add_argument
    add("--messages", type=int, default=5_000)
    add("--seconds", type=float, default=90.0, help="end then, even with fewer messages: after "
        "each death the supervisor waits longer before it starts that process again")  # fmt: skip
    add("--every-ms", type=int, default=200)
    add("--senders", type=int, default=20)
    add("--bodies", choices=list(SIZES), default="small")
    add("--forwards", action="store_true")
    add("--bounces", action="store_true")
    add("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def main() -> int:
    """Run it once; print what was killed and what became of the mail."""
    from glassmail_site import Glassmail

    arguments = parse()
    if os.geteuid() != 0:
        print("SKIP: bench/kill.py needs root, for namespaces, cgroups and users of its own")
        return 3
    inside.end_cleanly()
    server = Glassmail(standard_layout("kill"), accepts_unknown=True)
    kinds = [Kind("direct", b"", server.address().encode())]
    if arguments.forwards:
        kinds.append(Kind("forward", b"", server.address(f"{USER}-fwd").encode()))
    if arguments.bounces:
        nobody = server.address("nobody-here").encode()
        kinds.append(Kind("bounce", server.address().encode(), nobody, bounces=True))
    sizes = SIZES[arguments.bodies]
    ledger = Ledger(server.layout.maildir, sizes)
    try:
        server.prepare()
        server.start()
        begun = time.monotonic()
        handing = Handing(server.place(), "k", kinds, sizes)
        handing.start(arguments.senders)
        killed = kill_while(server, handing, arguments)
        handing.stop()
        took = time.monotonic() - begun
        undone = drain(server, ledger, handing.accepted)
    finally:
        server.stop()
    ledger.close_cut(handing.accepted, set())
    tally = ledger.tally
    print(f"{sum(killed.values())} kills in {took:.0f} s ("
          + ", ".join(f"{role} {count}" for role, count in sorted(killed.items()))
          + f"): {tally.accepted} accepted, {tally.lost} lost, {tally.duplicated} duplicated, "
          f"{tally.damaged} damaged (seed {arguments.seed})")  # fmt: skip
    if ledger.duplicates:
        kinds = ", ".join(f"{kind} {count}" for kind, count in ledger.duplicates.items())
        print(f"    duplicated by kind: {kinds}")
    for note in [undone, *ledger.notes[:10]]:
        if note:
            print(f"    {note}")
    return 0 if tally.is_clean and tally.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
