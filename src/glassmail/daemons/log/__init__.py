"""The log process: one writer of the text logs and of the history."""

from glassmail.daemons.log.start import main

__all__ = ["main"]
