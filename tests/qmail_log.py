"""A reader of qmail-send's logs in the manner of qmailanalog's matchup: by qmail-log's catalogue.

It knows nothing of this project's renderers: every rule stands here as qmail-log(5) gives it. A
line that fits no rule, or fits none at this place, is a fault.
"""

import re
from collections import Counter

ADDRESS = rb"[^\x00-\x20\x7f-\xff%]*"
STATUS = re.compile(rb"status: local (\d+)/(\d+) remote (\d+)/(\d+)(?: exitasap)?")
NEW = re.compile(rb"new msg (\d+)")
INFO = re.compile(rb"info msg (\d+): bytes (\d+) from <(" + ADDRESS + rb")> qp (\d+) uid (\d+)")
START = re.compile(rb"starting delivery (\d+): msg (\d+) to (local|remote) (" + ADDRESS + rb")")
RESULT = re.compile(rb"delivery (\d+): (success|failure|deferral): (" + ADDRESS + rb")")
BOUNCE = re.compile(rb"bounce msg (\d+) qp (\d+)")
TRIPLE = re.compile(rb"(?:triple|double) bounce: discarding bounce/(\d+)")
END = re.compile(rb"end msg (\d+)")
OTHER = re.compile(
    rb"status: exiting|delivery \d+: report mangled, will defer|(?:alert|warning): .+|running"
)
OWN = re.compile(rb"admin msg \d+: \w+ by uid \d+")  # the one kind of line that qmail lacks


class LogFaultError(AssertionError):
    """A line that an analyser could not use."""


class Totals:
    """What zoverall prints."""

    def __init__(self):
        self.messages = {}
        self.deliveries = {}
        self.ended = []
        self.counts = Counter()
        self.bytes = 0
        self.load = None
        self._awaited = None

    def read(self, lines):
        """Read a whole log, without stamps; raises LogFaultError."""
        for number, line in enumerate(lines, 1):
            try:
                self._line(line)
            except (LogFaultError, KeyError) as error:
                raise LogFaultError(f"line {number}: {line!r}: {error}") from error
        return self

    def _line(self, line):
        awaited, self._awaited = self._awaited, None
        if awaited is not None and awaited.fullmatch(line) is None:
            raise LogFaultError("a status or info line was awaited")
        for rule, take in (
            (STATUS, self._status), (NEW, self._new), (INFO, self._info), (START, self._start),
            (RESULT, self._result), (BOUNCE, self._bounce), (TRIPLE, self._triple),
            (END, self._end),
        ):  # fmt: skip
            match = rule.fullmatch(line)
            if match:
                take(*match.groups())
                return
        if OTHER.fullmatch(line) is None and OWN.fullmatch(line) is None:
            raise LogFaultError("no rule fits")

    def _status(self, *load):
        self.load = tuple(map(int, load))

    def _new(self, number):
        self.messages[number] = None

    def _info(self, number, size, sender, _qp, _uid):
        if number not in self.messages:
            raise LogFaultError("info without new")
        self.messages[number] = (int(size), sender)
        self.bytes += int(size)

    def _start(self, delivery, message, channel, address):
        if self.messages.get(message) is None:
            raise LogFaultError("a delivery of an unknown message")
        self.deliveries[delivery] = (message, channel, address)
        self._awaited = STATUS

    def _result(self, delivery, result, _text):
        self.deliveries.pop(delivery)
        self.counts[result.decode()] += 1
        self._awaited = STATUS

    def _bounce(self, number, _qp):
        self.counts["bounce"] += 1
        self.messages[number] = self.messages[number]

    def _triple(self, _number):
        self.counts["discarded"] += 1

    def _end(self, number):
        del self.messages[number]
        if any(message == number for message, _channel, _address in self.deliveries.values()):
            raise LogFaultError("the end of a message with a delivery under way")
        self.ended.append(number)
