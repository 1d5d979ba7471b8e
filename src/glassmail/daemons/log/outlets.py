"""Where log lines go besides files: syslog and the journal (control/logto)."""

from collections.abc import Callable, Sequence

from glassmail.core.formats.log_outlets import FILES, JOURNAL, Outlet
from glassmail.events import journal_fields, syslog_lines
from glassmail.events.event import Event
from glassmail.events.text_log import SEND, SERVE, SMTPD, plain_lines
from glassmail.net.log_socket import LogSocket

# Whom syslog and the journal name; `qmail` is what `splogger qmail` in run scripts made usual.
TAGS = {SEND: b"qmail", SMTPD: b"smtpd", SERVE: b"glassmail"}
RBLSMTPD = b"rblsmtpd"  # of lines in its form: fail2ban's filter `qmail` looks for that name


class Outlets:
    """All sockets of the site."""

    def __init__(self, outlets: Sequence[Outlet], tell: Callable[[str], None]) -> None:
        """Make them; tell: told of troubles."""
        self._sockets = [
            (outlet, LogSocket(outlet.path, tell)) for outlet in outlets if outlet.kind != FILES
        ]

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def add(self, events: Sequence[Event]) -> None:
        """Send the lines of events, each with its own time."""
        for event in events:
            name, lines = plain_lines(event)
            tag = TAGS[name]
            for outlet, receiver in self._sockets:
                if outlet.kind == JOURNAL:
                    rest = journal_fields.fields_of(event, tag)
                    for line in lines:
                        receiver.send(journal_fields.entry(line, rest))
                    continue
                for line in lines:
                    who = RBLSMTPD if line.startswith(b"rblsmtpd: ") else tag
                    for datagram in syslog_lines.datagrams(line, event.at, who, outlet.facility):
                        receiver.send(datagram)

    def close(self) -> None:
        """Close the sockets."""
        for _outlet, receiver in self._sockets:
            receiver.close()
