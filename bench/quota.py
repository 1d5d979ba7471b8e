"""What a quota costs a delivery.

    python bench/quota.py [--pairs N] [--messages N]

One site, two mailboxes of one domain, one with a quota in its vpasswd line and one without. The
same load goes to each in turn, as in own_lines.py. Exit 1 when the quota adds more than 10 % of
CPU to a message, by the median.
"""

import argparse
import os
import statistics
import sys

from own_lines import run
from small_site import SmallSite

from glassmail.admin import accounts
from glassmail.settings.place import Place

MOST = 1.1


def main() -> int:
    """Measure pairs and print them; 1 when the limit is passed."""
    parser = argparse.ArgumentParser(prog="bench/quota.py")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=4_000)
    arguments = parser.parse_args()
    site = SmallSite()
    domain = os.path.dirname(os.path.dirname(os.path.dirname(site.new)))
    new = accounts.NewMailbox(b"limited", b"secret", b"4000000000S,4000000C")
    accounts.add_mailboxes(accounts.Site.at(Place(site.root)), b"example.test", [new])
    ways = {
        "without": ("tammy@example.test", site.new),
        "quota": ("limited@example.test", os.path.join(domain, "limited", "Maildir", "new")),
    }
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
    bare, limited = figures["without"], figures["quota"]
    costs = [own[1] / other[1] for own, other in zip(limited, bare, strict=True)]
    rates = [own[0] / other[0] for own, other in zip(limited, bare, strict=True)]
    median = statistics.median(costs)
    print(f"quota / without: CPU {median:.2f} ({min(costs):.2f} to {max(costs):.2f}), "
          f"rate {statistics.median(rates):.2f}")  # fmt: skip
    return 0 if median <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
