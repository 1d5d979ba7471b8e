"""What can be looked for in a text that somebody pasted: log lines, bounces, errors, headers.

Always:
    Readings go from what can be only one message (trace code, a log line with its time) to what
    can be many (an address, a client).
"""

import re
from collections.abc import Iterator

from glassmail.core.model import code
from glassmail.events import send_lines, smtpd_lines
from glassmail.events.case import Query
from glassmail.events.line_times import Timed, take_time
from glassmail.events.send_lines import SendLine
from glassmail.events.smtpd_lines import SmtpdLine
from glassmail.explain.hops import Header, read_header
from glassmail.explain.question import (
    Question,
    Reading,
    around,
    client_of,
    of_file_name,
    remote_id,
)
from glassmail.explain.said import advice_of_text
from glassmail.store.history.remote_ids import ids_in

LINES_MAX = 200  # read as log lines
ADDRESSES_MAX = 6
_DAY_NS = 86_400_000_000_000
_HOUR_NS = 3_600_000_000_000
_NEARLY_NS = 15_000_000_000  # a scanner notices late that its parent is gone

_CODE = re.compile(
    r"(?<![0-9A-Za-z-])[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{2}(?:/[0-9]{1,9})?(?![0-9A-Za-z-])"
)
_ADDRESS = re.compile(
    r"(?<![^\s<>\[\]():;,\"'=])[^\s<>\[\]():;,\"'@=\x00-\x20\x7f][^\s<>\[\]():;,\"'@\x00-\x20\x7f]"
    r"{0,900}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?=$|[^A-Za-z0-9.-]|\.(?:\s|$))"
)
_IP = re.compile(r"(?<![0-9A-Za-z.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F:]{3,39})"
                 r"(?![0-9A-Za-z:]|\.[0-9])")  # fmt: skip
_MESSAGE_ID = re.compile(r"(?i)message-id:?\s*<([^<>\s]{3,900})>")
_FAILED = re.compile(r"(?m)^<([^<>\s]{1,1002}@[^<>\s]+)>:\s*$")  # QSBMF's paragraphs
_FINAL = re.compile(r"(?im)^(?:final|original)-recipient:\s*rfc822;\s*<?([^\s<>]+@[^\s<>]+?)>?\s*$")
_COPY = re.compile(r"(?m)^--- (?:Below this line is|Undelivered message follows|The header).*$")
_ORIGINAL = re.compile(r"(?im)^content-type:\s*(?:message/rfc822|text/rfc822-headers).*$")
_NAMED = re.compile(r"(?im)^(from|to|cc):[ \t]*((?:.*)(?:\n[ \t].*)*)")
_FILE = re.compile(r"[0-9]{9,11}\.M[0-9]{1,18}R[0-9]{1,9}\S*")


def understand_pasted(text: str, now: int) -> Question:
    """Find what can be looked for in a text.

    Args:
        text: as it was pasted.
        now: nanoseconds since 1970, for stamps of log lines without a year.
    """
    header = "" if _is_bounce(text) else _header_of(text)
    readings = [*_codes(text)]
    readings += _own_replies(text)
    readings += _log_lines(text, now)
    copy = _copy_of(text)
    for part in (copy, header):
        found = read_header(part) if part else None
        if found is not None:
            readings += _of_header(found)
    readings += [Reading("Message-ID", Query(("message_id",), text=m)) for m in
                 dict.fromkeys(_MESSAGE_ID.findall(text))]  # fmt: skip
    readings += [reading for name in _FILE.findall(text) for reading in of_file_name(name)]
    is_header = bool(header)
    if not is_header:
        readings += [
            Reading("another server's queue id", remote_id(name.decode("ascii")))
            for name in reversed(ids_in(text.encode("utf-8", "replace")))
        ]
    failed = [*_FAILED.findall(text), *_FINAL.findall(text)]
    # Other mail of the same people is not what the owner of a header asks about.
    pairs = list(_pairs(header)) if is_header else []
    readings += pairs or _addresses(failed or _ADDRESS.findall(text))
    if not is_header:
        clients = dict.fromkeys(filter(None, map(client_of, _IP.findall(text))))
        readings += [Reading("client", Query(("client",), text=client)) for client in clients]
    advice = advice_of_text(text.encode("utf-8", "replace"))
    if advice.id.startswith("scanner_"):
        readings += _sessions_then(text, now)
    shown = next((line for line in text.splitlines() if line.strip()), "")
    return Question(shown, tuple(readings), header or copy, advice, is_pasted=True)


def _header_of(text: str) -> str:
    return text if read_header(text) is not None else ""


def _is_bounce(text: str) -> bool:
    return bool(_copy_of(text)) or bool(_FAILED.search(text)) or bool(_FINAL.search(text))


def _copy_of(text: str) -> str:
    """Return the copy of the message that a bounce holds."""
    start = _COPY.search(text) or _ORIGINAL.search(text)
    if start is None:
        return ""
    rest = text[start.end() :].lstrip("\r\n")
    return rest if read_header(rest) is not None else ""


def _codes(text: str) -> Iterator[Reading]:
    for word in dict.fromkeys(_CODE.findall(text)):
        number = code.parse(word.encode("ascii"))
        if number is not None:
            yield Reading("trace code", Query(("code",), number=number[0], part=number[1]))


