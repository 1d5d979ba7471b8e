"""`glass stop`, `glass restart`, `glass reload`: signals to the running supervisor."""

import os
import select
import signal
import subprocess
import sys
import time

import click

from glassmail.admin import doctor, start_checks
from glassmail.admin.reload import supervisor_pid, supervisor_status
from glassmail.daemons.supervisor.process import CANNOT_START
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

STOP_WITHIN_S = 120.0
READY_WITHIN_S = 20.0  # the server names a port that does not serve after ten
LOOK_AGAIN_S = 0.05

__all__ = ["reload", "restart", "stop", "supervisor_pid"]

_root = root_option


@click.command()
@_root
def stop(root: str | None) -> None:
    """Stop the server: nothing new is started, what runs is finished."""
    place = Place(find_root(root))
    pid = supervisor_pid(place)
    if not pid:
        click.echo("no server runs here")
        sys.exit(1)
    _signal(pid, signal.SIGTERM)
    if not _wait_for_end(place):
        click.echo(f"the server (process {pid}) has not ended yet: glass status", err=True)
        sys.exit(1)
    click.echo("stopped")


@click.command()
@_root
def restart(root: str | None) -> None:
    """Stop the server, then run `glass serve` in the background."""
    place = Place(find_root(root))
    pid = supervisor_pid(place)
    one_user = _is_one_user(place)
    try:
        start_checks.check_all(place, one_user=one_user)
    except start_checks.START_ERRORS as error:
        goes_on = "; the server that runs goes on" if pid else ""
        click.echo(f"glass restart: {error}{goes_on}", err=True)
        sys.exit(CANNOT_START)
    if pid:
        _signal(pid, signal.SIGTERM)
        if not _wait_for_end(place):
            click.echo(f"the server (process {pid}) has not ended yet: glass status", err=True)
            sys.exit(1)
    command = [sys.executable, "-m", "glassmail.faces.cli", "serve", "--root", place.root]
    if one_user:
        command.append("--one-user")
    # Whoever waits for the end of our standard error must not wait for the server's.
    with open(place.path("run", "serve.err"), "w+b") as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        assert child.stdout is not None
        is_heard, _, _ = select.select([child.stdout], [], [], READY_WITHIN_S)
        line = child.stdout.readline() if is_heard else b""
        said.seek(0)
        sys.stderr.write(said.read().decode("utf-8", "replace"))
    if not is_heard:
        click.echo("the server runs but does not serve yet: glass status", err=True)
        sys.exit(1)
    if line.strip() != b"ready":
        sys.exit(child.wait() or 1)
    click.echo("ready")


@click.command()
@_root
def reload(root: str | None) -> None:
    """Let the server read locals, virtualdomains and its other tables again (HUP).

    Exit status 1 when a file cannot be used: the values of before stay then.
    """
    place = Place(find_root(root))
    pid = supervisor_pid(place)
    if not pid:
        click.echo("no server runs here")
        sys.exit(1)
    faults = doctor.broken_settings(place)
    _signal(pid, signal.SIGHUP)
    for text in faults:
        click.echo(f"{text}; until then the value of before stays", err=True)
    click.echo("reloaded, but for what is named above" if faults else "reloaded")
    if doctor.has_new_listeners(place):
        click.echo("control/listen names other listeners than the server has: glass restart")
    sys.exit(1 if faults else 0)


def _is_one_user(place: Place) -> bool:
    """Tell whether the server that runs was started as one user, for the next one."""
    try:
        status = supervisor_status(place)
    except (OSError, ValueError):
        return False
    return status is not None and status["one_user"]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except PermissionError:
        click.echo(f"process {pid} is not yours: ask again as its owner or root", err=True)
        sys.exit(3)


def _wait_for_end(place: Place) -> bool:
    deadline = time.monotonic() + STOP_WITHIN_S
    while supervisor_pid(place):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_AGAIN_S)
    return True
