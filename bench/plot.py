"""Draw rate and latency of a run as one SVG.

    python bench/plot.py [RESULTS.json [OUT.svg]]

Above: messages a second by work and server, the median as a bar, the range as a line. Below: how
long a message takes from connect to its file, quiet and beside a bulk writer, at p50 and p99.
`bench/run.py` calls it for results/latest.json.
"""

import json
import os
import statistics
import sys
from html import escape
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
RATES = (
    "one-per-connection", "hundred-per-connection", "hundred-mailboxes", "hundred-uids", "relay",
)  # fmt: skip
LATENCIES = (
    ("quiet_file_p50_ms", "quiet, p50"), ("quiet_file_p99_ms", "quiet, p99"),
    ("bulk_file_p50_ms", "bulk writer, p50"), ("bulk_file_p99_ms", "bulk writer, p99"),
)  # fmt: skip
COLOURS = {"glassmail": "#1f6f8b", "postfix": "#b0b0b0", "exim": "#d0a85c", "opensmtpd": "#7ca982"}
WIDTH, ROW, LABEL, VALUE = 760, 16, 190, 110

Group = tuple[str, list[tuple[str, list[float]]]]  # title, (server, values)


def groups_of(works: dict[str, Any]) -> tuple[list[Group], list[Group]]:
    """Return what is drawn above and below."""
    rates = [
        (work, [(name, [run["rate"] for run in runs]) for name, runs in works[work].items()])
        for work in RATES
        if work in works
    ]
    bulk = works.get("bulk-writer", {})
    latencies = [
        (title, [(name, [run[key] for run in runs]) for name, runs in bulk.items()])
        for key, title in LATENCIES
        if bulk
    ]
    return rates, latencies


def chart(title: str, unit: str, groups: list[Group], top: int) -> tuple[list[str], int]:
    """Draw horizontal bars; return the elements and the height used."""
    most = max((max(v) for _t, rows in groups for _n, v in rows), default=1.0)
    scale = (WIDTH - LABEL - VALUE) / most
    out = [f'<text x="0" y="{top + 14}" font-weight="bold">{escape(title)}</text>']
    y = top + 26
    for group, rows in groups:
        for number, (name, values) in enumerate(rows):
            middle = statistics.median(values)
            if not number:
                out.append(f'<text x="0" y="{y + 12}">{escape(group)}</text>')
            out.append(f'<rect x="{LABEL}" y="{y + 2}" width="{middle * scale:.1f}" '
                       f'height="{ROW - 4}" fill="{COLOURS.get(name, "#888")}"/>')  # fmt: skip
            low, high = LABEL + min(values) * scale, LABEL + max(values) * scale
            out.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + ROW / 2}" '
                       f'y2="{y + ROW / 2}" stroke="#222"/>')  # fmt: skip
            shown = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
            out.append(f'<text x="{high + 6:.1f}" y="{y + 12}">{shown} {unit} {name}</text>')
            y += ROW
        y += 8
    return out, y - top


def draw(works: dict[str, Any]) -> str:
    """Make the SVG."""
    rates, latencies = groups_of(works)
    body, height = chart("Messages a second, to the Maildir or to the next server", "/s", rates, 0)
    if latencies:
        more, used = chart(
            "Milliseconds from connect to the file, 150 messages a second", "ms", latencies,
            height + 12,
        )  # fmt: skip
        body += more
        height += 12 + used
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"


def main() -> int:
    """Draw a file of results."""
    source = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "results", "latest.json")
    target = sys.argv[2] if len(sys.argv) > 2 else os.path.splitext(source)[0] + ".svg"
    with open(source, encoding="ascii") as file:
        works = json.load(file)["works"]
    with open(target, "w", encoding="ascii") as out:
        out.write(draw(works))
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
