"""The queue's two channels (qmail-send.c: chanaddr, chanskip)."""

from enum import Enum


class Channel(Enum):
    """Which side delivers: this machine, or the SMTP client."""

    LOCAL = "local"
    REMOTE = "remote"
