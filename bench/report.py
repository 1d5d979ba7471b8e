"""Say what was measured: a table for docs/performance.md, and the CPU beside its budget."""

import os
import statistics
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = "glassmail"

Runs = dict[str, list[dict[str, float]]]  # server -> one set of figures for each run

# work -> the figures worth a line of the table, in order
SHOWN = {
    "one-per-connection": ("rate", "cpu_us"),
    "hundred-per-connection": ("rate", "cpu_us"),
    "hundred-mailboxes": ("rate", "cpu_us"),
    "hundred-uids": ("rate", "cpu_us"),
    "relay": ("rate", "cpu_us"),
    "thousand-local": ("seconds", "cpu_us"),
    "thousand-remote": ("seconds", "cpu_us"),
    "large": ("seconds", "growth_mb"),
    "bulk-writer": ("quiet_file_p50_ms", "quiet_file_p99_ms", "bulk_file_p99_ms", "p99_growth"),
    "backlog": ("restart_s", "rate_kept", "cpu_kept", "bytes_each"),
    "backlog-million": ("restart_s", "rate_kept", "cpu_kept", "bytes_each"),
    "backlog-ten-thousand": ("restart_s", "rate_kept", "cpu_kept", "bytes_each"),
    "idle": ("idle_pss_mb", "kb_each"),
}
UNITS = {
    "rate": "messages/s", "cpu_us": "CPU us/message", "seconds": "s", "growth_mb": "PSS growth MB",
    "quiet_file_p50_ms": "p50 quiet, ms to file", "quiet_file_p99_ms": "p99 quiet, ms to file",
    "bulk_file_p99_ms": "p99 beside bulk writer, ms", "p99_growth": "p99 beside / quiet",
    "restart_s": "restart, s to 220", "rate_kept": "rate / empty queue",
    "cpu_kept": "CPU a message / empty queue",
    "bytes_each": "bytes of memory a message", "idle_pss_mb": "PSS idle, MB",
    "kb_each": "kB a connection",
}  # fmt: skip
# (work, figure): (goal, how): the ratio to Postfix, or our own figure, at least or at most.
GOALS = {
    ("one-per-connection", "rate"): (3.0, "ratio>="),
    ("one-per-connection", "cpu_us"): (0.333, "ratio<="),
    ("hundred-per-connection", "rate"): (4.0, "ratio>="),
    ("hundred-per-connection", "cpu_us"): (0.333, "ratio<="),
    ("relay", "rate"): (2.0, "ratio>="),
    ("relay", "cpu_us"): (0.333, "ratio<="),
    ("thousand-local", "seconds"): (1.0, "ratio<="),
    ("thousand-remote", "seconds"): (1.0, "ratio<="),
    ("large", "seconds"): (1.5, "ratio<="),
    ("large", "growth_mb"): (50.0, "own<="),
    ("bulk-writer", "p99_growth"): (3.0, "own<="),
    ("backlog", "restart_s"): (1.0, "own<="),
    ("backlog", "rate_kept"): (0.9, "own>="),
    ("backlog", "bytes_each"): (200.0, "own<="),
    ("idle", "kb_each"): (15.0, "own<="),
}


def number(value: float) -> str:
    """Three significant figures, plainly."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values: list[float]) -> str:
    """Median and range."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))}..{number(max(values))})"


def values_of(runs: list[dict[str, float]], figure: str) -> list[float]:
    """One figure of every run that has it."""
    return [run[figure] for run in runs if figure in run]


def ratios(work: Runs, peer: str, figure: str) -> list[float]:
    """Ours divided by the peer's, pair by pair."""
    own, theirs = values_of(work.get(OWN, []), figure), values_of(work.get(peer, []), figure)
    return [a / b for a, b in zip(own, theirs, strict=False) if b]


def markdown(works: dict[str, Runs], peers: list[str]) -> str:
    """The table: a line for each work and figure."""
    servers = [OWN, *peers]
    heads = ["work", "figure", *servers, *(f"ratio to {peer}" for peer in peers), "goal"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, runs in works.items():
        for figure in SHOWN[name]:
            cells = [name, UNITS[figure]]
            for server in servers:
                values = values_of(runs.get(server, []), figure)
                cells.append(spread(values) if values else "")
            for peer in peers:
                found = ratios(runs, peer, figure)
                cells.append(f"**{spread(found)}**" if found else "")
            cells.append(_goal(name, figure, runs))
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _goal(name: str, figure: str, runs: Runs) -> str:
    goal = GOALS.get((name, figure))
    if goal is None:
        return ""
    limit, how = goal
    is_ratio, sign = how.startswith("ratio"), how[-2:]
    values = (
        ratios(runs, "postfix", figure) if is_ratio else values_of(runs.get(OWN, []), figure)
    )
    text = f"{sign} {number(limit)}" + (" times Postfix" if is_ratio else "")
    if not values:
        return text
    median = statistics.median(values)
    is_met = median >= limit if sign == ">=" else median <= limit
    return text + (": met" if is_met else ": **missed**")


def budget(runs: list[dict[str, float]]) -> str:
    """CPU of each of our processes beside the sum of its stages in budget.toml."""
    with open(os.path.join(HERE, "budget.toml"), "rb") as file:
        plan = tomllib.load(file)
    used: dict[str, list[float]] = {}
    for run in runs:
        for key, value in run.items():
            if key.startswith("cpu_us."):
                used.setdefault(key.removeprefix("cpu_us."), []).append(value)
    lines = ["| process | stages | budget us | used us |", "|---|---|---|---|"]
    total = 0.0
    for role in sorted(used, key=lambda role: -statistics.median(used[role])):
        stages = plan["processes"].get(role, [])
        allowed = sum(plan["stages"][stage] for stage in stages)
        total += statistics.median(used[role])
        lines.append(f"| {role} | {' + '.join(stages)} | {allowed or ''} | {spread(used[role])} |")
    whole = values_of(runs, "cpu_us")
    lines.append(
        f"| all | by process {number(total)}; by cgroup: | {sum(plan['stages'].values())} "
        f"| {spread(whole)} |"
    )
    return "\n".join(lines) + "\n"
