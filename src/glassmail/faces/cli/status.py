"""`glass status`: is the server running, with which processes, and what does it do."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from glassmail.admin.live import Picture, look
from glassmail.admin.reload import supervisor_status
from glassmail.explain.queue_words import load_words, status_line
from glassmail.faces.cli import status_view
from glassmail.faces.cli.json_line import json_line
from glassmail.faces.cli.live_screen import counted, fit, short_span, show, width, wrapped
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

WATCH_S = 2.0


@click.command()
@root_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("-w", "--watch", is_flag=True, help="Draw it again every two seconds; of the "
              "processes only those that died are named.")
def status(root: str | None, *, as_json: bool, watch: bool) -> None:
    """Tell what the server does: processes, deliveries, sessions, the queue, last refusals.

    Exit status: 0 everything runs, 1 something does not, 3 cannot tell.
    """
    place = Place(find_root(root))
    if watch and not as_json:
        show(lambda: _lines(place), WATCH_S)
        return
    site = _site(place)
    if site is None:
        click.echo(json_line({"running": False}) if as_json else f"no server runs at {place.root}")
        sys.exit(1)
    processes = _processes(site)
    picture = look(place)
    if as_json:
        _tell(processes, picture)
    else:
        for line in [*_head(place, site, processes), *status_view.page(picture)]:
            click.echo(line)
    answers = picture.queue is not None and picture.live is not None
    sys.exit(0 if all(row["pid"] for row in processes) and site["ready"] and answers else 1)


def _site(place: Place) -> dict[str, Any] | None:
    """What the supervisor tells of its children; None when it does not run."""
    try:
        return supervisor_status(place)
    except (OSError, ValueError) as error:
        click.echo(f"glass status: cannot read {place.status_file}: {error}", err=True)
        sys.exit(3)


def _lines(place: Place) -> list[str]:
    site = _site(place)
    if site is None:
        return [f"no server runs at {place.root}"]
    processes = _processes(site)
    troubled = [row for row in processes if not row["pid"] or row["last_death"]]
    memory = sum(row["pss_kb"] or 0 for row in processes) / 1024
    lines = [*_head(place, site, troubled), *status_view.page(look(place))]
    lines[0] += f", {len(processes)} processes" + (f", {memory:.0f} MB" if memory else "")
    return lines


def _processes(site: dict[str, Any]) -> list[dict[str, Any]]:
    return [_process(child, site) for child in [_supervisor(site), *site["children"]]]


def _tell(processes: list[dict[str, Any]], picture: Picture) -> None:
    """Print the objects of --json."""
    for row in processes:
        click.echo(json_line(row))
    load = picture.load
    words = load_words(load) if picture.queue is not None else []
    click.echo(json_line({"queue": picture.queue, "status": status_line(load), "words": words,
                           "advice": picture.advice()}))  # fmt: skip
    if picture.live is not None:
        click.echo(json_line({"live": picture.live}))
    if picture.deliveries is not None:
        click.echo(json_line({"deliveries": picture.deliveries}))
    if picture.summary is not None:
        told = [part.row() for part in picture.summary.biggest(50)]
        click.echo(json_line({"destinations": told, "partial": picture.is_partial}))


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


def _head(
    place: Place, site: dict[str, Any], processes: list[dict[str, Any]]
) -> Iterator[str]:
    state = "stopping" if site["stopping"] else "ready" if site["ready"] else "starting"
    yield f"{place.root}: {state}, running for {short_span(time.time() - site['began_at'])}"
    for row in processes:
        memory = f"{row['pss_kb'] / 1024:.1f} MB" if row["pss_kb"] else "-"
        where = [source.partition(" ")[2] for source in row["listens"]] or [""]
        who = f"pid {row['pid'] or '-':<8} uid {_name(row['uid']):<10}"
        yield fit(f"  {row['role']:<10} {who} {memory:>8}  {where[0]}".rstrip(), width())
        for more in where[1:]:
            yield fit(f"{'':<50}{more}", width())
        if row["last_death"]:
            again = counted(row["starts"] - 1, "restart")
            text = f"died before: {row['last_death']}, {again}"
            yield from wrapped(text, " " * 13)


def _name(uid: int | None) -> str:
    import pwd

    if uid is None:
        return "-"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid) if uid != os.geteuid() else "you"
