"""Start of the queue process."""

import os
import signal
import sys
import time

from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.queue.process import QueueProcess
from glassmail.daemons.queue.server import QueueServer
from glassmail.events.process import Alerted
from glassmail.net.reporter import tell_once
from glassmail.store.control import ControlError, Controls
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.disk import RESERVE_BYTES, QueueDisk
from glassmail.store.queue.schema import StoreError

CANNOT_START = 111


def main(context: Context) -> int:
    """Run the queue until it is told to stop; 111 when it cannot start."""
    os.umask(0o077)
    place = context.place
    # qmail's admins send these while a start is under way too; before the loop they do no harm.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        controls = Controls(place.control)
        disk = QueueDisk(place.path("queue"), place.queue_bodies)
        if disk.free_bytes() < RESERVE_BYTES:
            disk.free_reserve()  # opening a database may have to write
        store = QueueStore(place.queue_db)
    except (ControlError, StoreError, OSError) as error:
        text = f"cannot start: {error}"
        sys.stderr.write(f"glass queue: {text}\n")
        tell_once(place.log_socket, "queue", Alerted(time.time_ns(), "queue", text))
        return CANNOT_START

    async def start(life: Life) -> None:
        process = QueueProcess(life, store, disk, controls)
        controls.tell_problems(process.setting_broken)
        server = QueueServer(process)
        life.on_reload = process.reload
        life.on_alarm = process.alarm
        life.on_stop = process.stop
        _tidy(process)
        server.listen()
        process.start()

    return live(context, start)


def _tidy(process: QueueProcess) -> None:
    """Remove half-made bodies of an ended process; tell what does not belong here."""
    referred = process.store.files()
    removed, foreign = process.disk.sweep(referred)
    if removed:
        process.warn(f"removed {removed} half-made body files of an earlier run")
    for name in foreign:
        process.warn(f"queue/body/{name} does not belong to any message: left alone")
    for name in process.disk.missing(referred):
        text = f"queue/body/{name} is missing: its message cannot be delivered"
        process.reporter.tell(Alerted(time.time_ns(), "queue", text))
