"""A DNS server for tests: UDP and TCP on one free port of 127.0.0.1, in the test's own loop."""

import asyncio
import struct

from dnslib import QTYPE, RCODE, RR, DNSRecord

UDP_MOST = 1_232


class FakeDns:
    """Answers from a zone text; some names misbehave.

    Args:
        zone: lines as in a zone file; names absolute or not.
        failing: name -> `servfail`, `refused`, `silent`, `garbage`, `foreign`.
    """

    def __init__(self, zone, failing=None):
        self._failing = {name + ".": how for name, how in (failing or {}).items()}
        self._records = {}
        for rr in RR.fromZone(zone):
            key = (str(rr.rname).lower(), QTYPE[rr.rtype])
            self._records.setdefault(key, []).append(rr)
        self.questions = []
        self.tcp_questions = 0

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self), local_addr=("127.0.0.1", self.port)
        )
        return self

    async def __aexit__(self, *_exception):
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    @property
    def servers(self):
        return (("127.0.0.1", self.port),)

    def answer(self, data, *, is_udp):
        query = DNSRecord.parse(data)
        name = str(query.q.qname).lower()
        kind = QTYPE[query.q.qtype]
        self.questions.append((name.rstrip("."), kind))
        how = self._failing.get(name)
        reply = query.reply()
        if how == "silent":
            return None
        if how == "garbage":
            return data[:2] + b"\xff" * 40
        if how == "foreign":
            reply.header.id = (query.header.id + 1) % 65536
        if how in ("servfail", "refused"):
            reply.header.rcode = RCODE.SERVFAIL if how == "servfail" else RCODE.REFUSED
            return reply.pack()
        self._fill(reply, name, kind)
        packed = reply.pack()
        if is_udp and len(packed) > UDP_MOST:
            short = query.reply()
            short.header.tc = 1
            return short.pack()
        return packed

    def _fill(self, reply, name, kind):
        for _hop in range(20):
            found = self._records.get((name, kind))
            alias = self._records.get((name, "CNAME"))
            for rr in found or alias or ():
                reply.add_answer(rr)
            if found or not alias:
                break
            name = str(alias[0].rdata.label).lower()
            if name.startswith("elsewhere."):
                return  # as a server that does not follow the alias
        if not found:
            if not any(known == name for known, _kind in self._records):
                reply.header.rcode = RCODE.NXDOMAIN
            zone = RR.fromZone("example. 30 IN SOA ns.example. root.example. 1 2 3 4 30")
            reply.add_auth(zone[0])

    async def _stream(self, reader, writer):
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            data = self.answer(await reader.readexactly(length), is_udp=False)
            self.tcp_questions += 1
            if data is not None:
                writer.write(struct.pack("!H", len(data)) + data)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self._server = server

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        answer = self._server.answer(data, is_udp=True)
        if answer is not None:
            self._transport.sendto(answer, address)
