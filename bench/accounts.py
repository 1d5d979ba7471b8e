"""What one look-up of a mailbox costs, and one new mailbox, in each kind of place.

    python bench/accounts.py [--domains N] [--mailboxes N] [--lookups N] [--big N] [KIND ...]

Makes N domains of N mailboxes each (10,000 of 100: a million), in vpasswd.cdb files, in SQLite, in
PostgreSQL and in MariaDB (real servers, started in a directory of their own), and looks mailboxes
up at random by the function that deliveries and the keeper call (stations.accounts.vdelivermail).
Then one domain of --big mailboxes gets new ones. Prints CPU and wall-clock time a look-up, the
servers' own CPU beside it. Exit 1 when a limit is passed: 60 us with cdb and SQLite, 150 us with
PostgreSQL and MariaDB; a new mailbox 1 s with vpasswd, 20 ms with SQL.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tests.store.sql.servers import PASSWORD, server

from glassmail.core.formats import cdb, vpasswd
from glassmail.core.formats.database_text import to_text
from glassmail.core.formats.vpasswd import Account
from glassmail.stations.accounts import VKind, vdelivermail
from glassmail.store.account_writer import Domain
from glassmail.store.sql.database import address_of, open_session
from glassmail.store.sql.writer import SqlWriter
from glassmail.store.vpasswd_writer import VpasswdWriter

LOOKUP_US = {"cdb": 60, "sqlite": 60, "postgresql": 150, "mariadb": 150}
ADD_MS = {"cdb": 1_000, "sqlite": 20, "postgresql": 20, "mariadb": 20}
HASH = b"$6$pKOUkHk1$.e9Cb/9n.Xv6xAIsHTCkL6hxQiM9zT.9JVPwfxkD.AARsvQLPUD4amPZkpM/wakOzX3HhwovQejo"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Bench:
    """One kind of place, filled."""

    def __init__(self, kind: str, arguments: argparse.Namespace) -> None:
        self.kind = kind
        self.arguments = arguments
        self.root = tempfile.mkdtemp(prefix="glassmail-accounts-", dir="/tmp")
        for name in ("control", "users", "domains"):
            os.mkdir(os.path.join(self.root, name))
        self.server = None
        if kind != "cdb":
            line = "sqlite"
            if kind != "sqlite":
                self.server = server(kind)
                line = self.server.fresh()
            self._write(os.path.join(self.root, "control", "accountsdb"), line)
            password = os.path.join(self.root, "users", "accountsdb.password")
            self._write(password, PASSWORD)
            os.chmod(password, 0o600)
        self.writer = VpasswdWriter() if kind == "cdb" else SqlWriter(self.root)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def fill(self) -> None:
        counts = range(self.arguments.mailboxes)
        for number in range(self.arguments.domains):
            domain = self.domain(b"d%d.test" % number)
            accounts = [self.account(domain, b"user%d" % each) for each in counts]
            self._fill(domain, accounts)
        if self.kind != "cdb":
            self._load()

    def _fill(self, domain: Domain, accounts: list[Account]) -> None:
        if self.kind != "cdb":
            self.writer.mark(domain)
            return
        path = os.path.join(domain.directory, "vpasswd")
        with open(path, "wb") as file:
            file.write(vpasswd.render(accounts))
        with open(path + ".cdb", "wb") as file:
            file.write(cdb.render((each.name, vpasswd.render_record(each)) for each in accounts))

    def _load(self) -> None:
        """Put all rows in as an import of the administrator's would: this is not measured."""
        self.writer.create(self.domain(b"d0.test"))
        session = open_session(self.root, address_of(self.root))
        names = [f"d{number}.test" for number in range(1, self.arguments.domains)]
        session.begin("load")
        session.run_each("INSERT INTO domain (name) VALUES (?)", [(name,) for name in names])
        insert = (
            "INSERT INTO mailbox (domain, name, crypted, uid_field, flags, gecos, directory, "
            "quota, clear) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        rows = []
        for number in range(self.arguments.domains):
            place = os.path.join(self.root, "domains", f"d{number}.test")
            for each in range(self.arguments.mailboxes):
                name = f"user{each}"
                rows.append((f"d{number}.test", name, to_text(HASH), "1", 0, name,
                             f"{place}/{name}", "NOQUOTA", ""))  # fmt: skip
            if len(rows) >= 20_000:
                session.run_each(insert, rows)
                rows = []
        if rows:
            session.run_each(insert, rows)
        session.commit()
        session.close()

    def look_up(self) -> tuple[float, float, float]:
        """Return microseconds a look-up: our CPU, wall clock, the servers' CPU."""
        rng = random.Random(1)
        asked = [
            (os.fsencode(os.path.join(self.root, "domains", f"d{number}.test")),
             b"user%d" % rng.randrange(self.arguments.mailboxes), b"d%d.test" % number)
            for number in (rng.randrange(self.arguments.domains)
                           for _ in range(self.arguments.lookups))
        ]  # fmt: skip
        for home, name, domain in asked[:200]:
            assert vdelivermail(home, name, domain, b"delete").kind is VKind.MAILDIR
        theirs, began, cpu = self._server_cpu(), time.monotonic(), time.process_time()
        for home, name, domain in asked:
            vdelivermail(home, name, domain, b"delete")
        cpu, took = time.process_time() - cpu, time.monotonic() - began
        per = 1_000_000 / len(asked)
        return cpu * per, took * per, (self._server_cpu() - theirs) * per

    def add(self) -> float:
        """Return the median of milliseconds to add one mailbox to the big domain."""
        domain = self.domain(b"big.test")
        self.writer.create(domain)
        self.writer.add(domain, [self.account(domain, b"user%d" % each)
                                 for each in range(self.arguments.big)])  # fmt: skip
        times = []
        for number in range(7 if self.kind == "cdb" else 50):
            began = time.monotonic()
            self.writer.add(domain, [self.account(domain, b"new%d" % number)])
            times.append((time.monotonic() - began) * 1_000)
        return statistics.median(times)

    def domain(self, name: bytes) -> Domain:
        directory = os.path.join(self.root, "domains", name.decode())
        os.makedirs(directory, 0o700, exist_ok=True)
        return Domain(name, directory, (os.getuid(), os.getgid()))

    def account(self, domain: Domain, name: bytes) -> Account:
        directory = os.fsencode(domain.directory) + b"/" + name
        return Account(name, HASH, b"1", 0, name, directory, b"NOQUOTA")

    def _server_cpu(self) -> float:
        if self.server is None:
            return 0.0
        total, todo = 0.0, [self.server.process.pid]
        while todo:
            pid = todo.pop()
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                todo += map(int, file.read().split())
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * _TICK_S
        return total

    def _write(self, path: str, text: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def main() -> int:
    """Measure and print; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(prog="bench/accounts.py")
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=list(LOOKUP_US))
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--mailboxes", type=int, default=100)
    parser.add_argument("--lookups", type=int, default=20_000)
    parser.add_argument("--big", type=int, default=100_000)
    arguments = parser.parse_args()
    is_fine = True
    print(f"{arguments.domains} domains, {arguments.domains * arguments.mailboxes:,} mailboxes")
    for kind in arguments.kinds:
        bench = Bench(kind, arguments)
        try:
            bench.fill()
            cpu, took, theirs = bench.look_up()
            added = bench.add()
        finally:
            bench.close()
        print(
            f"{kind}: a look-up {cpu:.0f} us of CPU (at most {LOOKUP_US[kind]}), {took:.0f} us, "
            f"server {theirs:.0f} us of CPU; one mailbox more in a domain of "
            f"{arguments.big:,}: {added:.1f} ms (at most {ADD_MS[kind]})",
            flush=True,
        )
        is_fine = is_fine and cpu <= LOOKUP_US[kind] and added <= ADD_MS[kind]
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
