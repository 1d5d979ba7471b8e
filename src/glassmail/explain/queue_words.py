"""What the figures of the queue mean in words, and what to do when it grows.

Purpose:
    `load_words` explains qmail's `status:` line; `advise_queue` looks at what waits and names what
    stands out: a destination, a sender, a reason, bounces, busy slots.

Always:
    Every sentence stands here once. A figure is named with the setting that bounds it.
"""

from collections.abc import Mapping
from typing import NamedTuple

MANY = 25_000  # from so many messages on a person should look
_MOST = 0.5  # a part of the queue that stands out


class Load(NamedTuple):
    """Deliveries that run and may run, as in qmail's status line."""

    local: int
    local_most: int
    remote: int
    remote_most: int
    is_exiting: bool = False


class Waiting(NamedTuple):
    """What waits, summed up; the counts are of messages for senders, of recipients else."""

    messages: int
    recipients: int
    bounces: int
    destinations: Mapping[str, int]
    senders: Mapping[str, int]
    causes: Mapping[str, int]


SENTENCES = {
    "none": "no {channel} delivery is running (up to {most} may: control/concurrency{channel})",
    "some": "{count} of {most} {channel} deliveries are running (control/concurrency{channel})",
    "all": "all {most} {channel} deliveries that may run are running: what is due waits for a free "
           "one; a larger number in control/concurrency{channel} and glass reload allow more",
    "off": "control/concurrency{channel} is 0: no {channel} delivery is started",
    "exiting": "the server is ending: nothing new is started, what runs is finished",
    "many": "{messages} messages wait, more than {many}: new mail is not delayed by them, but "
            "somebody should know why",
    "destination": "{share} % of them go to {name}: look at one with `glass queue list --to "
                   "{name}`; while that host is down they cost nothing, and are given up after "
                   "control/queuelifetime",
    "sender": "{share} % of them come from {name}: if that is no mailing list, an account or a "
              "program is being misused; `glass log tail -n 50 --from {name}` shows its mail",
    "cause": "{share} % of them wait because {name}",
    "bounces": "{share} % of them are bounces: mail is taken for addresses that do not exist; "
               "control/checkrecipients = 1 refuses it at the door",
    "slots": "every {channel} slot is busy: put a larger number than {most} into "
             "control/concurrency{channel}, then glass reload",
    "drop": "{count} messages lie in queue/drop, handed in while the queue did not answer; they "
            "are taken in within a minute",
    "full": "the queue's disk is full: no mail is taken until there is room",
}  # fmt: skip


def load_words(load: Load) -> list[str]:
    """Explain `status: local 0/15 remote 1/120`, a sentence for each part."""
    told = [_slots(load.local, load.local_most, "local"),
            _slots(load.remote, load.remote_most, "remote")]  # fmt: skip
    if load.is_exiting:
        told.append(SENTENCES["exiting"])
    return told


def status_line(load: Load) -> str:
    """Write the load as qmail-send's log does."""
    tail = " exitasap" if load.is_exiting else ""
    local, remote = f"{load.local}/{load.local_most}", f"{load.remote}/{load.remote_most}"
    return f"status: local {local} remote {remote}{tail}"


def advise_queue(waiting: Waiting, load: Load, messages: int) -> list[str]:
    """Say what to do about a queue of more than MANY messages; nothing for a smaller one.

    Args:
        waiting: what waits, or a part of it that was looked at.
        load: deliveries that run and may run.
        messages: how many are in the queue.
    """
    if messages <= MANY:
        return []
    told = [SENTENCES["many"].format(messages=f"{messages:,}", many=f"{MANY:,}")]
    told += _outstanding("destination", waiting.destinations, waiting.recipients)
    told += _outstanding("sender", waiting.senders, waiting.messages)
    told += _outstanding("cause", waiting.causes, waiting.recipients)
    if waiting.bounces > waiting.messages * _MOST:
        share = _share(waiting.bounces, waiting.messages)
        told.append(SENTENCES["bounces"].format(share=share))
    for channel, count, most in (
        ("local", load.local, load.local_most), ("remote", load.remote, load.remote_most),
    ):  # fmt: skip
        if count >= most:
            told.append(SENTENCES["slots"].format(channel=channel, most=most))
    return told


def _slots(count: int, most: int, channel: str) -> str:
    name = "off" if not most else "none" if not count else "all" if count >= most else "some"
    return SENTENCES[name].format(count=count, most=most, channel=channel)


def _outstanding(kind: str, counts: Mapping[str, int], total: int) -> list[str]:
    if not counts or not total:
        return []
    name = max(counts, key=lambda key: counts[key])
    if counts[name] <= total * _MOST or not name:
        return []
    return [SENTENCES[kind].format(name=name, share=_share(counts[name], total))]


def _share(part: int, whole: int) -> int:
    return min(100, round(100 * part / whole))
