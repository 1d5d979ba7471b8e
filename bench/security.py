"""STARTTLS sessions beside Postfix, and 500 logins a second beside other sessions.

    python -m bench.security starttls [--sessions 2000] [--pairs 3]
    python -m bench.security logins [--rate 500] [--seconds 20] [--users 2000]

starttls: connect, EHLO, STARTTLS, handshake, EHLO, QUIT, by CLIENTS clients; both servers show
the same certificate (P-256). The rate is bounded by the clients too, which are Python's; CPU of a
session is the server's alone.

logins: AUTH PLAIN at a pace set by the clock, every user with a SHA-512 hash of its own, in turns,
so that no password was right a moment ago. Beside it a session says NOOP every PROBE_S: its
answers' times, quiet and beside the logins, are what other sessions feel.
"""

import argparse
import asyncio
import base64
import multiprocessing
import os
import ssl
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from glassmail_site import Glassmail
from measure import percentile
from postfix import Postfix
from server import Server, standard_layout

from glassmail.admin.accounts import Site, add_domain
from glassmail.admin.certificate import self_signed
from glassmail.core.formats import daemons, vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.store.passwords import hash_password

CLIENTS = 20
PROCESSES = 2
PROBE_S = 0.005
DOMAIN = "auth.test"


class SecureGlassmail(Glassmail):
    """A site with a given certificate and many mailboxes."""

    users_most = 0

    def prepare(self) -> None:
        """Make the site, then the mailboxes."""
        super().prepare()
        certificate = os.path.join(self.root, "control", "servercert.pem")
        with open(certificate, "r+b") as file:  # whose it is stays
            file.truncate()
            file.write(CERTIFICATE)
        if self.users_most:
            self._make_users()

    def _make_users(self) -> None:
        with open(self.place_of.daemons, "rb") as file:
            keeper = daemons.parse(file.read())["keeper"]
        add_domain(Site(self.place_of, keeper, self.root), DOMAIN.encode())
        directory = os.path.join(self.root, "domains", DOMAIN)
        accounts = []
        for number in range(self.users_most):
            name = b"user%d" % number
            hashed = hash_password(b"secret%d" % number)
            home = os.fsencode(os.path.join(directory, name.decode()))
            accounts.append(Account(name, hashed, b"1", 0, name, home, b"NOQUOTA"))
        with open(os.path.join(directory, "vpasswd"), "r+b") as file:
            file.truncate()
            file.write(vpasswd.render(accounts))
        later = time.time() + 2
        os.utime(os.path.join(directory, "vpasswd"), (later, later))


class SecurePostfix(Postfix):
    """Postfix with STARTTLS and its defaults."""

    def _main(self) -> str:
        path = os.path.join(self.etc, "postfix", "cert.pem")
        with open(path, "wb") as file:
            file.write(CERTIFICATE)
        tls = "smtpd_tls_chain_files = /etc/postfix/cert.pem\nsmtpd_tls_security_level = may\n"
        return super()._main() + tls


CERTIFICATE = self_signed(b"mx.bench.test")


