"""What the queue process tells for live views: deliveries under way, its figures."""

import asyncio
import json

from glassmail.daemons.queue.process import QueueProcess
from glassmail.net.messages import Request, Rows
from glassmail.stations.queue_rows import text_of
from glassmail.store.queue.rows import channel_name

PULSE_S = 5.0


def deliveries(process: QueueProcess, request: Request) -> Rows:
    """List the deliveries under way, oldest first."""
    rows = []
    for number, delivery in process.deliveries.under_way.items():
        active = delivery.turn.carries
        address = delivery.recipient.address
        row = {
            "delivery": number,
            "message": active.id,
            "channel": channel_name(delivery.turn.channel),
            "host": text_of(address.rpartition(b"@")[2]),
            "sender": text_of(active.sender),
            "recipient": text_of(address),
            "born": active.born,
            "began": delivery.began,
        }
        rows.append(json.dumps(row).encode())
    return Rows(request.ref, tuple(rows))


def figures(process: QueueProcess) -> dict[str, int | bool]:
    """The queue in numbers."""
    local, local_most, remote, remote_most, is_exiting = process.deliveries.load()
    return {
        "messages": process.store.count,
        "unprocessed": process.drop.count(),
        "local": local,
        "local_most": local_most,
        "remote": remote,
        "remote_most": remote_most,
        "stopping": is_exiting,
        "full": process.intake.is_full,
        "facts_unconfirmed": process.facts.unconfirmed,
    }


def keep_telling(process: QueueProcess) -> None:
    """Tell the log the figures now and every PULSE_S; the metrics show them."""
    if process.is_ending:
        return
    numbers = {name: int(value) for name, value in figures(process).items()}
    process.reporter.pulse(numbers)
    asyncio.get_running_loop().call_later(PULSE_S, keep_telling, process)
