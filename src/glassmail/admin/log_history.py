"""What `glass log import` and `glass log forget` do: bring history in, take an address out."""

import os
import time
from collections.abc import Callable, Sequence

import apsw
import msgspec

from glassmail.core.route.rewrite import route
from glassmail.net.blocking import ChannelError, connect
from glassmail.net.messages import Failed, Hello, Request, Rows, encode
from glassmail.settings.place import Place
from glassmail.stations.routing import routing_tables
from glassmail.store.control import ControlError, take_snapshot
from glassmail.store.history.days import IMPORTS, day_of, imports_in
from glassmail.store.history.forgetting import (
    Forgotten,
    forget_history,
    forget_logs,
    forms_of,
)
from glassmail.store.history.importing import Imported, build
from glassmail.store.history.schema import HistoryError

FORGET_TIMEOUT_S = 3_600.0  # all days are read
NAME_LENGTH_MAX = 60
_TABLES = ("envnoathost", "percenthack", "locals", "virtualdomains", "me")
_decoder: msgspec.msgpack.Decoder[Rows | Failed] = msgspec.msgpack.Decoder(Rows | Failed)


class LogHistoryError(Exception):
    """It cannot be done; str() says why and what to do. `status` is the exit status."""

    def __init__(self, text: str, status: int = 3) -> None:
        super().__init__(text)
        self.status = status


def import_logs(
    place: Place, sources: Sequence[str], name: str, tell: Callable[[str], None]
) -> Imported:
    """Read another server's logs into the history under a name; an import of that name goes.

    Raises:
        LogHistoryError: nothing was changed.
    """
    if not name or len(name) > NAME_LENGTH_MAX or not name.replace("-", "").isalnum():
        raise LogHistoryError(f"{name!r} is no name: use letters, digits and hyphens", 2)
    now = time.time_ns()
    directory = os.path.join(place.history, IMPORTS, name)
    try:
        owner = os.stat(place.history)
        keep = take_snapshot(place.control, ("historydays",)).integer("historydays")
        os.makedirs(os.path.dirname(directory), 0o700, exist_ok=True)
        done = build(directory, sources, now, day_of(now) - keep + 1, tell)
        _give(os.path.dirname(directory), owner.st_uid, owner.st_gid)
    except FileNotFoundError as error:
        raise LogHistoryError(f"{error.filename}: no such file or directory", 1) from error
    except PermissionError as error:
        told = f"{error.filename}: {error.strerror}: ask as root or as the site's owner"
        raise LogHistoryError(f"not imported: {told}") from error
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise LogHistoryError(f"not imported: {told}") from error
    except (HistoryError, ControlError) as error:
        raise LogHistoryError(f"not imported: {error}") from error
    return done


def names_of_imports(place: Place) -> list[str]:
    """Return the names of the imports."""
    return [os.path.basename(path) for path in imports_in(place.history)]


def _give(directory: str, uid: int, gid: int) -> None:
    """Let the log process read and sweep what root made."""
    if os.geteuid() != 0:
        return
    os.chown(directory, uid, gid)
    for base, below, files in os.walk(directory):
        for one in (*below, *files):
            os.chown(os.path.join(base, one), uid, gid, follow_symlinks=False)


def forget_address(place: Place, address: str) -> Forgotten:
    """Take an address out of the history and the text logs, by the log process when it runs.

    Raises:
        LogHistoryError: it was not done, or not everywhere.
    """
    raw = os.fsencode(address)
    forms = forms_of(raw, _routed(place, raw))
    try:
        channel = connect(place.log_socket, FORGET_TIMEOUT_S)
    except PermissionError as error:
        raise LogHistoryError(f"{error}: ask as root or as the site's owner") from error
    except OSError:
        return _by_hand(place, forms)
    try:
        channel.send(encode(Hello("client", os.getpid())))
        words: list[str | int] = [os.fsdecode(form) for form in forms]
        channel.send(encode(Request(1, "forget", {"forms": words})))
        frame = channel.receive()
        message = _decoder.decode(frame[0]) if frame is not None else Failed(1, 3, "it hung up")
    except (OSError, ChannelError, msgspec.MsgspecError) as error:
        raise LogHistoryError(f"the log process did not answer: {error}: try again") from error
    finally:
        channel.close()
    if isinstance(message, Failed):
        raise LogHistoryError(message.text, message.exit)
    return Forgotten(**msgspec.json.decode(message.rows[0]))


def _by_hand(place: Place, forms: tuple[bytes, ...]) -> Forgotten:
    """No log process runs: nobody else writes."""
    if not os.path.isdir(place.root):
        raise LogHistoryError(f"{place.root}: no such site: name it by --root")
    try:
        done = forget_history(place.history, forms)
        texts = forget_logs(place.log, forms)
    except (OSError, apsw.Error) as error:
        text = f"not forgotten everywhere: {error}: ask as root or as the site's owner"
        raise LogHistoryError(text) from error
    return done._replace(lines=texts.lines, files=texts.files)


def _routed(place: Place, address: bytes) -> tuple[bytes, ...]:
    """Return what deliveries call the address; nothing when the tables cannot be read."""
    try:
        tables = routing_tables(take_snapshot(place.control, _TABLES))
    except ControlError:
        return ()
    return (route(address, tables).address,)