def context() -> ssl.SSLContext:
    """A client that verifies nothing, as servers that send mail do."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


async def command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    """Send a line, if any; return the last line of the reply."""
    if line:
        writer.write(line + b"\r\n")
    while (said := await reader.readline())[3:4] == b"-":
        pass
    return said


async def secure_session(place: tuple[str, int], tls: ssl.SSLContext) -> None:
    """One session with STARTTLS."""
    reader, writer = await asyncio.open_connection(*place)
    await command(reader, writer, b"")
    await command(reader, writer, b"EHLO client.test")
    said = await command(reader, writer, b"STARTTLS")
    if not said.startswith(b"220"):
        raise SystemExit(f"STARTTLS: {said!r}")
    await writer.start_tls(tls)
    await command(reader, writer, b"EHLO client.test")
    await command(reader, writer, b"QUIT")
    writer.close()


def secure_clients(place: tuple[str, int], count: int) -> None:
    """Run so many sessions, CLIENTS / PROCESSES at a time."""

    async def run() -> None:
        tls, left = context(), iter(range(count))

        async def client() -> None:
            for _ in left:
                await secure_session(place, tls)

        await asyncio.gather(*(client() for _ in range(CLIENTS // PROCESSES)))

    asyncio.run(run())


def measure_starttls(server: Server, count: int) -> tuple[float, float]:
    """Return sessions a second and ms of the server's CPU for one."""
    secure_clients(server.place(), 100)
    before, begun = server.cpu_s(), time.monotonic()
    share = count // PROCESSES
    jobs = [
        multiprocessing.Process(target=secure_clients, args=(server.place(), share))
        for _ in range(PROCESSES)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    took = time.monotonic() - begun
    time.sleep(0.5)
    return share * PROCESSES / took, (server.cpu_s() - before) / (share * PROCESSES) * 1_000


def starttls(sessions: int, pairs: int) -> None:
    """Both servers, one at a time, the order turned each time."""
    found: dict[str, list[tuple[float, float]]] = {"glassmail": [], "postfix": []}
    for pair in range(pairs):
        kinds = [SecureGlassmail, SecurePostfix]
        for kind in kinds if pair % 2 == 0 else reversed(kinds):
            server = kind(standard_layout("security-" + kind.__name__))
            server.prepare()
            try:
                server.start()
                found[server.name].append(measure_starttls(server, sessions))
            finally:
                server.stop()
            print(f"{server.name}: {found[server.name][-1][0]:.0f} sessions/s, "
                  f"{found[server.name][-1][1]:.2f} ms CPU each", flush=True)  # fmt: skip
    for name, rows in found.items():
        rate = statistics.median(row[0] for row in rows)
        cpu = statistics.median(row[1] for row in rows)
        print(f"{name}: median {rate:.0f} sessions/s, {cpu:.2f} ms CPU each")


# --- logins -----------------------------------------------------------------------------------


async def one_login(place: tuple[str, int], number: int, took: list[float]) -> None:
    """Log a user in."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection(*place)
    await command(reader, writer, b"")
    await command(reader, writer, b"EHLO client.test")
    secret = base64.b64encode(b"\0user%d@%b\0secret%d" % (number, DOMAIN.encode(), number))
    said = await command(reader, writer, b"AUTH PLAIN " + secret)
    if not said.startswith(b"235"):
        raise SystemExit(f"user{number}: {said!r}")
    took.append(time.monotonic() - begun)
    await command(reader, writer, b"QUIT")
    writer.close()


def log_in_by_the_clock(place: tuple[str, int], rate: int, seconds: float, users: int) -> None:
    """Start `rate` logins a second; print how long they took."""

    async def run() -> None:
        took: list[float] = []
        tasks = set()
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            task = asyncio.create_task(one_login(place, number % users, took))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        took.sort()
        median, late = (percentile(took, part) * 1e3 for part in (0.5, 0.99))
        print(f"  logins: {len(took)} in {time.monotonic() - start:.1f} s, "
              f"p50 {median:.1f} ms, p99 {late:.1f} ms", flush=True)  # fmt: skip

    asyncio.run(run())


def probe(place: tuple[str, int], seconds: float) -> list[float]:
    """Say NOOP in another session now and then; return how long the answers took."""

    async def run() -> list[float]:
        reader, writer = await asyncio.open_connection(*place)
        await command(reader, writer, b"")
        took = []
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            await command(reader, writer, b"NOOP")
            took.append(time.monotonic() - begun)
            await asyncio.sleep(PROBE_S)
        writer.close()
        return took

    return asyncio.run(run())


def logins(rate: int, seconds: float, users: int) -> None:
    """A quiet time, then the same beside the logins."""
    SecureGlassmail.users_most = users
    server = SecureGlassmail(standard_layout("security-logins"))
    server.prepare()
    try:
        server.start()
        for name in ("quiet", "beside logins"):
            job = None
            before = server.cpu_s()
            if name != "quiet":
                arguments = (server.place(), rate, seconds, users)
                job = multiprocessing.Process(target=log_in_by_the_clock, args=arguments)
                job.start()
                time.sleep(0.3)
            took = sorted(probe(server.place(), seconds))
            if job is not None:
                job.join()
            cpu = (server.cpu_s() - before) / seconds
            print(f"{name}: NOOP p50 {percentile(took, 0.5) * 1e3:.2f} ms, "
                  f"p99 {percentile(took, 0.99) * 1e3:.2f} ms, worst {took[-1] * 1e3:.1f} ms; "
                  f"{cpu:.2f} cores", flush=True)  # fmt: skip
    finally:
        server.stop()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["starttls", "logins"])
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--users", type=int, default=2_000)
    given = parser.parse_args()
    if given.what == "starttls":
        starttls(given.sessions, given.pairs)
    else:
        logins(given.rate, given.seconds, given.users)


if __name__ == "__main__":
    main()