def _of_header(header: Header) -> Iterator[Reading]:
    own = header.own
    if own is not None and own.code:
        yield Reading("trace code", Query(("code",), number=own.code, part=own.part))
    if header.message_id:
        yield Reading("Message-ID", Query(("message_id",), text=header.message_id))
    if own is not None and own.number and own.at:
        # Our queue's number with the time of the line. A second is cut off in the line.
        query = around(Query(("message",), number=own.number), own.at, 1_000_000_000)
        yield Reading("our queue's line in the header", query)
    for hop in header.hops:
        if hop.id and not hop.is_ours:
            yield Reading("another server's queue id", remote_id(hop.id))
    at = header.newest_at
    for address in dict.fromkeys(header.delivered_to):
        query = Query(("address",), text=address, since=max(0, at - _DAY_NS),
                      until=at + _DAY_NS if at else 0)  # fmt: skip
        yield Reading("address in Delivered-To", query)


def _pairs(text: str) -> Iterator[Reading]:
    """Read sender and recipients of a header, around its time: of both together there is less."""
    header = read_header(text)
    if header is None:
        return
    named: dict[str, list[str]] = {}
    for name, value in _NAMED.findall(text.partition("\n\n")[0]):
        named.setdefault(name.lower(), []).extend(_ADDRESS.findall(value))
    senders = [header.sender, *named.get("from", ())]
    recipients = [*header.delivered_to, *named.get("to", ()), *named.get("cc", ())]
    at = header.newest_at
    for sender in dict.fromkeys(filter(None, senders)):
        for recipient in list(dict.fromkeys(recipients))[:ADDRESSES_MAX]:
            query = Query(("address",), text=recipient, sender=sender,
                          since=max(0, at - _HOUR_NS), until=at + _DAY_NS if at else 0)  # fmt: skip
            yield Reading("sender and recipient in the header", query)


# What this server, as every qmail, answers at the end of DATA: it may be in the sender's log.
_OWN_REPLY = re.compile(r"\bok ([0-9]{9,11}) qp ([0-9]{1,18})\b")


def _own_replies(text: str) -> Iterator[Reading]:
    for seconds, number in dict.fromkeys(_OWN_REPLY.findall(text)):
        query = Query(("message",), number=int(number))
        at = int(seconds) * 1_000_000_000
        yield Reading("our reply to the message", around(query, at, 1_000_000_000))


def _log_lines(text: str, now: int) -> Iterator[Reading]:
    for line in text.splitlines()[:LINES_MAX]:
        yield from _of_record(line)
        stamped = take_time(line.strip().encode("utf-8", "replace"), now)
        sent = send_lines.read(stamped.text)
        if sent is not None:
            yield from _of_send_line(sent, stamped)
            continue
        said = smtpd_lines.read(stamped.text)
        if said is not None:
            yield from _of_smtpd_line(said, stamped)


# A line of log/records: `{"record":"delivery","time":"...","message":7` or key=value words.
_RECORD_MESSAGE = re.compile(r'(?:"message": ?|(?:^| )message=)([0-9]{1,18})\b')
_RECORD_TIME = re.compile(r'(?:"time": ?"|(?:^| )time=)([0-9T:.+-]{19,35}Z?)')


def _sessions_then(text: str, now: int) -> Iterator[Reading]:
    """A scanner's log names no client: what broke off at its time is the next best."""
    at = take_time(text.strip().encode("utf-8", "replace"), now).at
    if at:
        query = Query(("time",), since=at - _NEARLY_NS, until=at + _NEARLY_NS)
        yield Reading("what went wrong in sessions at that time", query)


def _of_record(line: str) -> Iterator[Reading]:
    message, at = _RECORD_MESSAGE.search(line), _RECORD_TIME.search(line)
    if message is not None and at is not None:
        timed = take_time(at[1].encode("ascii"), 0)
        query = Query(("message",), number=int(message[1]))
        yield Reading("record of the log", around(query, timed.at, 60_000_000_000))


def _of_send_line(line: SendLine, stamped: Timed) -> Iterator[Reading]:
    words = "qmail-send's log line"
    queries = []
    if line.message:
        queries.append(Query(("message",), number=line.message))
    elif line.delivery:
        queries.append(Query(("delivery",), number=line.delivery))
    for query in queries:
        if stamped.at:
            yield Reading(words, around(query, stamped.at, stamped.precision))
        else:
            yield Reading(f"{words} (without its time, the newest of that number)", query)
    if line.address:
        address = line.address.decode("utf-8", "backslashreplace")
        query = Query(("address",), text=address)
        yield Reading(words, around(query, stamped.at, stamped.precision))


def _of_smtpd_line(line: SmtpdLine, stamped: Timed) -> Iterator[Reading]:
    words = "log line of a session"
    if line.code:
        yield Reading(words, Query(("code",), number=line.code, part=line.part))
    if line.client:
        query = Query(("client",), text=client_of(line.client) or line.client)
        yield Reading(words, around(query, stamped.at, stamped.precision + 1_000_000_000))
    for address in (line.recipient, line.sender):
        if address and stamped.at:
            query = Query(("address",), text=address.decode("utf-8", "backslashreplace"))
            yield Reading(words, around(query, stamped.at, stamped.precision))


def _addresses(found: list[str]) -> Iterator[Reading]:
    for address in list(dict.fromkeys(found))[:ADDRESSES_MAX]:
        bare = address.rstrip(".")
        yield Reading("address or Message-ID", Query(("address", "message_id"), text=bare))
