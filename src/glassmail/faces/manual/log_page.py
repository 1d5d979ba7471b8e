"""glassmail-log(5): every kind of line of the text logs, and the records beside them.

The forms of qmail-send's lines are qmail-log's catalogue; the sessions' come from the module that
writes them.
"""

import inspect

from glassmail.events import records, session_lines, text_log
from glassmail.events.qmail_lines import RENDERERS
from glassmail.faces.manual.mdoc import Page
from glassmail.store import multilog, multilog_processor

# Event -> its line in log/send, and when it comes.
SEND_LINES = {
    "accepted": ("new msg N\ninfo msg N: bytes B from <SENDER> qp N uid U",
                 "message N is in the queue, durably; B bytes, handed in by user U"),
    "started": ("starting delivery D: msg N to local|remote ADDRESS\nstatus: local a/A remote b/B",
                "attempt D begins; a of A local and b of B remote deliveries are running"),
    "settled": ("delivery D: success|deferral|failure: TEXT\nstatus: local a/A remote b/B",
                ("attempt D ended; TEXT is the report, made safe: newlines are /, other bytes "
                 "that could mislead a reader are _")),
    "bounced": ("bounce msg N qp M", "the bounce of message N is in the queue as message M"),
    "discarded": ("triple bounce: discarding bounce/N",
                  "a bounce of a double bounce is thrown away"),
    "ended": ("end msg N", "every recipient of message N is settled; it left the queue"),
    "administered": ("admin msg N: VERB by uid U", ("somebody held, released, retried, bounced "
                     "or dropped message N by hand; qmail has no such line")),
    "load": ("status: local a/A remote b/B [exitasap]", "at the start, and when the server ends"),
    "exiting": ("status: exiting", "the queue ended as it was asked to"),
    "warned": ("warning: TEXT", "something is wrong, work goes on"),
    "alerted": ("alert: TEXT", "somebody must act"),
    "setting_broken": ("alert: TEXT", "a control file cannot be used; the last good value stays"),
}  # fmt: skip


def missing() -> list[str]:
    """Events that have a line in log/send but no form here."""
    return [str(kind.__struct_config__.tag) for kind in RENDERERS
            if str(kind.__struct_config__.tag) not in SEND_LINES]  # fmt: skip


def page() -> Page:
    """Make the page."""
    made = Page("glassmail-log", 5, "the text logs: qmail's lines, sessions, records")
    made.section_head("description")
    made.docstring(inspect.getdoc(text_log) or "")
    made.text("A line begins with a TAI64N label, unless `control/logstamp` says otherwise.")
    made.section_head("log/send")
    for form, about in SEND_LINES.values():
        made.literal(form.split("\n"))
        made.text(about)
    made.section_head("log/smtpd")
    made.docstring(inspect.getdoc(session_lines) or "")
    made.section_head("log/serve")
    made.text("News of the processes, a sentence each, with `warning:` or `alert:` in front where "
              "it is one; glassmail-events(5) lists them.")
    made.section_head("log/records")
    made.docstring(inspect.getdoc(records) or "")
    made.section_head("files")
    made.table({"ROOT/log/send/current": "deliveries", "ROOT/log/smtpd/current": "sessions",
                "ROOT/log/serve/current": "processes",
                "ROOT/log/records/current": "records, if control/logrecords is set"})  # fmt: skip
    made.docstring(inspect.getdoc(multilog) or "", values=vars(multilog))
    made.part("Processors")
    made.docstring(inspect.getdoc(multilog_processor) or "", values=vars(multilog_processor))
    made.see_also((("glass-log", 1), ("tai64n", 5), ("tai64nlocal", 8), ("splogger", 8),
                   ("glassmail-control", 5), ("glassmail-logto", 5),
                   ("glassmail-events", 5)))  # fmt: skip
    return made
