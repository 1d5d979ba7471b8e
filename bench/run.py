"""Compare glassmail with other mail servers, side by side in one run.

    python bench/run.py [--quick] [--work NAME]... [--pairs N] [--peer NAME]... [--only SERVER]

Every server is prepared afresh, started, warmed up, measured and stopped; one at a time, in
interleaved pairs, because rates on shared machines wander by 30 %. Needs root (private mount
namespaces, cgroups, users of its own) and changes nothing of the system.
"""

import argparse
import datetime as dt
import json
import os
import platform
import sys

import backlog
import inside
import latency
import peers
import plot
import report
import works
from server import USER_UID, Server, free_port, standard_layout

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")

WORKS: dict[str, works.Work] = {
    "one-per-connection": works.one_per_connection,
    "hundred-per-connection": works.hundred_per_connection,
    "hundred-mailboxes": works.many_mailboxes,
    "hundred-uids": works.many_mailboxes,
    "relay": works.relay,
    "thousand-local": works.thousand_local,
    "thousand-remote": works.thousand_remote,
    "large": works.large,
    "bulk-writer": latency.work,
    "backlog": backlog.work,
    "backlog-ten-thousand": backlog.ten_thousand,
    "backlog-million": backlog.million,
    "idle": works.idle,
}
BY_REQUEST = {"backlog-ten-thousand", "backlog-million"}  # takes minutes: only when it is named
RELAYS = {"relay", "thousand-remote"}
BOXES = {
    "hundred-mailboxes": tuple((f"box{n}", USER_UID) for n in range(100)),
    "hundred-uids": tuple((f"box{n}", USER_UID + 100 + n) for n in range(100)),
}
COLD = {"idle"}  # the memory of a server that has just started
OWN_ALONE = {"backlog", "backlog-ten-thousand", "backlog-million"}
QUICK = 0.3
PEERS = ("postfix", "exim", "opensmtpd")


def make(name: str, work: str) -> Server:
    """Make a server object for one work."""
    layout = standard_layout(name)
    layout.boxes = BOXES.get(work, ())
    if work in RELAYS:
        layout.relay_port = free_port()
    if name == "postfix":
        from postfix import Postfix

        return Postfix(layout, processes=400 if work == "idle" else 100)
    if name == report.OWN:
        from glassmail_site import Glassmail

        return Glassmail(layout)
    if name == "exim":
        from exim import Exim

        return Exim(layout)
    if name == "opensmtpd":
        from opensmtpd import OpenSmtpd

        return OpenSmtpd(layout)
    raise SystemExit(f"run.py: no server is called {name}; there are glassmail and {PEERS}")


def measure(name: str, work: str, size: float) -> works.Figures:
    """Prepare, start, warm up, work, stop."""
    server = make(name, work)
    server.prepare()
    try:
        start_s = server.start()
        if work not in COLD:
            works.warm_up(server)
        figures = WORKS[work](server, size)
    finally:
        server.stop()
    return {"start_s": start_s, **figures}


def pairs(work: str, servers: list[str], count: int, size: float) -> report.Runs:
    """Measure each server `count` times, in turns, each pair in the other order."""
    runs: report.Runs = {name: [] for name in servers}
    for number in range(count):
        for name in servers if number % 2 == 0 else reversed(servers):
            figures = measure(name, work, size)
            runs[name].append(figures)
            shown = ", ".join(
                f"{report.UNITS[key]} {report.number(figures[key])}" for key in report.SHOWN[work]
            )
            print(f"  {work} {number + 1}/{count} {name}: {shown}", flush=True)
    return runs


def machine(servers: list[str]) -> dict[str, str]:
    """What the figures were taken on."""
    stat = os.statvfs(HERE)
    return {
        "when": dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "free_gb": str(stat.f_bavail * stat.f_frsize >> 30),
        **{name: peers.version(name) for name in servers if name in peers.PACKAGES},
    }


def main() -> int:
    """Run the works that were asked for; write the results."""
    parser = argparse.ArgumentParser(prog="bench/run.py")
    parser.add_argument("--quick", action="store_true", help="1 pair, 1,500 messages")
    parser.add_argument("--pairs", type=int, help="how many pairs (5; quick: 1)")
    parser.add_argument("--work", action="append", choices=list(WORKS), help="default: all")
    parser.add_argument("--peer", action="append", choices=PEERS)
    parser.add_argument("--only", choices=[report.OWN, *PEERS], help="measure one server")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("bench/run.py: needs root, for namespaces, cgroups and users of its own")
        return 3
    inside.end_cleanly()
    others = arguments.peer or ["postfix"]
    servers = [arguments.only] if arguments.only else [report.OWN, *others]
    count = arguments.pairs or (1 if arguments.quick else 5)
    size = QUICK if arguments.quick else 1.0
    done = {
        work: pairs(work, [report.OWN] if work in OWN_ALONE else servers, count, size)
        for work in arguments.work or [name for name in WORKS if name not in BY_REQUEST]
    }
    return conclude(done, servers, others)


def conclude(done: dict[str, report.Runs], servers: list[str], others: list[str]) -> int:
    """Print the tables and write results/latest.json and latest.md."""
    facts = machine(servers)
    text = report.markdown(done, [name for name in others if name in servers])
    for work in ("one-per-connection", "hundred-per-connection", "relay"):
        if done.get(work, {}).get(report.OWN):
            text += f"\nCPU by process, {work}:\n\n" + report.budget(done[work][report.OWN])
    text += "\n" + ", ".join(f"{key} {value}" for key, value in facts.items()) + "\n"
    print("\n" + text)
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, "latest.json"), "w", encoding="ascii") as out:
        json.dump({"machine": facts, "works": done}, out, indent=1)
    with open(os.path.join(RESULTS, "latest.md"), "w", encoding="ascii") as out:
        out.write(text)
    with open(os.path.join(RESULTS, "latest.svg"), "w", encoding="ascii") as out:
        out.write(plot.draw(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
