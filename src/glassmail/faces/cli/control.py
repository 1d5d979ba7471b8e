"""`glass stop`, `glass restart`, `glass reload`: signals to the running supervisor."""

import os
import signal
import subprocess
import sys
import time

import click

from glassmail.admin.reload import supervisor_pid
from glassmail.settings.place import Place, find_root

STOP_WITHIN_S = 120.0
LOOK_AGAIN_S = 0.05

__all__ = ["reload", "restart", "stop", "supervisor_pid"]

_root = click.option("--root", metavar="DIR", help="the site (default: $GLASSMAIL_ROOT)")


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
    if pid:
        _signal(pid, signal.SIGTERM)
        if not _wait_for_end(place):
            click.echo(f"the server (process {pid}) has not ended yet: glass status", err=True)
            sys.exit(1)
    command = [sys.executable, "-m", "glassmail.faces.cli", "serve", "--root", place.root]
    # Whoever waits for the end of our standard error must not wait for the server's.
    with open(place.path("run", "serve.err"), "w+b") as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        assert child.stdout is not None
        line = child.stdout.readline()
        said.seek(0)
        sys.stderr.write(said.read().decode("utf-8", "replace"))
    if line.strip() != b"ready":
        sys.exit(child.wait() or 1)
    click.echo("ready")


@click.command()
@_root
def reload(root: str | None) -> None:
    """Let the server read locals, virtualdomains and its other tables again (HUP)."""
    pid = supervisor_pid(Place(find_root(root)))
    if not pid:
        click.echo("no server runs here")
        sys.exit(1)
    _signal(pid, signal.SIGHUP)
    click.echo("reloaded")


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
