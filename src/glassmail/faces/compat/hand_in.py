"""Hand one message to the queue: what qmail-queue does, for it and for qmail-inject.

Purpose:
    The message comes piece by piece, the envelope last. A small body travels in the Enqueue
    frame; a larger one is written to the file that the queue opens for it.

May touch:
    run/queue.sock, and queue/drop while the queue does not answer.

Always:
    - Success means durable: the queue said Enqueued, or the file in queue/drop and its name are
      on the disk.
    - Before the whole Enqueue frame has been given to the kernel the queue cannot have taken the
      message, so that it may go to queue/drop instead. After that only the queue's answer
      tells; when none comes the caller gets exit code 53 and tries again, which may make
      a duplicate but loses nothing.
    - Start-up is what counts: no msgspec (26 ms), asyncio (40 ms), dataclasses (8 ms) or typing
      (3 ms) here. store.drop, which needs more, is imported only when the queue is away.
"""

import os

from glassmail.core.model.limits import (
    BODY_INLINE_BYTES_MAX,
    ENVELOPE_ADDRESS_BYTES_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
)
from glassmail.faces.compat.queue_client import NotTakenError, QueueAwayError, QueueClient
from glassmail.settings.place import Place

TYPE_CHECKING = False  # typing.TYPE_CHECKING would cost the import of typing
if TYPE_CHECKING:
    from glassmail.store.drop import DropWriter


class HandIn:
    """One message on its way into the queue; `write` and `finish` raise NotTakenError."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client = QueueClient(place.queue_socket)
        self._inline = bytearray()
        self._size = 0
        self._file = 0
        self._fd = -1
        self._drop: DropWriter | None = None

    def write(self, data: bytes) -> None:
        """Add a piece of the message."""
        self._size += len(data)
        if self._fd < 0 and self._drop is None:
            self._inline += data
            if self._size > BODY_INLINE_BYTES_MAX:
                self._spill()
            return
        self._write_out(data)

    def finish(self, sender: bytes, recipients: tuple[bytes, ...]) -> int:
        """Hand in what was written; return its number in the queue, 0 when it is in queue/drop."""
        check_envelope(sender, recipients)
        if self._drop is None:
            try:
                return self._enqueue(sender, recipients)
            except QueueAwayError:
                if self._fd >= 0:  # the body is in a file that only the queue can use
                    raise NotTakenError(53) from None
                self._open_drop()
                self._write_out(self._inline)
        return self._leave(sender, recipients)

    def close(self) -> None:
        """Let go of everything; without a successful `finish` nothing of the message stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._client.close()
        if self._drop is not None:
            self._drop.abandon()
            self._drop = None

    def _enqueue(self, sender: bytes, recipients: tuple[bytes, ...]) -> int:
        if self._fd < 0:
            body = bytes(self._inline)
            return self._client.enqueue(sender, recipients, body, 0, self._size)
        try:
            os.fsync(self._fd)
        except OSError:
            raise NotTakenError(53) from None
        return self._client.enqueue(sender, recipients, None, self._file, self._size)

    def _spill(self) -> None:
        """The body is too long for a frame: find it a file, at the queue's or in queue/drop."""
        try:
            self._file, self._fd = self._client.open_body()
        except QueueAwayError:
            self._open_drop()
        self._write_out(self._inline)
        self._inline = bytearray()

    def _write_out(self, data: bytes | bytearray) -> None:
        try:
            if self._drop is not None:
                self._drop.write(data)
                return
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            raise NotTakenError(53) from None

    def _open_drop(self) -> None:
        import errno

        from glassmail.store.drop import DropWriter

        try:
            self._drop = DropWriter(self._place.queue_drop)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
                raise NotTakenError(53) from None
            raise NotTakenError(self._missing()) from None

    def _missing(self) -> int:
        """Say with qmail-queue's codes why no file can be made in queue/drop."""
        if not os.path.isdir(self._place.root):
            return 61
        return 63 if os.path.isdir(self._place.queue_drop) else 62

    def _leave(self, sender: bytes, recipients: tuple[bytes, ...]) -> int:
        from glassmail.core.model.envelope import Envelope

        assert self._drop is not None
        try:
            self._drop.commit(Envelope(sender, recipients))
        except OSError:
            raise NotTakenError(53) from None
        self._drop = None
        return 0


def check_envelope(sender: bytes, recipients: tuple[bytes, ...]) -> None:
    """Refuse what neither a frame nor envelopes.5 can carry; raises NotTakenError."""
    size = 0
    for address in (sender, *recipients):
        size += len(address)
        if len(address) > ENVELOPE_ADDRESS_BYTES_MAX:
            raise NotTakenError(11)
        if b"\0" in address:
            raise NotTakenError(31, b"Denvelope address holds a NUL (#5.1.3)")
    if len(recipients) > RECIPIENTS_MAX or size > RECIPIENTS_BYTES_MAX + len(sender):
        raise NotTakenError(31, b"Dtoo many recipients (#5.5.3)")
