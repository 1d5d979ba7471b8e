"""What routing costs: a recipient's way to its user on a large site, and a reload of tables.

    python bench/resolve.py [--domains 10000] [--lines 1000000]

The site: as many virtual domains, and users/cdb with as many lines, a wildcard line for each
domain among them. Prints microseconds of CPU for a recipient (routing and user, trail included,
no dot-qmail file read), and the seconds that reading and parsing virtualdomains takes.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from glassmail.core.formats import assign, cdb
from glassmail.core.formats.assign import Assignment
from glassmail.core.route.rewrite import route
from glassmail.settings.place import Place
from glassmail.stations.resolve import find_user, sources_of
from glassmail.stations.routing import routing_tables
from glassmail.store.control import Controls

ROUNDS = 7
RECIPIENTS = 20_000
VIRTUALDOMAINS_LINES = 100_000
FIELDS = (b"vpopmail", b"89", b"89", b"/home/vpopmail/domains/d", b"-", b"")
US = 1_000_000


def make_site(place, domains, lines):
    """Write control files and users/cdb."""
    for name in ("control", "users", "alias"):
        os.makedirs(place.path(name))
    Path(place.path("control", "me")).write_text("mx.test\n")
    Path(place.path("control", "locals")).write_text("local.test\n")
    write_virtualdomains(place, domains)
    found = [
        Assignment(b"+", b"d%d.test-" % number, FIELDS, number + 1) for number in range(domains)
    ]
    found += [
        Assignment(b"=", b"user%d" % number, FIELDS, domains + number + 1)
        for number in range(lines - domains)
    ]
    with open(place.assign_cdb, "wb") as file:
        file.write(cdb.render(assign.records(found)))


def write_virtualdomains(place, count):
    with open(place.path("control", "virtualdomains"), "wb") as file:
        file.writelines(b"d%d.test:d%d.test\n" % (number, number) for number in range(count))


def resolve(addresses, tables, sources):
    """Route every address and find its user; return CPU seconds."""
    begun = time.process_time()
    for address in addresses:
        destination = route(address, tables)
        found = find_user(destination.address.rpartition(b"@")[0], sources)
        assert found.user is not None
    return time.process_time() - begun


def measure_recipients(place, domains, lines):
    tables = routing_tables(Controls(place.control).snapshot())
    sources = sources_of(place)
    draw = random.Random(1)
    kinds = {
        "a mailbox of a virtual domain": [
            b"user.%d@d%d.test" % (draw.randrange(10**6), draw.randrange(domains))
            for _ in range(RECIPIENTS)
        ],
        "an exact line of users/assign": [
            b"user%d@local.test" % draw.randrange(lines - domains) for _ in range(RECIPIENTS)
        ],
    }
    for kind, addresses in kinds.items():
        rounds = [resolve(addresses, tables, sources) / RECIPIENTS * US for _ in range(ROUNDS)]
        print(
            f"{kind}: {statistics.median(rounds):.1f} us of CPU "
            f"({min(rounds):.1f} to {max(rounds):.1f}, {ROUNDS} rounds of {RECIPIENTS})"
        )


def measure_reload(place):
    controls = Controls(place.control)
    rounds = []
    for number in range(ROUNDS):
        write_virtualdomains(place, VIRTUALDOMAINS_LINES + number)
        begun = time.perf_counter()
        assert controls.refresh()
        assert len(controls.snapshot().table("virtualdomains").entries) >= VIRTUALDOMAINS_LINES
        rounds.append(time.perf_counter() - begun)
    print(
        f"virtualdomains of {VIRTUALDOMAINS_LINES} lines read again: "
        f"{statistics.median(rounds):.3f} s ({min(rounds):.3f} to {max(rounds):.3f})"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Place(directory)
        begun = time.perf_counter()
        make_site(place, options.domains, options.lines)
        size = os.path.getsize(place.assign_cdb)
        took = time.perf_counter() - begun
        print(
            f"{options.domains} domains, {options.lines} lines of users/assign: "
            f"a cdb of {size / 1e6:.0f} MB, made in {took:.1f} s"
        )
        measure_recipients(place, options.domains, options.lines)
        measure_reload(place)


if __name__ == "__main__":
    main()
