"""A demo site that runs, where things can be put wrong: the site, its DNS, mail and questions."""

import asyncio
import os
import threading

from glassmail.core.formats import assign, cdb
from glassmail.explain.trace import Inquiry, trace_address
from glassmail.explain.why import ask_history, parse_question
from glassmail.explain.why_rows import nothing_row, story_rows
from tests.net.fake_dns import FakeDns
from tests.scenarios.site import ONE_USER, Site, free_ports
from tests.scenarios.waiting import until

ZONE = """
local.test. 100 IN MX 10 here.test.
here.test. 100 IN A 127.0.0.1
silent.test. 100 IN TXT "neither MX nor address"
hollow.test. 100 IN MX 10 silent.test.
listed.test. 100 IN MX 10 here.test.
away.test. 100 IN MX 10 mx.away.test.
mx.away.test. 100 IN A 127.5.0.9
away.test. 100 IN TXT "v=spf1 ip4:127.6.0.12/30 include:more.test -all"
more.test. 100 IN TXT "v=spf1 a:mx.away.test/28 ip4:127.9.0.0/16 ~all"
far.test. 100 IN MX 10 mx.far.test.
mx.far.test. 100 IN A 198.51.100.9
two.test. 100 IN A 127.0.0.1
two.test. 100 IN A 127.0.0.2
"""
FAILING = {"unknown.test": "servfail"}
LETTER = b"Subject: hello\r\nFrom: sender@src.test\r\n\r\nbody\r\n"


class DnsThread:
    """A FakeDns in a loop of its own, since the programs that ask are others."""

    def __init__(self, zone):
        self._zone = zone
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with FakeDns(self._zone, FAILING) as server:
            self.port = server.port
            self._ready.set()
            await self._end.wait()

    def close(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


class Demo:
    """A running site of one user, with the users fred, harry and petra at `homes`."""

    def __init__(self):
        self.dns = DnsThread(ZONE)
        self.site = Site(ONE_USER)
        self.place = self.site.place
        self.ids = self.site.runner.uid, self.site.runner.gid
        self.lines = (self.site.root / "users" / "assign").read_bytes().removesuffix(b".\n")
        self.site.control("dnsserver", f"127.0.0.1:{self.dns.port}\n")
        self.site.control("checkrecipients", "0\n")
        self.site.control("tcp.smtp", ":allow\n")  # nobody may relay
        (self.closed_port,) = free_ports(1)
        self.site.control("smtproutes", f"closed.test:127.0.0.1:{self.closed_port}\n")
        self.site.control("locals", "local.test\ninner.test\nboth.test\n")
        self.add("virtualdomains", "tommy.gov:fred", "wrong.test:fredd", "newbie.test:newbie",
                 "both.test:fred", "gone.test:george")  # fmt: skip
        self.add("rcpthosts", "local.test", "tommy.gov", "wrong.test", "newbie.test", "both.test",
                 "gone.test", "listed.test")  # fmt: skip
        self.homes = self.directory(self.site.base / "homes")
        for name in ("fred", "harry"):
            self.user(name, self.directory(self.homes / name))
        self.user("petra", self.directory(self.directory(self.homes / "closed") / "petra"))
        self.build()
        self.maildir(self.homes / "fred" / "Maildir")
        self.site.start()

    def close(self):
        self.site.close()
        self.dns.close()

    # --- files ----------------------------------------------------------------------------------

    def add(self, name, *lines):
        path = self.site.root / "control" / name
        before = path.read_text() if path.exists() else ""
        self.site.control(name, before + "".join(f"{line}\n" for line in lines))

    def directory(self, path, mode=0o755):
        path.mkdir()
        os.chown(path, *self.ids)
        path.chmod(mode)
        return path

    def maildir(self, path):
        self.directory(path)
        for name in ("new", "cur", "tmp"):
            self.directory(path / name)

    def user(self, name, home):
        ids = "{}:{}".format(*self.ids)
        self.lines += f"={name}:{name}:{ids}:{home}:::\n+{name}-:{name}:{ids}:{home}:-::\n".encode()

    def write_assign(self):
        self.site.write(self.place.assign, self.lines + b".\n")

    def build(self):
        """Write users/assign and users/cdb."""
        self.write_assign()
        records = assign.records(assign.parse(self.lines + b".\n"))
        self.site.write(self.place.assign_cdb, cdb.render(records))

    def put(self, name, text, mode=0o644, user="fred"):
        self.site.write(self.homes / user / name, text, mode)

    # --- questions ------------------------------------------------------------------------------

    def trace(self, address, **inquiry):
        """The first hop of a trace."""
        return trace_address(self.place, address.encode(), Inquiry(**inquiry)).hops[0]

    def why(self, address, wanted=(), *, is_tried=True):
        """The verdict on an address, or on a trace code, once it is in one of the states.

        Without states: what is said when nothing is known.
        """

        def ask():
            found, cases = ask_history(self.place, parse_question(address))
            if not cases:
                return None if wanted else nothing_row(found.coverage, address)
            rows = [row for row in story_rows(cases[0]) if row["kind"] == "verdict"]
            mine = [row for row in rows if row["recipient"] == address or "@" not in address]
            mine = [row for row in mine if row["text"] or not is_tried]
            return mine[0] if mine and mine[0]["state"] in wanted else None

        return until(ask, f"a verdict on {address} in {wanted}")

    # --- mail -----------------------------------------------------------------------------------

    def send(self, address):
        """Send by SMTP; return the code of the last reply. Its text stays in `said`."""
        with self.site.client() as client:
            client.ehlo()
            client.mail("sender@src.test")
            code, self.said = client.rcpt(address)
            if code == 250:
                code, self.said = client.data(LETTER)
            return code

    def hand_in(self, address):
        """Hand a message in as a user of this host does."""
        self.site.historical("qmail-inject", "-a", "-fsender@src.test", address, input=LETTER)

    def reload(self):
        """Reload, and wait until the queue holds what the files say."""
        self.site.glass("reload")
        until(lambda: not self.is_stale(), "the tables are read again")

    def is_stale(self):
        hop = self.trace("fred@local.test")
        ids = {hop.advice.id, *(warning.id for warning in hop.warnings)}
        return "stale_table" in ids
