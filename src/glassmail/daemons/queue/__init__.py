"""The queue process: the only writer of the queue store (qmail-send and qmail-queue in one)."""
