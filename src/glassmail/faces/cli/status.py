"""`glass status`: is the server running, with which processes, and what does the queue hold."""

import json
import os
import sys
import time
from typing import Any

import click

from glassmail.admin.requests import RequestError, ask
from glassmail.faces.cli.control import supervisor_pid
from glassmail.settings.place import Place, find_root


@click.command()
@click.option("--root", metavar="DIR", help="the site (default: $GLASSMAIL_ROOT)")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def status(root: str | None, *, as_json: bool) -> None:
    """Tell whether the server runs, its processes, and the queue in a line."""
    place = Place(find_root(root))
    if not supervisor_pid(place):
        click.echo(json.dumps({"running": False}) if as_json else f"no server runs at {place.root}")
        sys.exit(1)
    try:
        with open(place.status_file, encoding="utf-8") as file:
            site = json.load(file)
    except (OSError, ValueError) as error:
        click.echo(f"glass status: cannot read {place.status_file}: {error}", err=True)
        sys.exit(3)
    processes = [_process(child, site) for child in [_supervisor(site), *site["children"]]]
    queue = _queue(place)
    if as_json:
        for row in processes:
            click.echo(json.dumps(row))
        click.echo(json.dumps({"queue": queue}))
    else:
        _print(place, site, processes, queue)
    sys.exit(0 if all(row["pid"] for row in processes) and site["ready"] else 1)


def _supervisor(site: dict[str, Any]) -> dict[str, Any]:
    return {"role": "supervisor", "index": 0, "pid": site["pid"], "starts": 1,
            "last_death": "", "listens": []}  # fmt: skip


def _process(child: dict[str, Any], site: dict[str, Any]) -> dict[str, Any]:
    """Role, pid, uid, gid and memory of a process and of its workers."""
    row = {
        "role": child["role"],
        "index": child["index"],
        "pid": child["pid"],
        "uid": None,
        "gid": None,
        "pss_kb": None,
        "starts": child["starts"],
        "last_death": child["last_death"],
        "listens": child["listens"],
    }
    if child["pid"]:
        row.update(_facts(child["pid"]))
    if child["role"] == "local" and child["pid"]:
        row["workers"] = [{"pid": pid, **_facts(pid)} for pid in _children(child["pid"])]
    return row


def _facts(pid: int) -> dict[str, int | None]:
    facts: dict[str, int | None] = {"uid": None, "gid": None, "pss_kb": None}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(("Uid:", "Gid:")):
                    facts[line[:3].lower()] = int(line.split()[2])
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Pss:"):
                    facts["pss_kb"] = int(line.split()[1])
    except OSError:
        return facts  # it ended just now, or its memory is not ours to see
    return facts


def _children(pid: int) -> list[int]:
    """All processes below one: local's forker and its workers."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            direct = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return direct + [below for child in direct for below in _children(child)]


def _queue(place: Place) -> dict[str, Any] | None:
    try:
        return next(iter(ask(place.queue_socket, "stats")))
    except RequestError:
        return None


def _print(
    place: Place,
    site: dict[str, Any],
    processes: list[dict[str, Any]],
    queue: dict[str, Any] | None,
) -> None:
    minutes = (time.time() - site["began_at"]) / 60
    state = "stopping" if site["stopping"] else "ready" if site["ready"] else "starting"
    click.echo(f"{place.root}: {state}, running for {minutes:.0f} min")
    for row in processes:
        memory = f"{row['pss_kb'] / 1024:.1f} MB" if row["pss_kb"] else "-"
        where = "; ".join(source.partition(" ")[2] for source in row["listens"])
        who = f"pid {row['pid'] or '-':<8} uid {_name(row['uid']):<10}"
        click.echo(f"  {row['role']:<10} {who} {memory:>8}  {where}".rstrip())
        if row["last_death"]:
            click.echo(
                f"             died before: {row['last_death']}, {row['starts'] - 1} restarts"
            )
    if queue is None:
        click.echo("queue: does not answer")
        return
    click.echo(
        f"queue: {queue['messages']} messages; deliveries running: local "
        f"{queue['local']}/{queue['local_most']}, remote {queue['remote']}/{queue['remote_most']}"
    )
    if queue["full"]:
        click.echo("queue: THE DISK IS FULL: no mail is taken until there is room")


def _name(uid: int | None) -> str:
    import pwd

    if uid is None:
        return "-"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid) if uid != os.geteuid() else "you"
