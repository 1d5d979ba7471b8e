"""What the front door's checks ask of the world, live: the keeper, DNS, cdb files, programs.

Always:
    - DNS and programs have time limits; a failure is an answer.
    - A cdb is opened when somebody asks for it, and taken anew when it was replaced; its path
      may be relative to the site.
    - DNS servers are control/dnsserver's as of the first question.
"""

import asyncio
import os
from collections.abc import Mapping

from glassmail.core.ask import CdbFact, Counts, DnsFact, Existence, Held, ProgramEnd
from glassmail.core.formats.cdb import CdbError
from glassmail.core.formats.dns_servers import DnsServersError, parse_servers
from glassmail.core.model.redaction import redact, secret_values
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.net.dns import Dns, MxRecord, Record, Status
from glassmail.net.gate_client import GateClient
from glassmail.settings.place import Place
from glassmail.stations import g4dump
from glassmail.stations.ask import LiveAsk
from glassmail.stations.front_programs import Call, Programs
from glassmail.store.cdb import Cdb
from glassmail.store.control import Controls

DNS_S = 12.0  # for one question; a client waits
DNS_TRY_S = 4.0
CDBS_MAX = 64  # files kept open
TEXT_MAX = 1_021  # of RCPTCHECK's answer on descriptor 4 (combined patch)
_ANSWERS = {Status.FOUND: YES, Status.NO_DATA: NO, Status.NO_NAME: NO, Status.FAILED: UNKNOWN}


class FrontAsk(LiveAsk):
    """Asks for the SMTP server."""

    def __init__(self, place: Place, role: str, controls: Controls) -> None:
        """Make an asker; the keeper answers after `start`.

        Args:
            place: the site.
            role: what this process is.
            controls: the control directory.
        """
        super().__init__(place.keeper_socket, role)
        self._place = place
        self._controls = controls
        self._dns: Dns | None = None
        self._cdbs: dict[bytes, Cdb] = {}
        self.programs = Programs()
        self.gate = GateClient(place.gate_socket, role)

    def start(self) -> None:
        """Connect to keeper and gate, or keep trying in the background."""
        super().start()
        self.gate.start()

    def close(self) -> None:
        """Hang up; whoever waits is told that nobody can tell."""
        super().close()
        self.gate.close()

    def resolver(self) -> Dns:
        """Return the resolver of this process."""
        if self._dns is None:
            servers = parse_servers(self._controls.snapshot().table("dnsserver"))
            self._dns = Dns(servers, try_s=DNS_TRY_S, lifetime_s=DNS_S)
        return self._dns

    async def dns(self, name: bytes, kind: str) -> DnsFact:
        """Ask DNS, within DNS_S."""
        try:
            resolver = self.resolver()
        except DnsServersError as error:
            return DnsFact(UNKNOWN, (), str(error))
        answer = await resolver.ask(name, kind)
        return DnsFact(_ANSWERS[answer.status], tuple(map(_text, answer.records)), answer.detail)

    def find_in_cdb(self, path: bytes, keys: tuple[bytes, ...]) -> CdbFact:
        """Look keys up in a cdb, up to the first that it has."""
        cdb = self._cdbs.get(path)
        if cdb is None:
            if len(self._cdbs) >= CDBS_MAX:
                self._cdbs.clear()
            full = os.fsdecode(os.path.join(os.fsencode(self._place.root), path))
            cdb = self._cdbs[path] = Cdb(full)
        try:
            file = cdb.current()
            if file is None:
                return CdbFact(UNKNOWN, detail="no such file")
            for key in keys:
                value = file.find(key)
                if value is not None:
                    return CdbFact(YES, key, value)
        except OSError as error:
            return CdbFact(UNKNOWN, detail=words_of(error))
        except CdbError as error:
            return CdbFact(UNKNOWN, detail=str(error))
        return CdbFact(NO)

    async def check_recipient(self, path: bytes, environment: Mapping[bytes, bytes]) -> ProgramEnd:
        """Run RCPTCHECK's program: what it says comes by descriptor 4.

        What it writes goes to the log: secrets of its environment are hidden there.
        """
        front = g4dump.dump(environment) if g4dump.is_dumping(self._place) else b""
        ended = await self.programs.run(
            Call((path,), environment, {}, (4,), TEXT_MAX, True, self._program_s())
        )
        secrets = secret_values(environment)
        return ended._replace(
            text=redact(ended.text, secrets), output=front + redact(ended.output, secrets)
        )

    async def ask_program(self, arguments: tuple[bytes, ...], address: bytes) -> ProgramEnd:
        """Run a program of control/recipients: descriptor 3 holds the address and three NULs."""
        descriptor = os.memfd_create("recipient")
        try:
            os.write(descriptor, address + b"\0\0\0")
            os.lseek(descriptor, 0, os.SEEK_SET)
            return await self.programs.run(
                Call(arguments, {}, {3: descriptor}, (), 0, True, self._program_s())
            )
        finally:
            os.close(descriptor)

    async def pause(self, seconds: float) -> None:
        """Let the client wait."""
        await asyncio.sleep(seconds)

    async def leads_here(self, domain: bytes) -> Existence | None:
        """Not asked while a client waits: whoever is refused must not cost a question to DNS."""
        del domain
        return None

    def load(self) -> float:
        """Tell this host's load average of the last minute."""
        return os.getloadavg()[0]

    async def connections(self, ip: bytes, port: int) -> Counts:
        """Tell how many connections are open beside this client's."""
        return await self.gate.connections(ip, port)

    def block_of(self, ip: bytes) -> tuple[str, str] | None:
        """Tell the block that an address is under."""
        return self.gate.block_of(ip)

    async def may_log_in(self, ip: bytes, account: bytes) -> Existence:
        """Tell whether a client may try a password now."""
        return await self.gate.may_log_in(ip, account)

    async def account_sends(self, account: bytes, recipients: int, ip: bytes) -> Held:
        """Count what an account sends; tell whether it may go on."""
        return await self.gate.account_sends(account, recipients, ip)

    def _program_s(self) -> float:
        return float(self._controls.snapshot().integer("timeoutrcptcheck"))


def _text(record: Record) -> bytes:
    if isinstance(record, MxRecord):
        return b"%d %b" % (record.preference, record.name)
    return record.encode("ascii") if isinstance(record, str) else record
