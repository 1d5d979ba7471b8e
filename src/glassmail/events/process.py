"""What processes tell of themselves: starts, deaths, settings that could not be read."""

from typing import ClassVar

from glassmail.events.event import Event


class Notice(Event, tag="notice", frozen=True):
    """A remark of a process, worth a log line but no more."""

    sentence: ClassVar[str] = "{role}: {text}"

    role: str
    text: str


class Warned(Event, tag="warned", frozen=True):
    """Something is wrong but work goes on (qmail: warning)."""

    severity: ClassVar[str] = "warning"
    sentence: ClassVar[str] = "{role}: {text}"

    role: str
    text: str


class Alerted(Event, tag="alerted", frozen=True):
    """Something is wrong and somebody must act (qmail: alert)."""

    severity: ClassVar[str] = "alert"
    sentence: ClassVar[str] = "{role}: {text}"

    role: str
    text: str


class ChildStarted(Event, tag="child_started", frozen=True):
    """The supervisor started a process."""

    sentence: ClassVar[str] = "{role} started as process {pid}"

    role: str
    pid: int


class ChildDied(Event, tag="child_died", frozen=True):
    """A process ended though nobody asked it to; it is started again after pause_s seconds."""

    severity: ClassVar[str] = "alert"
    sentence: ClassVar[str] = "{role} (process {pid}) died: {reason}; starting again in {pause_s} s"

    role: str
    pid: int
    reason: str
    pause_s: float


class SettingBroken(Event, tag="setting_broken", frozen=True):
    """A control file cannot be used; the last good value stays."""

    severity: ClassVar[str] = "alert"
    sentence: ClassVar[str] = "{role}: {problem}; the last good value stays"

    role: str
    problem: str


class Dropped(Event, tag="dropped", frozen=True):
    """Session noise had to be dropped because the log could not keep up."""

    severity: ClassVar[str] = "warning"
    sentence: ClassVar[str] = "{role}: {count} events of sessions were not recorded"

    role: str
    count: int


ProcessEvent = Notice | Warned | Alerted | ChildStarted | ChildDied | SettingBroken | Dropped
