"""What is not as it should be on a site, whether it is served or not: `glass doctor`.

Purpose:
    `examine` asks what `serve` asks before it starts, what `trace` asks about the postmaster of
    each domain and what `queue check` asks, each by the very function that they use, and goes on
    where they stop at the first fault.

Always:
    - Nothing is changed and no other host is asked.
    - A fault is told once, in the area that meets it first; each has its remedy.
    - What our rights do not let us see is told as such, never guessed.
"""

import difflib
import os
import time
from collections.abc import Callable, Container, Iterator
from enum import Enum
from typing import NamedTuple

from glassmail.admin import doctor_domains, queue_check, start_checks
from glassmail.admin.doctor_certificates import SOON, certificate_ends
from glassmail.admin.reload import supervisor_status
from glassmail.core.formats import assign, control
from glassmail.core.formats.assign import AssignError
from glassmail.core.model.system_errors import words_of
from glassmail.core.policy import relay
from glassmail.core.policy.facts import RELAYCLIENT
from glassmail.explain.remedies import advise
from glassmail.explain.running import compare
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.place import Place
from glassmail.settings.registry import Kind
from glassmail.stations.client_rules import NAME, read_rules
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import ControlError, Controls, read_file, take_snapshot

__all__ = ["AREAS", "Finding", "Weight", "examine"]

FREE_SHARE_MIN = 0.05  # of the filesystem of the queue, in blocks and in inodes
SIMILAR_MIN = 0.8  # how alike the name of an unread file and of a setting are, to be told


class Weight(Enum):
    """How much a finding weighs; the value is the word for people and programs."""

    FAULT = "fault"
    WARNING = "warning"
    UNKNOWN = "cannot tell"


class Finding(NamedTuple):
    """Something to mend, or that could not be looked at.

    Attributes:
        weight: what it means for the site.
        area: one of AREAS.
        text: what is wrong and what to do.
    """

    weight: Weight
    area: str
    text: str


_Said = Iterator[tuple[Weight, str]]


def examine(place: Place, *, one_user: bool = False) -> Iterator[Finding]:
    """Look at everything.

    Args:
        place: the site.
        one_user: whether it is served with --one-user.
    """
    case = _Case(place, one_user)
    told: set[str] = set()
    for area, looked in AREAS.items():
        for look in looked.looks:
            for finding in _look(area, look, case, told):
                if finding.text not in told:
                    told.add(finding.text)
                    yield finding
        if not os.path.isdir(place.control):
            return  # there is no site to look at


class _Case(NamedTuple):
    place: Place
    one_user: bool


def _look(
    area: str, look: Callable[[_Case], _Said], case: _Case, told: Container[str]
) -> Iterator[Finding]:
    """Look; what ends the look is a finding too."""
    try:
        for weight, text in look(case):
            yield Finding(weight, area, text)
    except _ERRORS as error:
        is_closed = isinstance(error.__cause__ or error, PermissionError)
        text = f"{error.filename}: {words_of(error)}" if isinstance(error, OSError) else str(error)
        if text in told:
            text = f"{area} could not be looked at: mend this first: {text}"
            is_closed = True
        yield Finding(Weight.UNKNOWN if is_closed else Weight.FAULT, area, text)


_ERRORS = (*start_checks.START_ERRORS, *doctor_domains.ERRORS, queue_check.CheckError)


# --- what serve asks -----------------------------------------------------------------------------


def _site(case: _Case) -> _Said:
    start_checks.refuse_no_site(case.place)
    start_checks.refuse_second_owner(case.place)
    yield from ()


def _listeners(case: _Case) -> _Said:
    found = start_checks.listeners(case.place)
    start_checks.refuse_tls_without_certificate(case.place, found)
    yield from ()


def _name(case: _Case) -> _Said:
    start_checks.refuse_no_name(take_snapshot(case.place.control, ("me",)))
    yield from ()


def _relaying(case: _Case) -> _Said:
    start_checks.refuse_open_relay(take_snapshot(case.place.control, ("rcpthosts", "openrelay")))
    yield from ()


