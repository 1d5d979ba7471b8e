"""What the local starter and its workers say to each other, and the starter and its forker.

The starter believes a worker only what concerns the worker's own deliveries: results for tasks
it was given. A worker runs as the recipient.
"""

from typing import Literal

import msgspec

from glassmail.core.model.trail import Step
from glassmail.net.messages import Message


class TermsNow(Message, tag="terms"):
    """The site's rules from now on (stations.deliver_wants.Terms). First frame of every worker."""

    default_delivery: bytes
    host_name: bytes
    path: bytes
    seconds: int
    memory_bytes: int
    refuses_programs: bool
    own_directories: tuple[bytes, ...]
    environment: tuple[tuple[bytes, bytes], ...]
    break_character: bytes = b"-"


class Assignment(Message, tag="assignment"):
    """One recipient for a worker.

    Attributes:
        task: the starter's number of it, never used twice.
        number, key: from the Target.
        local, host: the rewritten address.
        name, home, dash, ext: of the user; uid and gid are the worker's.
    """

    task: int
    number: int
    key: bytes
    local: bytes
    host: bytes
    name: bytes
    home: bytes
    dash: bytes
    ext: bytes


class Work(Message, tag="work"):
    """One message and those of its recipients that are this worker's (see Job)."""

    message: int
    sender: bytes
    head: bytes
    body: bytes | None
    size: int
    born: int
    code: int
    part: int
    attempt: int
    assignments: tuple[Assignment, ...]


class Works(Message, tag="works"):
    """Work to do. A work whose body is a descriptor travels alone in its frame."""

    works: tuple[Work, ...]


class Publish(Message, tag="publish"):
    """Answer to Written.

    by_fsync False: the data of the batch is durable; move the files to new/, and name the
    filesystems in Finished. True: sync files and directories yourself.
    """

    batch: int
    by_fsync: bool


class MayRun(Message, tag="may_run"):
    """Answer to WantsRun: a place for programs is free; or, with a refusal, it may not run."""

    task: int
    refusal: bytes = b""


ToWorker = TermsNow | Works | Publish | MayRun


class Device(Message, tag="device"):
    """A filesystem that the worker writes to; one descriptor, older than its writes there."""


class Written(Message, tag="written"):
    """A batch of files is written to tmp/ on these filesystems; nothing is durable yet."""

    batch: int
    devices: tuple[int, ...]


class Done(Message, tag="done"):
    """One delivery ended: K, Z or D, the report, the trail."""

    task: int
    letter: Literal["K", "Z", "D"]
    text: bytes
    steps: tuple[Step, ...]


class Finished(Message, tag="finished"):
    """Deliveries that ended. They count once a sync of `devices` that begins now has ended.

    Attributes:
        batch: the batch that Publish(by_fsync) asked for and that is now durable, else 0.
        devices: filesystems with moves that are not durable yet.
    """

    batch: int
    dones: tuple[Done, ...]
    devices: tuple[int, ...]


class WantsRun(Message, tag="wants_run"):
    """A delivery wants to run a program or wait for a lock."""

    task: int


FromWorker = Device | Written | Finished | WantsRun


class Fork(Message, tag="fork"):
    """To the forker: start a worker with these rights on the descriptor that comes along."""

    token: int
    uid: int
    gid: int


class Died(Message, tag="died"):
    """From the forker: a worker ended; status as of waitpid, -1 when it could not be started."""

    token: int
    status: int
    text: str = ""


to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
done_decoder = msgspec.msgpack.Decoder(Done)
fork_decoder = msgspec.msgpack.Decoder(Fork)
died_decoder = msgspec.msgpack.Decoder(Died)
