"""A mailbox's quota at delivery: room, the sums, the text of a refusal, the warning mail.

From WARN_PERCENT on, a mailbox gets the text of `.quotawarn.msg` as a message, once in
WARN_EVERY_S; the file `quotawarn` in its Maildir keeps when (vdelivermail.c, maildirquota.c). The
texts are looked for in the domain's directory, then in the one above it; without a text nobody is
warned.
"""

import os
import time

from glassmail.core.formats import quota
from glassmail.core.formats.date import rfc822
from glassmail.core.formats.quota import Quota
from glassmail.core.model.trail import NO, YES, Step
from glassmail.stations.deliver_programs import Lines
from glassmail.stations.deliver_report import StopDeliveryError
from glassmail.store import domain_usage, maildir_quota
from glassmail.store.maildir_quota import Room

OVER_QUOTA = b"user is over quota\n"
DOMAIN_OVER_QUOTA = b"domain is over quota\n"
OVER_QUOTA_FILE = b".over-quota.msg"
WARNING_FILE = b".quotawarn.msg"
WARN_PERCENT = 90
WARN_EVERY_S = 86_400
_NO_LIMITS = (0, 0)
_WARNED = b"quotawarn"
_MESSAGE_FILE_BYTES_MAX = 8_192


def limit_of(lines: Lines, text: bytes) -> Quota:
    """Read the mailbox's quota; raises StopDeliveryError for one that cannot be read."""
    try:
        return quota.parse(text)
    except quota.QuotaError as error:
        lines.steps.append(Step("delivery.quota", text, NO, str(error)))
        raise StopDeliveryError(111, b"system error\n") from error


def over_quota_text(home: bytes) -> bytes:
    """Return what the sender of a message is told that has no room."""
    return _text_of(home, OVER_QUOTA_FILE) or OVER_QUOTA


def is_domain_full(lines: Lines, size: int) -> bool:
    """Tell whether the domain's own quota leaves no room for a message; raises OSError."""
    home = lines.task.user.home
    most = domain_usage.limits_of(home)
    if most == _NO_LIMITS or domain_usage.has_room(home, most, size):
        return False
    source = f"the domain may hold {most[0]} bytes, {most[1]} messages (0: any), by its limits"
    lines.steps.append(Step("delivery.quota", home, NO, source))
    return True


class Filling:
    """One message on its way into a mailbox with a quota."""

    __slots__ = ("_before", "_limit", "_maildir", "_mark", "_size")

    def __init__(self, maildir: bytes, limit: Quota, size: int, mark: bytes) -> None:
        self._maildir = maildir
        self._limit = limit
        self._size = size
        self._mark = mark
        self._before = Room(True, 0, 0)

    def has_room(self, lines: Lines) -> bool:
        """Tell whether the message fits; raises OSError."""
        self._before = maildir_quota.room(self._maildir, self._limit, self._size)
        if not self._before.fits:
            lines.steps.append(self._step(NO, self._before.held, self._before.messages))
        return self._before.fits

    def note(self, lines: Lines, address: bytes) -> None:
        """Add the message to the sums, and warn the owner when it is time; raises OSError."""
        maildir_quota.add(self._maildir, self._limit, self._size)
        held, count = self._before.held + self._size, self._before.messages + 1
        lines.steps.append(self._step(YES, held, count))
        if maildir_quota.percent(held, count, self._limit) >= WARN_PERCENT:
            self._warn(lines, address)

    def _step(self, answer: str, held: int, count: int) -> Step:
        source = f"{held} bytes, {count} messages of {quota.render(self._limit).decode()}"
        return Step("delivery.quota", self._maildir, answer, source)

    def _warn(self, lines: Lines, address: bytes) -> None:
        now = int(time.time())
        path = self._maildir + _WARNED
        try:
            if os.lstat(path).st_mtime + WARN_EVERY_S > now:
                return
        except FileNotFoundError:
            pass  # the first warning
        text = _text_of(lines.task.user.home, WARNING_FILE)
        if not text:
            return
        # The mark comes first: a warning too few is better than one with every message.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(path, flags | os.O_NONBLOCK, 0o600)
        try:
            os.write(number, b"%d\n" % now)
            os.utime(number)
        finally:
            os.close(number)
        message = _warning(text, address, lines, now)
        lines.files.stage_note(self._maildir, self._mark + b"W", message)
        maildir_quota.add(self._maildir, self._limit, len(message))


def _warning(text: bytes, address: bytes, lines: Lines, now: int) -> bytes:
    """Make the warning: our own lines, then the administrator's header and body."""
    text = text.replace(b"\r\n", b"\n")
    domain = address.rpartition(b"@")[2]
    name = b"%d.%d.%d.quotawarn" % (now, lines.task.message, lines.task.number)
    top = (
        b"Return-Path: <>\n"
        b"Delivered-To: " + address + b"\n"
        b"Date: " + rfc822(now) + b"\n"
        b"Message-ID: <" + name + b"@" + lines.terms.host_name + b">\n"
        b"Auto-Submitted: auto-generated\n"
    )
    first = text.partition(b"\n")[0]
    if b":" not in first or b" " in first.partition(b":")[0]:  # a text without header
        top += (
            b"From: postmaster@" + domain + b"\n"
            b"To: " + address + b"\n"
            b"Subject: Your mailbox is nearly full\n\n"
        )
    return top + text + (b"" if text.endswith(b"\n") else b"\n")


def _text_of(home: bytes, name: bytes) -> bytes:
    """Return the text of a message file: the domain's, else that of the directory above it."""
    for directory in (home, os.path.dirname(home.rstrip(b"/"))):
        try:
            with open(os.path.join(directory, name), "rb") as file:
                return file.read(_MESSAGE_FILE_BYTES_MAX)
        except OSError:
            continue  # an unreadable text is no reason to keep a message from its way
    return b""