def _daemons(case: _Case) -> _Said:
    uids, is_one_user = start_checks.identities(case.place, one_user=case.one_user)
    if not is_one_user:
        start_checks.refuse_closed_directories(case.place, uids)
    yield from ()


# --- settings ------------------------------------------------------------------------------------


def _settings(case: _Case) -> _Said:
    for name, setting in SETTINGS.items():
        try:
            settings = take_snapshot(case.place.control, (name,))
        except ControlError as error:
            is_closed = isinstance(error.__cause__, PermissionError)
            yield (Weight.UNKNOWN if is_closed else Weight.FAULT), str(error)
            continue
        if setting.kind in (Kind.LIST, Kind.MAP):
            for ignored in settings.table(name).ignored:
                yield Weight.WARNING, f"{ignored}: the line counts for nothing: mend or remove it"
        elif setting.kind is Kind.INT and settings.is_set(name):
            yield from _number(case.place, name, settings.integer(name))


def _number(place: Place, name: str, value: int) -> _Said:
    """A number is read as far as it is one (control_readint), which few mean by `10M`."""
    line = control.parse_line(read_file(place.path("control", name)) or b"")
    if line.strip(b"0123456789"):
        shown = control.show(line)
        yield Weight.WARNING, f"control/{name}:1: {shown} is read as {value}: write digits alone"


def broken_settings(place: Place) -> list[str]:
    """Tell each control file that cannot be used."""
    if not os.path.isdir(place.control):
        return [f"{place.control} does not exist: put it back"]
    case = _Case(place, one_user=False)
    found = _look("settings", _settings, case, ())
    return [each.text for each in found if each.weight is not Weight.WARNING]


def _unread(case: _Case) -> _Said:
    """Files that nobody reads and whose names are nearly those of settings."""
    for name in sorted(os.listdir(case.place.control)):
        if name in SETTINGS or name.partition(".")[0] in SETTINGS:
            continue
        alike = difflib.get_close_matches(name, SETTINGS, 1, SIMILAR_MIN)
        if alike and not os.path.isdir(case.place.path("control", name)):
            yield Weight.WARNING, f"control/{name}: nobody reads it: is control/{alike[0]} meant?"


def _sessions(case: _Case) -> _Said:
    """Patterns and words that stop sessions at their greeting."""
    controls = Controls(case.place.control)
    problem = SettingsReader(controls, case.place, time.monotonic).now().problem
    if problem:
        yield Weight.FAULT, problem


# --- clients and users ---------------------------------------------------------------------------


def _clients(case: _Case) -> _Said:
    path = case.place.tcp_rules
    settings = take_snapshot(case.place.control, ("openrelay",))
    start_checks.refuse_broken_rules(case.place, settings)
    lines = {
        rule.source: None
        for rule in read_rules(path).rules.values()
        if relay.is_blank(dict(rule.environment).get(RELAYCLIENT, b""))
    }
    for source in lines:
        yield Weight.WARNING, f"{source}: {relay.BLANK}"
    if _changed(path) > _changed(path + ".cdb") > 0:
        yield Weight.WARNING, (
            f"{NAME} is newer than {NAME}.cdb: this server goes by the text, tcpserver by the cdb: "
            "run tcprules"
        )


def _users(case: _Case) -> _Said:
    place = case.place
    data = read_file(place.assign)
    if data is None:
        return
    try:
        assign.parse(data)
    except AssignError as error:
        advice = advise("assign_malformed", source=str(error))
        yield Weight.FAULT, f"{advice.fault}; {advice.sentence}"
        return
    if _changed(place.assign) > _changed(place.assign_cdb):
        advice = advise("assign_stale")
        yield Weight.FAULT, f"{advice.fault}; {advice.sentence}"


def _domains(case: _Case) -> _Said:
    for is_fault, text in doctor_domains.ailments(case.place):
        yield (Weight.FAULT if is_fault else Weight.WARNING), text


# --- the queue and the running server ------------------------------------------------------------


