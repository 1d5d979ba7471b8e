"""What the running server holds that the files no longer say.

Purpose:
    The queue reads its routing tables at start and on reload; `trace` reads the files. `compare`
    asks the queue for the fingerprints of what it holds and tells the difference.

Always:
    No server is no fault of a trace: then the files are all there is. Anybody may ask for these.
"""

import json
import os
from typing import Any, NamedTuple

import msgspec

from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.explain.remedies import Advice, advise
from glassmail.net.blocking import ChannelError, connect
from glassmail.net.messages import Failed, Hello, Request, Rows, encode
from glassmail.settings.place import Place
from glassmail.store.control import fingerprint, read_file

ANSWER_S = 5.0
_decoder: msgspec.msgpack.Decoder[Rows | Failed] = msgspec.msgpack.Decoder(Rows | Failed)


class Running(NamedTuple):
    """What was found: steps, and what is wrong.

    Attributes:
        steps: what was asked.
        stale: a remedy for each table that the server holds in an older state.
        stopped: by channel, `local` and `remote`: why the server starts no delivery.
        notes: what a person should know besides.
    """

    steps: Trail = ()
    stale: tuple[Advice, ...] = ()
    stopped: dict[str, Advice] = {}
    notes: tuple[Advice, ...] = ()


def compare(place: Place) -> Running:
    """Compare the files with what the running server holds."""
    try:
        row = _stats(place.queue_socket)
    except FileNotFoundError:
        return Running()  # it never ran here, or was stopped in order
    except (OSError, ChannelError, msgspec.MsgspecError, ValueError) as error:
        is_closed = isinstance(error, PermissionError)
        answer = UNKNOWN if is_closed else NO
        step = Step("queueing.running", os.fsencode(place.root), answer, words_of(error))
        return Running((step,), notes=() if is_closed else (advise("not_running"),))
    steps: list[Step] = []
    stale = []
    for name, held in sorted(row["settings"].items()):
        file = f"control/{name}"
        now = fingerprint(read_file(os.path.join(place.control, name)))
        if now != held:
            steps.append(Step("queueing.tables", file.encode(), NO, "it changed since"))
            stale.append(advise("stale_table", file=file))
    if not stale:
        steps.append(Step("queueing.tables", b"control directory", YES, "fingerprints agree"))
    stopped = {}
    for channel in ("local", "remote"):
        if row[f"{channel}_most"] == 0:
            setting = f"concurrency{channel}"
            source = f"control/{setting} 0"
            steps.append(Step("queueing.deliveries", channel.encode(), NO, source))
            stopped[channel] = advise("no_deliveries", channel=channel, setting=setting)
    return Running(tuple(steps), tuple(stale), stopped)


def gate_counts(place: Place, ip: bytes, account: bytes = b"") -> dict[str, Any] | str:
    """Ask the gate about a client: its connections, its block; a text says why it cannot tell.

    With an account also `login`: whether it may try a password, and what that rests on.
    """
    asked = {"client": ip.decode("ascii", "replace")}
    if account:
        asked["account"] = account.decode("utf-8", "replace")
    try:
        return _ask(place.gate_socket, "counts", asked)
    except (OSError, ChannelError, msgspec.MsgspecError, ValueError) as error:
        return f"the gate was not asked: {words_of(error)}"


def _stats(path: str) -> dict[str, Any]:
    return _ask(path, "stats", {})


def _ask(path: str, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    channel = connect(path, ANSWER_S)
    try:
        channel.send(encode(Hello("client", os.getpid())))
        channel.send(encode(Request(1, verb, arguments)))
        frame = channel.receive()
    finally:
        channel.close()
    if frame is None:
        raise ChannelError("the connection ended")
    message = _decoder.decode(frame[0])
    if isinstance(message, Failed):
        raise ChannelError(message.text)
    found: dict[str, Any] = json.loads(message.rows[0])
    return found
