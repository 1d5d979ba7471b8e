"""Ask DNS, with a cache: every answer is found, no data, no such name, or failed (and why).

Purpose:
    The questions of remote delivery and policy: MX, A, AAAA, TXT, PTR. dnspython does the wire
    work (UDP with EDNS 1232, TCP when truncated, several servers); here stand the cache, the
    sharing of equal questions under way, CNAMEs that a server did not follow, and the limits.

Always:
    - `ask` never raises for what a server or a network does: it answers FAILED with a reason.
    - A cached answer costs a dictionary look-up, no task.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

CACHE_MAX = 10_000  # answers; the oldest quarter goes when it is full
TTL_LEAST_S = 5.0
TTL_MOST_S = 3_600.0
TTL_FAILED_S = 5.0  # RFC 2308, 7: a failure may be remembered for up to five minutes
RECORDS_MAX = 200  # of one answer
ALIASES_MAX = 8  # CNAMEs followed by asking again
QUESTIONS_MAX = 100  # under way at once
TRY_S = 5.0  # for one server's answer
LIFETIME_S = 20.0  # for a question


class Status(Enum):
    """How a question was answered."""

    FOUND = "found"
    NO_DATA = "no data"
    NO_NAME = "no such name"
    FAILED = "failed"


class MxRecord(NamedTuple):
    """One MX record; the root's name is empty."""

    preference: int
    name: bytes


Record = MxRecord | bytes | str


class Answer(NamedTuple):
    """An answer.

    Attributes:
        records: MxRecord for MX, text for A and AAAA, bytes for names and TXT.
        expires: when the cache forgets it, on the clock given to Dns.
        detail: for people: the TTL, or what went wrong.
    """

    status: Status
    records: tuple[Record, ...]
    expires: float
    detail: str


class Dns:
    """A resolver with its cache."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        try_s: float = TRY_S,
        lifetime_s: float = LIFETIME_S,
    ) -> None:
        """Use these servers (address, port), or those of /etc/resolv.conf when there are none."""
        self._clock = clock
        self._resolver = _make_resolver(servers, try_s, lifetime_s)
        self._cache: dict[tuple[bytes, str], Answer] = {}
        self._under_way: dict[tuple[bytes, str], asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(QUESTIONS_MAX)

    def cached(self, name: bytes, kind: str) -> Answer | None:
        """Return what the cache holds."""
        answer = self._cache.get((name.lower(), kind))
        return answer if answer is not None and answer.expires > self._clock() else None

    async def ask(self, name: bytes, kind: str) -> Answer:
        """Ask for the records of a kind (MX, A, AAAA, TXT, PTR) of a name."""
        key = (name.lower(), kind)
        answer = self._cache.get(key)
        if answer is not None and answer.expires > self._clock():
            return answer
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._under_way[key] = task
            task.add_done_callback(lambda _task: self._under_way.pop(key, None))
        # One who goes away must not take the answer from the others who wait for it.
        return await asyncio.shield(task)

    async def _ask(self, key: tuple[bytes, str]) -> Answer:
        async with self._slots:
            answer = await self._resolve(*key)
        if len(self._cache) >= CACHE_MAX:
            for old in list(self._cache)[: CACHE_MAX // 4]:
                del self._cache[old]
        self._cache.pop(key, None)  # so that it goes to the end
        self._cache[key] = answer
        return answer

    async def _resolve(self, name: bytes, kind: str) -> Answer:
        try:
            target = dns.name.from_text(name.decode("utf-8"), dns.name.root)
        except (dns.exception.DNSException, UnicodeError) as error:
            return self._answer(Status.NO_NAME, (), TTL_MOST_S, f"not a name: {error}")
        try:
            return await self._follow(target, kind)
        except dns.resolver.NXDOMAIN as error:
            return self._answer(Status.NO_NAME, (), _negative_ttl_s(error), "no such name")
        except dns.exception.Timeout:
            return self._answer(Status.FAILED, (), TTL_FAILED_S, "no server answered in time")
        except dns.resolver.NoNameservers as error:
            return self._answer(Status.FAILED, (), TTL_FAILED_S, _causes(error))
        except (dns.exception.DNSException, OSError, ValueError, EOFError) as error:
            reason = f"{type(error).__name__}: {error}"
            return self._answer(Status.FAILED, (), TTL_FAILED_S, reason)

    async def _follow(self, target: dns.name.Name, kind: str) -> Answer:
        for _alias in range(ALIASES_MAX):
            found = await self._resolver.resolve(
                target, kind, raise_on_no_answer=False, search=False
            )
            ttl_s = float(found.chaining_result.minimum_ttl)
            if found.rrset is not None:
                records = tuple(_record(rdata, kind) for rdata in list(found.rrset)[:RECORDS_MAX])
                return self._answer(Status.FOUND, records, ttl_s, f"TTL {int(ttl_s)} s")
            if found.canonical_name == target:
                return self._answer(Status.NO_DATA, (), ttl_s, f"no {kind} records")
            target = found.canonical_name
        reason = f"more than {ALIASES_MAX} CNAMEs"
        return self._answer(Status.FAILED, (), TTL_FAILED_S, reason)

    def _answer(
        self, status: Status, records: tuple[Record, ...], ttl_s: float, detail: str
    ) -> Answer:
        kept_s = min(max(ttl_s, TTL_LEAST_S), TTL_MOST_S)
        return Answer(status, records, self._clock() + kept_s, detail)


def _make_resolver(
    servers: Sequence[tuple[str, int]], try_s: float, lifetime_s: float
) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration:  # as libc: without resolv.conf ask this host
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(ip, port) for ip, port in servers]
    resolver.timeout = try_s
    resolver.lifetime = lifetime_s
    resolver.use_edns(0, 0, 1232)
    return resolver


def _record(rdata: dns.rdata.Rdata, kind: str) -> Record:
    match rdata:
        case MX():
            return MxRecord(rdata.preference, _name(rdata.exchange))
        case A() | AAAA():
            return str(rdata.address)
        case TXT():
            return b"".join(rdata.strings)
        case PTR() | CNAME():
            return _name(rdata.target)
        case _:
            raise ValueError(f"{kind} records are not read here")


def _name(name: dns.name.Name) -> bytes:
    return name.to_text(omit_final_dot=True).encode("ascii") if name != dns.name.root else b""


def _negative_ttl_s(error: dns.resolver.NXDOMAIN) -> float:
    """Find how long a missing name may be remembered (RFC 2308, 5: the SOA says)."""
    try:
        responses = error.kwargs["responses"].values()
        return float(min(response.resolve_chaining().minimum_ttl for response in responses))
    except (dns.exception.DNSException, ValueError, KeyError):  # no SOA: remember it briefly
        return TTL_LEAST_S


def _causes(error: dns.resolver.NoNameservers) -> str:
    """Say what each server did."""
    causes = []
    for one in error.kwargs.get("errors", ()):
        server, _tcp, _port, cause = one[:4]
        causes.append(f"{str(server).removeprefix('Do53:')}: {cause}")  # `127.0.0.1@53: SERVFAIL`
    return "; ".join(causes) or "no server gave an answer"
