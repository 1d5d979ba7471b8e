"""Forking one daemon: limits, privileges, title, main; nothing of the supervisor stays open."""

import gc
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

import setproctitle

from glassmail.daemons.context import Context

MEBIBYTE = 1_048_576
CRASHED = 70  # sysexits.h EX_SOFTWARE: an exception escaped

# Soft limits of each process: writable memory and descriptors. Programs of administrators start
# from local's workers, which put the hard limits back for them.
MEMORY_MIB = {
    "smtpd": 1_024,
    "queue": 1_024,
    "local": 768,
    "remote": 768,
    "keeper": 512,
    "gate": 512,
    "log": 768,
    "vpopmaild": 512,
}
DESCRIPTORS = {"smtpd": 16_384, "queue": 8_192, "local": 4_096, "remote": 8_192, "log": 1_024}
DESCRIPTORS_DEFAULT = 1_024

# Sessions and messages make many short-lived objects and few cycles: the default of 700 would
# look for cycles several times a message.
GC_THRESHOLDS = (20_000, 20, 50)

# `killall -HUP qmail-send` must reach the queue, as administrators are used to.
TITLES = {
    "queue": "qmail-send",
    "smtpd": "qmail-smtpd",
    "remote": "qmail-rspawn",
    "local": "qmail-lspawn",
    "keeper": "glass-keeper",
    "gate": "glass-gate",
    "log": "glass-log",
    "vpopmaild": "vpopmaild",
}

ROOTS = ("local", "vpopmaild")

Main = Callable[[Context], int]


def fork_child(context: Context, main: Main, closing: Iterable[int]) -> int:
    """Fork a daemon; return its process id in the supervisor.

    Args:
        context: what the daemon is handed.
        main: what it runs.
        closing: descriptors of the supervisor and of other daemons, closed in the child.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = CRASHED
    try:
        for number in closing:
            os.close(number)
        _reset_signals()
        _limit(context.role)
        _work_in_batches()
        _become(context)
        setproctitle.setproctitle(TITLES[context.role])
        gc.set_threshold(*GC_THRESHOLDS)
        code = main(context)
    except BaseException:  # noqa: BLE001 -- whatever it was, the child must end here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work_in_batches() -> None:
    """Let a daemon finish its turn before one that was woken by it runs (sched(7), SCHED_BATCH).

    What was handed on meanwhile is then taken in one turn, with warm caches. It lowers no
    priority, and whoever runs programs takes it off again (worker_limits.restore). A site that
    was started with a policy of its own keeps that (chrt, systemd's CPUSchedulingPolicy).
    """
    if os.sched_getscheduler(0) == os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _reset_signals() -> None:
    for number in (signal.SIGHUP, signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, who stops us
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _limit(role: str) -> None:
    _soft(resource.RLIMIT_DATA, MEMORY_MIB[role] * MEBIBYTE)
    _soft(resource.RLIMIT_NOFILE, DESCRIPTORS.get(role, DESCRIPTORS_DEFAULT))
    _soft(resource.RLIMIT_CORE, 0)


def _soft(kind: int, wanted: int) -> None:
    _old, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or wanted <= hard:
        resource.setrlimit(kind, (wanted, hard))
        return
    try:
        resource.setrlimit(kind, (wanted, wanted))  # root may, in most places
    except (OSError, ValueError):
        resource.setrlimit(kind, (hard, hard))


def _become(context: Context) -> None:
    """Take on the role's uid and gid, for good."""
    if context.is_one_user:
        return
    uid, gid = context.uids[context.role]
    if uid == 0 and context.role in ROOTS:
        return  # they take on the rights of a mailbox's or domain's owner themselves
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
