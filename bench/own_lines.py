"""What our own program lines cost beside a plain Maildir line.

    python bench/own_lines.py [--pairs N] [--messages N]

One site, two recipients of one domain: `.qmail-plain` delivers into a Maildir by a plain line,
everybody else's mail goes through `.qmail-default` with `| vdelivermail '' bounce-no-mailbox`. The
same load goes to each in turn (20 sessions, 4 kB, until the last file is in new/). Exit 1 when the
median rate of vdelivermail is below 90 % of the plain one.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import peers
from small_site import SmallSite, children

FLOOR = 0.9
SESSIONS = 20
BYTES = 4_096
_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure pairs and print them; 1 when the floor is missed."""
    parser = argparse.ArgumentParser(prog="bench/own_lines.py")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=4_000)
    arguments = parser.parse_args()
    site = SmallSite()
    domain = os.path.dirname(os.path.dirname(os.path.dirname(site.new)))
    plain = os.path.join(domain, "plain", "Maildir")
    for part in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(plain, part), mode=0o700)
    with open(os.path.join(domain, ".qmail-plain"), "w", encoding="ascii") as out:
        out.write("./plain/Maildir/\n")
    ways = {"plain": ("plain@example.test", os.path.join(plain, "new")),
            "vdelivermail": ("tammy@example.test", site.new)}  # fmt: skip
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    try:
        site.start()
        for way in ways.values():
            run(site, *way, 300)
        for pair in range(arguments.pairs):
            for name in sorted(ways, reverse=bool(pair % 2)):
                rate, cost = run(site, *ways[name], arguments.messages)
                figures[name].append((rate, cost))
                print(f"{pair + 1} {name}: {rate:,.0f} messages/s, CPU {cost:.0f} us", flush=True)
    finally:
        site.close()
    ratios = [own[0] / bare[0] for own, bare in zip(*reversed(figures.values()), strict=True)]
    costs = [own[1] / bare[1] for own, bare in zip(*reversed(figures.values()), strict=True)]
    median = statistics.median(ratios)
    print(f"vdelivermail / plain: rate {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
          f"CPU {statistics.median(costs):.2f}")  # fmt: skip
    return 0 if median >= FLOOR else 1


def run(site: SmallSite, recipient: str, new: str, count: int) -> tuple[float, float]:
    """Send to one recipient; return messages a second and CPU microseconds a message."""
    before, spent = len(os.listdir(new)), cpu_us(site)
    began = time.monotonic()
    subprocess.run(
        [peers.program("postfix", "usr/sbin/smtp-source"), "-s", str(SESSIONS), "-l", str(BYTES),
         "-m", str(count), "-f", "sender@src.test", "-t", recipient, f"127.0.0.1:{site.port}"],
        env={**os.environ, "LD_LIBRARY_PATH": peers.library_path("postfix")}, check=True,
    )  # fmt: skip
    while len(os.listdir(new)) < before + count:
        time.sleep(0.005)
    took = time.monotonic() - began
    while site.queued() > 0:
        time.sleep(0.01)
    return count / took, (cpu_us(site) - spent) / count


def cpu_us(site: SmallSite) -> float:
    """CPU time of the site's processes that run now."""
    assert site.server is not None
    todo, total = [site.server.pid], 0.0
    while todo:
        pid = todo.pop()
        todo += children(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) * _TICK_US
    return total


if __name__ == "__main__":
    sys.exit(main())
