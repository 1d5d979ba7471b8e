"""What is fuzzed of the texts that people paste and import, and of what stands before a session.

As in fuzz_targets: a function takes any bytes and raises nothing.
"""

from contextlib import suppress

from glassmail.core.formats import (
    auth_cdb,
    control,
    dir_control,
    domain_limits,
    log_outlets,
    shadow,
    spf_terms,
)
from glassmail.core.protocol import proxy_protocol
from glassmail.core.protocol.transcript import LINE_BYTES_MAX, Transcript
from glassmail.events import line_times, syslog_lines
from glassmail.events.codec import encode
from glassmail.events.send_story import SendLog
from glassmail.events.smtpd_story import SmtpdLog
from glassmail.explain.hops import delays, read_header
from glassmail.explain.hops_text import hop_lines
from glassmail.explain.question import QuestionError, understand

NOW = 1_795_187_040_000_000_000
_SECRET = b"canary7secret"


def proxy_header(data: bytes) -> None:
    """A header is found as soon as it is whole, whatever arrived behind it."""
    with suppress(proxy_protocol.ProxyError):
        found = proxy_protocol.read(data)
        if found is None:
            return
        assert found.size <= len(data)
        assert proxy_protocol.read(data[: found.size]) == found
        for end in range(min(found.size, 150)):
            assert proxy_protocol.read(data[:end]) is None
        for named in (found.client, found.local):
            assert named is None or (0 <= named[1] < 65_536 and named[0].isascii())


def transcript(data: bytes) -> None:
    """A password between whatever was said is not told."""
    before, _, after = data.partition(b"\t")
    spoken = Transcript()
    lines = spoken.server(b"220 hi\r\n") + spoken.client(b"EHLO a\r\n")
    lines += spoken.server(b"250 hi\r\n") + spoken.client(b"AUTH PLAIN %b\r\n" % _SECRET)
    lines += spoken.server(b"535 no\r\n")
    lines += spoken.client(b"AUTH LOGIN\r\n") + spoken.server(b"334 x\r\n")
    lines += spoken.client(_SECRET + b"\r\n") + spoken.server(b"334 y\r\n")
    lines += spoken.client(_SECRET + b"\r\n") + spoken.server(b"235 ok\r\n")
    lines += spoken.client(before) + spoken.server(after) + spoken.client(before)
    assert not any(_SECRET in line.text for line in lines)
    assert all(len(line.text) <= LINE_BYTES_MAX for line in lines)


def imported_log(data: bytes) -> None:
    """Lines of logs, ours or foreign, make events that can be stored."""
    send, smtpd, events = SendLog(), SmtpdLog(), []
    for number, line in enumerate(data.split(b"\n")):
        stamped = line_times.take_time(line, NOW)
        at = stamped.at or NOW + number
        events += send.feed(at, stamped.text) + smtpd.feed(at, stamped.text)
        for each in syslog_lines.datagrams(stamped.text, NOW, b"qmail", 2):
            assert each.isascii()
    encode(events + send.finish() + smtpd.finish())


def pasted(data: bytes) -> None:
    """Whatever is pasted is a question or an error that says so."""
    with suppress(QuestionError):
        understand("please " + data.decode("utf-8", "replace"), NOW)


def pasted_header(data: bytes) -> None:
    """Any header gives its hops, each with its delay."""
    header = read_header(data.decode("utf-8", "replace"), ["fuzz.test"])
    if header is not None:
        assert len(delays(header)) == len(header.hops)
        assert len(list(hop_lines(header, 80))) >= len(header.hops)


def account_records(data: bytes) -> None:
    """Records of logins and limits: any bytes are a record or an error with its line."""
    for _name, value in auth_cdb.parse(data).environment:
        assert b'"' not in value
    shadow.find(data, b"joe", 20_000)
    assert dir_control.with_count(data, 7).startswith(b"7\n")
    with suppress(domain_limits.LimitsError):
        limits = domain_limits.parse(data)
        assert domain_limits.parse(domain_limits.render(limits)) == limits


def log_settings(data: bytes) -> None:
    """Outlets and processors: settings or an error; SPF terms of any record."""
    table = control.parse_list("fuzz", data)
    with suppress(log_outlets.OutletError):
        log_outlets.parse_outlets(table)
    with suppress(log_outlets.OutletError):
        log_outlets.parse_processors(table, ("send", "smtpd"))
    for term in spf_terms.parse(data):
        assert term
