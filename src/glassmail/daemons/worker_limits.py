"""Limits of a worker process on itself, and their removal for administrators' own programs.

The supervisor lowers soft limits only, so the hard ones are those that the server was started
with. Programs get them back: what they may use is the administrator's to say.
"""

import os
import resource

from glassmail.daemons.local_limits import DESCRIPTORS_MAX, WORKER_MEMORY_BYTES_MAX

DESCRIPTORS_OF_PROGRAMS = 1_024  # the system's usual soft limit; programs may raise it themselves


def apply() -> None:
    """Limit writable memory and descriptors of this process; its children inherit it."""
    _soft(resource.RLIMIT_DATA, WORKER_MEMORY_BYTES_MAX)
    _soft(resource.RLIMIT_NOFILE, DESCRIPTORS_MAX)


def restore() -> None:
    """Take our limits and our scheduling off this process, which will run others' programs."""
    _soft(resource.RLIMIT_DATA, resource.RLIM_INFINITY)
    _soft(resource.RLIMIT_NOFILE, DESCRIPTORS_OF_PROGRAMS)
    if os.sched_getscheduler(0) == os.SCHED_BATCH:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _soft(kind: int, wanted: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > hard):
        wanted = hard
    resource.setrlimit(kind, (wanted, hard))