def _queue(case: _Case) -> _Said:
    for finding in queue_check.check(case.place).findings:
        how = ": `glass queue check --repair` mends it" if finding.mend else ""
        yield Weight.FAULT, f"{finding.subject}: {finding.sentence}{how}"


def _disk(case: _Case) -> _Said:
    path = case.place.path("queue")
    found = os.statvfs(path)
    for free, whole, what in (
        (found.f_bavail, found.f_blocks, "blocks"), (found.f_favail, found.f_files, "inodes"),
    ):  # fmt: skip
        if whole and free < whole * FREE_SHARE_MIN:
            yield Weight.WARNING, (
                f"{path}: {100 * free // whole} % of the filesystem's {what} are free: make room, "
                "or new mail is refused for a while (452)"
            )


def has_new_listeners(place: Place) -> bool:
    """Tell whether control/listen differs from what a running server listens to."""
    try:
        status = supervisor_status(place)
        wanted = {_named(each.source) for each in start_checks.listeners(place)}
    except (OSError, ValueError, *start_checks.START_ERRORS):
        return False  # nothing to compare with; what is wrong with the file is told elsewhere
    if status is None:
        return False
    return wanted != {_named(source) for row in status["children"] for source in row["listens"]}


def _named(source: str) -> str:
    """Name a listener without the line it stands in."""
    return source.partition(" ")[2]


def _running(case: _Case) -> _Said:
    found = compare(case.place)
    if found.steps and has_new_listeners(case.place):
        text = "control/listen names other listeners than the running server has: glass restart"
        yield Weight.WARNING, text
    for advice in (*found.stale, *found.stopped.values()):
        yield Weight.FAULT, f"{advice.fault}; {advice.sentence}"
    for advice in found.notes:
        yield Weight.WARNING, f"{advice.fault}; {advice.sentence}"


def _certificates(case: _Case) -> _Said:
    for is_fault, text in certificate_ends(case.place):
        yield (Weight.FAULT if is_fault else Weight.WARNING), text


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


class Area(NamedTuple):
    """What is looked at together.

    Attributes:
        sentence: what is asked, for docs/reference/doctor.md.
        looks: each finds what it can, however the others end.
    """

    sentence: str
    looks: tuple[Callable[[_Case], _Said], ...]


# In the order in which faults should be mended.
AREAS = {
    "site": Area("Is there a site, and does no other qmail own it?", (_site,)),
    "settings": Area(
        "Can every control file be read, does each of its lines count, and is there no file that "
        "nobody reads with nearly the name of a setting?",
        (_settings, _unread),
    ),
    "start": Area(
        "Would `glass serve` start: is there a name, a listener, a certificate where a listener "
        "begins with TLS, a list of rcpthosts, and do the users of all daemons reach the site and "
        "the program?",
        (_name, _listeners, _relaying, _daemons),
    ),
    "sessions": Area(
        "Do the patterns and words of the session's settings mean anything?", (_sessions,)
    ),
    "certificates": Area(
        f"Do control/servercert.pem and ssl/*.pem end, within {SOON.days} days or already?",
        (_certificates,),
    ),
    "clients": Area(
        "Can control/tcp.smtp be used, does it not let everybody relay, is no RELAYCLIENT a "
        "blank, and is its cdb as new as the text?",
        (_clients,),
    ),
    "users": Area("Can users/assign be used, and is users/cdb as new?", (_users,)),
    "domains": Area(
        "Does mail for the postmaster of each domain of locals and virtualdomains reach somebody "
        f"(the first {doctor_domains.DOMAINS_MAX}; what `glass trace` would say), has each virtual "
        "domain its lines in the control files, and can each line of vpasswd be read?",
        (_domains,),
    ),
    "queue": Area(
        "Has everything in queue/ its owner and mode, is the queue whole (what `glass queue check` "
        "would say; the database only while no server runs), and is there room on its disk?",
        (_queue, _disk),
    ),
    "running server": Area(
        "Does the server that runs use the tables that the files hold, and does it deliver?",
        (_running,),
    ),
}
