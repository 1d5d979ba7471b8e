"""The hops of a header as a table for people and as JSON objects."""

from collections.abc import Iterator
from datetime import UTC

from glassmail.events.fields import code_text, time_of
from glassmail.explain.hops import Header, Hop, delays, read_header
from glassmail.explain.moments import show_moment, show_span
from glassmail.explain.question import Question
from glassmail.explain.steps import printable
from glassmail.explain.why_story import Row
from glassmail.settings.place import Place
from glassmail.store.control import ControlError, take_snapshot

HEADINGS = ("hop", "when (UTC)", "delay", "from", "by", "with")
VOUCHED = "from here on this server can vouch for what the lines say"
UNVOUCHED = "no line on top is this server's: all of them are what others say"
BACKWARDS = "the clock of the server in that line, or of the one above, is wrong"
_FIXED = (3, 19, 7)


def read_hops(place: Place, question: Question) -> Header:
    """Read the header of a question with the names that this server gives itself."""
    header = read_header(question.header, own_names(place), is_own_file=question.is_own_file)
    return header if header is not None else Header((), -1, "", (), "")


def own_names(place: Place) -> list[str]:
    """Return what this server calls itself in `by`; nothing when the settings cannot be read."""
    names = []
    for name in ("me", "helohost"):
        try:
            line = take_snapshot(place.control, (name,)).line(name)
        except ControlError:
            continue  # closed to the caller: then only trace codes tell our lines
        if line:
            names.append(line.decode("ascii", "replace"))
    return names


def hop_rows(header: Header) -> Iterator[Row]:
    """Yield one object a hop, oldest first."""
    for number, (hop, delay) in enumerate(zip(header.hops, delays(header), strict=True), 1):
        yield {
            "kind": "hop",
            "hop": number,
            "time": time_of(hop.at) if hop.at else "",
            "delay_s": None if delay is None else delay // 1_000_000_000,
            "from": hop.sender,
            "ip": hop.ip,
            "by": hop.by,
            "protocol": hop.protocol,
            "id": hop.id,
            "message": hop.number,
            "trace": code_text(hop.code, hop.part),
            "is_ours": hop.is_ours,
            "is_vouched": 0 <= header.vouched < number,
            "line": hop.text,
        }


def hop_lines(header: Header, width: int) -> Iterator[tuple[str, str]]:
    """Yield the lines of the table with their looks, oldest hop first; none without Received."""
    if not header.hops:
        return
    widths = _widths(header, width)
    yield _columns(HEADINGS, widths), "faint"
    for number, (hop, delay) in enumerate(zip(header.hops, delays(header), strict=True), 1):
        if number - 1 == header.vouched:
            yield f"--- {VOUCHED} ---", "head"
        when = show_moment(hop.at, UTC) if hop.at else "?"
        late = "" if delay is None else show_delay(delay)
        cells = (str(number), when, late, _client(hop), _server(hop), _protocol(hop))
        look = "bad" if delay is not None and abs(delay) > 300_000_000_000 else ""
        yield _columns(tuple(printable(cell) for cell in cells), widths), look
    if header.vouched < 0:
        yield UNVOUCHED, "open"
    if any(delay is not None and delay < -2_000_000_000 for delay in delays(header)):
        yield f"negative delay: {BACKWARDS}", "open"


def show_delay(nanoseconds: int) -> str:
    """Write a delay to the second, as Received lines have it."""
    sign = "-" if nanoseconds < 0 else ""
    seconds = abs(nanoseconds) // 1_000_000_000
    if seconds < 120:
        return f"{sign}{seconds} s"
    return sign + show_span(seconds * 1_000_000_000)


def _client(hop: Hop) -> str:
    if hop.number and not hop.sender:
        return f"(qmail #{hop.number})"
    return f"{hop.sender} {hop.ip}".strip() if hop.sender != hop.ip else hop.ip


def _server(hop: Hop) -> str:
    return hop.by or ("the queue" if hop.number else "?")


def _protocol(hop: Hop) -> str:
    return hop.protocol.split(" ")[0]


def _widths(header: Header, width: int) -> tuple[int, ...]:
    """Give each column what it needs; what is missing is cut from the servers' names first."""
    clients, servers, protocols = (
        max((len(cell(hop)) for hop in header.hops), default=0)
        for cell in (_client, _server, _protocol)
    )
    last = min(max(protocols, 4), 12)
    room = width - sum(_FIXED) - 2 * 5 - last
    from_ = min(max(clients, 4), max(room * 3 // 5, room - max(servers, 2)))
    return (*_FIXED, from_, max(2, min(max(servers, 2), room - from_)), last)


def _columns(values: tuple[str, ...], widths: tuple[int, ...]) -> str:
    cells = []
    for value, width in zip(values, widths, strict=True):
        cut = value if len(value) <= width else value[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
        cells.append(cut.ljust(width))
    return "  ".join(cells).rstrip()
