"""The settings of the log process, read once at its start."""

from typing import NamedTuple

from glassmail.core.formats.log_outlets import Outlet, OutletError, parse_outlets, parse_processors
from glassmail.daemons.log.metrics import MetricsError, parse_place
from glassmail.events import records, stamps
from glassmail.events.text_log import ALL_LOGS
from glassmail.store.control import ControlError, Snapshot, take_snapshot

NAMES = (
    "logsize", "logfiles", "historydays", "historygigabytes", "logstamp", "logto", "logprocessor",
    "logrecords", "metrics",
)  # fmt: skip


class TextSettings(NamedTuple):
    """How text logs are written.

    Attributes:
        size: bytes of a file before it is rotated; files: how many are kept.
        stamp: one of events.stamps.KINDS; records: one of events.records.FORMS.
        outlets: where lines go; processors: log -> program for finished files.
    """

    size: int
    files: int
    stamp: str
    records: str
    outlets: tuple[Outlet, ...]
    processors: dict[str, bytes]


def read(directory: str) -> Snapshot:
    """Read the control files of the log; raises ControlError."""
    return take_snapshot(directory, NAMES)


def text_settings(snapshot: Snapshot) -> TextSettings:
    """Check and join what concerns the text logs; raises ControlError."""
    try:
        outlets = parse_outlets(snapshot.table("logto"))
        processors = parse_processors(snapshot.table("logprocessor"), ALL_LOGS)
    except OutletError as error:
        raise ControlError(str(error)) from error
    return TextSettings(
        snapshot.integer("logsize"),
        snapshot.integer("logfiles"),
        _one_of(snapshot, "logstamp", stamps.KINDS),
        _one_of(snapshot, "logrecords", records.FORMS),
        outlets,
        processors,
    )


def metrics_place(snapshot: Snapshot) -> tuple[str, int] | None:
    """Where the metrics are served; raises ControlError."""
    text = snapshot.line("metrics").decode("ascii", "replace")
    try:
        return parse_place(text) if text else None
    except MetricsError as error:
        raise ControlError(str(error)) from error


def _one_of(snapshot: Snapshot, name: str, values: tuple[str, ...]) -> str:
    value = snapshot.line(name).decode("ascii", "replace")
    if value not in values:
        raise ControlError(f"control/{name}:1: {value}: write one of {', '.join(values)}")
    return value
