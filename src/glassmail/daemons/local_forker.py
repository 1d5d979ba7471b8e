"""The forker: a small root process that only forks workers and waits for their ends.

Why it exists: the starter has an event loop, threads, and the mail of all users in its memory.
A worker must inherit none of these. The forker is split off before the starter makes any, holds
nothing, and therefore hands nothing on but code.

It ends when the starter hangs up.
"""

import gc
import os
import select
import signal
import socket
import sys
import traceback

from setproctitle import setproctitle

from glassmail.daemons import worker_limits
from glassmail.daemons.local_messages import Died, Fork, fork_decoder
from glassmail.daemons.worker import Worker
from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import encode


def start(queue_path: str) -> socket.socket:
    """Split the forker off; return the starter's end of the connection to it.

    Call it before any thread or event loop exists.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid:
        its.close()
        return ours
    exit_code = 1
    try:
        _close_all_but(its.fileno())
        os.chdir("/")
        setproctitle("glass-forker")
        _Forker(its, queue_path).run()
        exit_code = 0
    except (BrokenPipeError, ConnectionResetError):
        exit_code = 0  # the starter went without reading all that we had to say
    except BaseException:  # noqa: BLE001 (whatever it is, this process ends here)
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(exit_code)


class _Forker:
    def __init__(self, sock: socket.socket, queue_path: str) -> None:
        self._channel = BlockingChannel(sock)
        self._queue_path = queue_path
        self._workers: dict[int, tuple[int, int]] = {}  # pidfd -> (token, pid)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        gc.freeze()  # what is there now is shared with all workers: the collector lets it be

    def run(self) -> None:
        """Serve until the starter hangs up; the workers see that themselves."""
        channel = self._channel.sock.fileno()
        while True:
            poller = select.poll()
            poller.register(channel, select.POLLIN)
            for descriptor in self._workers:
                poller.register(descriptor, select.POLLIN)
            for descriptor, _event in poller.poll():
                if descriptor == channel:
                    if not self._hear():
                        return
                elif descriptor in self._workers:
                    self._bury(descriptor)

    def _hear(self) -> bool:
        while True:
            received = self._channel.receive()
            if received is None:
                return False
            payload, descriptors = received
            self._fork(fork_decoder.decode(payload), descriptors[0])
            if not self._channel.has_frame:
                return True

    def _fork(self, order: Fork, descriptor: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            os.close(descriptor)
            self._channel.send(encode(Died(order.token, -1, str(error))))
            return
        if not pid:
            _work(order, descriptor, self._queue_path)
        os.close(descriptor)
        self._workers[os.pidfd_open(pid)] = (order.token, pid)

    def _bury(self, descriptor: int) -> None:
        token, pid = self._workers.pop(descriptor)
        os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self._channel.send(encode(Died(token, status)))


def _work(order: Fork, descriptor: int, queue_path: str) -> None:
    """Be a worker and end."""
    exit_code = 1
    try:
        _close_all_but(descriptor)
        setproctitle(f"qmail-local uid {order.uid}")
        if os.getuid() == 0 and order.uid != 0:
            become(order.uid, order.gid)
        os.umask(0o077)  # qmail-local.c
        worker_limits.apply()
        Worker(socket.socket(fileno=descriptor), queue_path).run()
        exit_code = 0
    except BaseException:  # noqa: BLE001 (whatever it is, this process ends here)
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(exit_code)


def become(uid: int, gid: int) -> None:
    """Give up every right but this user's; raises OSError. For root only, it cannot be undone."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if uid == 0 or os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        raise PermissionError("the worker could not change its rights")


def _close_all_but(descriptor: int) -> None:
    """Close what was inherited, save standard error and one descriptor."""
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
