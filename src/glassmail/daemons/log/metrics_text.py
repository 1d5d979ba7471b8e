"""The figures in Prometheus' text format (exposition format 0.0.4): every metric declared once.

A metric is a name, a kind, a sentence, and where its samples come from: the totals since the log
process began, the last pulses of smtpd and queue, or both. What is not known is left out.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Numbers = dict[str, Any]
Samples = Iterator[tuple[Labels, float]]


class Metric(NamedTuple):
    """One metric; samples makes labels and values of what is known."""

    name: str
    kind: str
    about: str
    samples: Callable[[Numbers], Samples]


def _total(name: str) -> Callable[[Numbers], Samples]:
    def samples(numbers: Numbers) -> Samples:
        yield {}, numbers["totals"].get(name, 0)

    return samples


def _busy(name: str) -> Callable[[Numbers], Samples]:
    def samples(numbers: Numbers) -> Samples:
        if name in numbers["busy"]:
            yield {}, numbers["busy"][name]

    return samples


def _queue(name: str) -> Callable[[Numbers], Samples]:
    def samples(numbers: Numbers) -> Samples:
        for process in numbers["processes"]:
            if process["role"] == "queue" and name in process:
                yield {}, process[name]

    return samples


def _channels(end: str) -> Callable[[Numbers], Samples]:
    def samples(numbers: Numbers) -> Samples:
        for process in numbers["processes"]:
            if process["role"] == "queue":
                for channel in ("local", "remote"):
                    yield {"channel": channel}, process[channel + end]

    return samples


def _attempts(numbers: Numbers) -> Samples:
    for channel in ("local", "remote"):
        for result in ("success", "deferral", "failure"):
            value = numbers["totals"].get(f"{channel}_{result}", 0)
            yield {"channel": channel, "result": result}, value


def _checks(numbers: Numbers) -> Samples:
    for check, count in sorted(numbers["checks"].items()):
        yield {"check": check}, count


def _troubles(numbers: Numbers) -> Samples:
    for severity in ("warning", "alert"):
        yield {"severity": severity}, numbers["totals"].get(severity, 0)


def _began(numbers: Numbers) -> Samples:
    yield {}, numbers["began"] / 1_000_000_000


METRICS = (
    Metric("glassmail_sessions_open", "gauge", "SMTP sessions open now.", _busy("sessions")),
    Metric("glassmail_sessions_limit", "gauge", "SMTP sessions that may be open at once.",
           _busy("sessions_most")),
    Metric("glassmail_sessions_total", "counter", "SMTP sessions that ended.", _total("sessions")),
    Metric("glassmail_refusals_total", "counter",
           "Commands and messages answered 4xx or 5xx, by the check that decided.", _checks),
    Metric("glassmail_messages_accepted_total", "counter", "Messages taken into the queue.",
           _total("accepted")),
    Metric("glassmail_accepted_bytes_total", "counter", "Bytes of the messages taken.",
           _total("accepted_bytes")),
    Metric("glassmail_deliveries_total", "counter", "Delivery attempts that ended, by result.",
           _attempts),
    Metric("glassmail_bounces_total", "counter", "Bounces queued.", _total("bounced")),
    Metric("glassmail_messages_ended_total", "counter", "Messages that left the queue.",
           _total("ended")),
    Metric("glassmail_deliveries_running", "gauge", "Delivery attempts under way.",
           _channels("")),
    Metric("glassmail_deliveries_limit", "gauge",
           "Delivery attempts that may be under way: concurrencylocal, concurrencyremote.",
           _channels("_most")),
    Metric("glassmail_queue_messages", "gauge", "Messages in the queue.", _queue("messages")),
    Metric("glassmail_queue_unprocessed", "gauge",
           "Messages in queue/drop, not yet in the queue.", _queue("unprocessed")),
    Metric("glassmail_queue_disk_full", "gauge", "1 while the queue's disk is full, else 0.",
           _queue("full")),
    Metric("glassmail_queue_facts_unconfirmed", "gauge",
           "Batches of facts that the history does not hold yet.", _queue("facts_unconfirmed")),
    Metric("glassmail_troubles_total", "counter", "Warnings and alerts of the processes.",
           _troubles),
    Metric("glassmail_log_start_time_seconds", "gauge",
           "When the log process began to count, seconds since 1970.", _began),
)  # fmt: skip


def render(numbers: Numbers) -> bytes:
    """Write all metrics of LiveQuestions.numbers()."""
    lines: list[str] = []
    for metric in METRICS:
        samples = list(metric.samples(numbers))
        if not samples:
            continue
        lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value}" for labels, value in samples]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
