"""The site's rules for deliveries, from its settings."""

import os
import socket
import sys

from glassmail.daemons.local_messages import TermsNow
from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE, Place
from glassmail.store.control import Snapshot

QMAIL_BIN = b"/var/qmail/bin"  # where dot-qmail files of adopted sites look for our programs


def terms_of(settings: Snapshot, place: Place, refuses_programs: bool) -> TermsNow:
    """Make the rules that workers are told.

    Programs find ours in ROOT/bin, else beside the interpreter that runs this, and learn by
    GLASSMAIL_ROOT which site they belong to when it is not the usual one.
    """
    root = os.fsencode(place.root)
    own = root + b"/bin"
    installed = os.fsencode(os.path.dirname(sys.executable))
    is_usual = place.root == DEFAULT_ROOT
    return TermsNow(
        default_delivery=settings.line("defaultdelivery"),
        host_name=os.fsencode(socket.gethostname()),
        path=own + b":/usr/bin:/bin:" + installed,
        seconds=settings.integer("timeoutprogram"),
        memory_bytes=settings.integer("programmemory"),
        refuses_programs=refuses_programs,
        own_directories=(own, QMAIL_BIN, installed),
        environment=() if is_usual else ((ROOT_VARIABLE.encode(), root),),
        break_character=settings.line("breakcharacter")[:1],
    )
