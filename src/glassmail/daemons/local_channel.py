"""Frames from the local starter, for its forker and workers: when it is gone, that is the end."""

from glassmail.net.blocking import BlockingChannel


def receive(channel: BlockingChannel) -> tuple[bytes, tuple[int, ...]] | None:
    """Return the next frame, None when the starter has hung up, however it did."""
    try:
        return channel.receive()
    except (ConnectionResetError, BrokenPipeError):
        return None  # it went without reading all that we had sent
