"""Start of the queue process."""

import os
import signal
import sys
import time

import apsw

from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.queue.overview import keep_telling
from glassmail.daemons.queue.process import QueueProcess
from glassmail.daemons.queue.server import QueueServer
from glassmail.events.process import Alerted
from glassmail.net.reporter import tell_once
from glassmail.settings.place import Place
from glassmail.store.control import ControlError, Controls
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.disk import RESERVE_BYTES, QueueDisk
from glassmail.store.queue.salvage import Salvaged, is_damage, is_marked, salvage
from glassmail.store.queue.schema import InUseError, StoreError

CANNOT_START = 111
IN_USE_WAIT_S = 60.0  # for somebody who reads the queue of a stopped server
IN_USE_PAUSE_S = 0.1


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
        store, salvaged = _open_store(place)
    except (ControlError, StoreError, apsw.Error, OSError) as error:
        text = f"cannot start: {error}"
        sys.stderr.write(f"glass queue: {text}\n")
        tell_once(place.log_socket, "queue", Alerted(time.time_ns(), "queue", text))
        return CANNOT_START

    async def start(life: Life) -> None:
        process = QueueProcess(life, store, disk, controls)
        controls.tell_problems(process.setting_broken, "queue")
        server = QueueServer(process)
        life.on_reload = process.reload
        life.on_alarm = process.alarm
        life.on_stop = process.stop
        if salvaged is not None:
            _tell_salvaged(process, salvaged)
        _tidy(process, has_lost_rows=salvaged is not None)
        server.listen()
        process.start()
        keep_telling(process)

    return live(context, start)


def _open_store(place: Place) -> tuple[QueueStore, Salvaged | None]:
    """Open the store; when it is damaged, set it aside and save what can be read."""
    directory = place.path("queue")
    if not os.path.lexists(place.queue_db):
        _keep_wal(place)
    if not is_marked(directory):
        try:
            return _open_when_free(place), None
        except (StoreError, apsw.Error) as error:
            if not is_damage(error):
                raise
    salvaged = salvage(directory, place.queue_aside)
    return QueueStore(place.queue_db), salvaged


def _open_when_free(place: Place) -> QueueStore:
    """Open the store; wait for somebody who reads it, as `glass queue list` does."""
    give_up_at = time.monotonic() + IN_USE_WAIT_S
    is_told = False
    while True:
        try:
            return QueueStore(place.queue_db)
        except InUseError as error:
            if time.monotonic() > give_up_at:
                raise
            if not is_told:
                sys.stderr.write(f"glass queue: waiting: {error}\n")
                is_told = True
            time.sleep(IN_USE_PAUSE_S)


def _keep_wal(place: Place) -> None:
    """Keep a write-ahead log whose database is gone: SQLite would remove it, and mail with it."""
    wal = place.queue_db + "-wal"
    if os.path.lexists(wal) and os.lstat(wal).st_size:
        kept = os.path.join(place.queue_aside, f"queue.db.wal.{int(time.time())}.{os.getpid()}")
        os.rename(wal, kept)
        text = f"the queue's database is gone, but its write-ahead log was there: it is now {kept}"
        tell_once(place.log_socket, "queue", Alerted(time.time_ns(), "queue", text))


def _tell_salvaged(process: QueueProcess, salvaged: Salvaged) -> None:
    lost = salvaged.known - salvaged.saved
    text = (
        f"the queue's database was damaged: it is now {salvaged.aside}; {salvaged.saved} messages "
        f"were saved from it" + (f", {lost} could not be" if lost else "")
        + ": glass why tells which messages had been accepted"
    )  # fmt: skip
    process.reporter.tell(Alerted(time.time_ns(), "queue", text))


def _tidy(process: QueueProcess, *, has_lost_rows: bool) -> None:
    """Remove half-made bodies of an ended process; tell what does not belong here.

    A body without a row is half-made when this store's last run left it: nobody was promised
    anything. But when the store has lost rows, was made anew or put back from a copy, it may be
    somebody's mail. Of a copy only the log knows, which holds later facts then.
    """
    sizes = process.store.files()
    bodies, foreign = process.disk.unreferred(set(sizes))
    if bodies and (has_lost_rows or process.store.is_new):
        _clear(process, bodies, is_behind=True)
    elif bodies:
        process.facts.on_first = lambda is_ahead: _clear(process, bodies, is_behind=is_ahead)
    for name in foreign:
        process.warn(f"queue/body/{name} does not belong to any message: left alone")
    for name, size in process.disk.wrong(sizes):
        fault = "is missing" if size is None else f"has {size} bytes instead of {sizes[name]}"
        text = f"queue/body/{name} {fault}: its message cannot be delivered"
        process.reporter.tell(Alerted(time.time_ns(), "queue", text))


def _clear(process: QueueProcess, bodies: list[str], *, is_behind: bool) -> None:
    aside = process.life.context.place.queue_aside
    try:
        for name in bodies:
            if is_behind:
                process.disk.set_aside(name, aside)
            else:
                process.disk.remove_body(name)
    except OSError as error:
        process.warn(f"queue/body cannot be tidied: {error}")
        return
    if is_behind:
        process.warn(f"moved {len(bodies)} body files without a message to queue/aside")
    else:
        process.warn(f"removed {len(bodies)} half-made body files of an earlier run")
