"""Write docs/coverage.md: what administrators rely on, and which tests observe it.

    python tools/generate_coverage.py [--check]

Rows come from the catalogues in the code, claims from the tests (tests/covers.py), results from
the last run of the tests. With --check nothing is written; exit 1 when a test claims a name that
there is not, or when a row of a complete area has no test.
"""

import ast
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tests.covers import RESULTS, of_dialogue  # noqa: E402
from tests.dialogue import load_all  # noqa: E402

from glassmail.core.formats.dot_qmail import Kind  # noqa: E402 (the path comes first)
from glassmail.core.formats.queue_exit import text_of  # noqa: E402
from glassmail.core.model import remote_texts  # noqa: E402
from glassmail.core.model.outcome import Report  # noqa: E402
from glassmail.core.model.rules import RULES  # noqa: E402
from glassmail.core.protocol.replies import REPLIES  # noqa: E402
from glassmail.core.route import dot_qmail as route_dot_qmail  # noqa: E402
from glassmail.core.route.delivery_environment import delivery_environment  # noqa: E402
from glassmail.core.route.users import User  # noqa: E402
from glassmail.events.qmail_lines import RENDERERS as QUEUE_LINES  # noqa: E402
from glassmail.events.session_lines import RENDERERS as SESSION_LINES  # noqa: E402
from glassmail.explain.remedies import REMEDIES  # noqa: E402
from glassmail.faces.cli.main import glass  # noqa: E402
from glassmail.faces.compat.catalogue import COMMANDS  # noqa: E402
from glassmail.faces.compat.catalogue_vpopmail import VPOPMAIL  # noqa: E402
from glassmail.settings.control_files import SETTINGS  # noqa: E402
from glassmail.settings.variables import VARIABLES  # noqa: E402
from glassmail.stations import deliver_report, resolve, system_users, users  # noqa: E402
from glassmail.stations.deliver_report import HARD_CODES, SOFT_CODES  # noqa: E402

PAGE = PROJECT / "docs" / "coverage.md"
NOT_HERE = PROJECT / "tools" / "not_here.toml"
_HEAD = (
    "Made by `tools/generate_coverage.py` after a run of the tests; not to be edited. Rows are the "
    "catalogues in the code; a row in **red** has no test that claims it. `make check` fails for "
    "red rows of the complete areas: %s."
)
DIALOGUES = "tests/stations/test_session.py::test_dialogue"

# Areas whose every row must have a test.
COMPLETE = (
    "variables of the tcp rules",
    "replies of the SMTP server",
    "dot-qmail instructions",
    "exit codes of programs in dot-qmail files",
    "variables of programs in dot-qmail files",
    "reports of users and local delivery",
    "commands",
    "options, variables and answers of historical commands",
    "rules: address",
    "rules: routing",
    "rules: users",
    "rules: dot-qmail rule",
    "verbs of glass",
    "exit codes of qmail-queue",
    "log lines",
)


def areas() -> dict[str, list[str]]:
    """Area -> names of its rows."""
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    generic = {text_of(1), text_of(12)}
    return {
        "commands": sorted(f"command/{name}" for name in scripts if name != "glass"),
        "options, variables and answers of historical commands": [
            f"{row}" for command in (*COMMANDS, *VPOPMAIL) for row in command.rows()
        ],
        **{
            f"rules: {kind}": [f"{kind}/{name}" for name in names]
            for kind, names in RULES.items()
        },
        "verbs of glass": sorted(f"glass/{name}" for name in _verbs(glass)),
        "control files": [f"control/{name}" for name in SETTINGS],
        "variables of the tcp rules": [f"rule-variable/{name}" for name in VARIABLES],
        "replies of the SMTP server": [f"reply/{name}" for name in REPLIES],
        "reports of remote delivery": [
            f"remote/{name.lower()}"
            for name, value in vars(remote_texts).items()
            if isinstance(value, Report)
        ],
        "dot-qmail instructions": [f"dot-qmail/{kind.value}" for kind in Kind],
        "exit codes of programs in dot-qmail files": [
            f"program-exit/{code}" for code in sorted({0, 99, *SOFT_CODES, *HARD_CODES})
        ],
        "variables of programs in dot-qmail files": [f"variable/{name}" for name in _variables()],
        "reports of users and local delivery": sorted({
            f"local/{name.lower()}"
            for module in (route_dot_qmail, users, system_users, resolve, deliver_report)
            for name, value in vars(module).items()
            if name.isupper() and not name.startswith("_") and isinstance(value, bytes | Report)
            and (value.text if isinstance(value, Report) else value).endswith(b"\n")
        }),
        "faults that trace and why name": [f"fault/{name}" for name in REMEDIES],
        "exit codes of qmail-queue": [
            f"qmail-queue/{code}" for code in range(1, 256) if text_of(code) not in generic
        ],
        "log lines": [
            f"log-line/{kind.__struct_config__.tag}" for kind in (*QUEUE_LINES, *SESSION_LINES)
        ],
    }


def _variables() -> list[str]:
    """What qmail-local sets for programs, by name."""
    user = User(b"joe", 1, 1, b"/", b"-", b"ext")
    made = delivery_environment(user, b"joe", b"here.test", b"", b"", b"ext", b"")
    return sorted(name.decode("ascii") for name in made)


def _verbs(command: click.Command, above: str = "") -> Iterator[str]:
    """Name the verbs of a command, those of groups as `queue list`."""
    if not isinstance(command, click.Group):
        yield above
        return
    with click.Context(command) as context:
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _verbs(below, f"{above} {name}".strip())


def claims() -> dict[str, set[str]]:
    """Name -> tests that claim to observe it, as pytest names them without parameters."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        file = str(path.relative_to(PROJECT))
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and _is_pytestmark(node):
                for name in _named(node.value):
                    found[name].add(file)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    for name in _named(decorator):
                        found[name].add(f"{file}::{node.name}")
    for dialogue in load_all():
        for name in of_dialogue(dialogue):
            found[name].add(f"{DIALOGUES}[{dialogue.name}]")
    return found


def _is_pytestmark(node: ast.Assign) -> bool:
    first = node.targets[0]
    return isinstance(first, ast.Name) and first.id == "pytestmark"


def _named(expression: ast.expr) -> Iterator[str]:
    """The names in every `pytest.mark.covers(...)` and `row(NAME, ...)` of an expression."""
    for node in ast.walk(expression):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr == "covers":
            arguments = node.args
        elif isinstance(node.func, ast.Name) and node.func.id == "row":
            arguments = node.args[:1]
        else:
            continue
        for argument in arguments:
            if isinstance(argument, ast.Constant):
                yield str(argument.value)


def not_here() -> list[tuple[str, str]]:
    """What the qmail family has and this server has not: (AREA/NAME, why)."""
    parts = tomllib.loads(NOT_HERE.read_text("utf-8"))["part"]
    return sorted(
        (f"{part['area']}/{name}", part["why"]) for part in parts for name in part["names"]
    )


def problems() -> list[str]:
    """Sentences about claims of unknown names, red rows in complete areas, stale absences."""
    table, claimed = areas(), claims()
    known = {name for rows in table.values() for name in rows}
    sentences = [
        f"{name}: claimed by {', '.join(sorted(claimed[name]))}, but there is no such row"
        for name in sorted(set(claimed) - known)
    ]
    for area in COMPLETE:
        sentences += [f"{name}: no test" for name in table[area] if name not in claimed]
    sentences += [f"{name}: it is here: take it out of tools/{NOT_HERE.name}"
                  for name, _why in not_here() if name in known]  # fmt: skip
    return sentences


def page() -> str:
    """Make the page."""
    claimed = claims()
    path = PROJECT / RESULTS
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    lines = [
        "# What is tested",
        "",
        _HEAD % ", ".join(COMPLETE),
        "",
        "| area | rows | with a test |",
        "|---|---|---|",
    ]
    table = areas()
    for area, rows in table.items():
        lines.append(f"| {area} | {len(rows)} | {sum(name in claimed for name in rows)} |")
    for area, rows in table.items():
        lines += ["", f"## {area}", "", "| name | test | last result |", "|---|---|---|"]
        lines += [_row(name, sorted(claimed.get(name, ())), results) for name in rows]
    absent = not_here()
    about = (f"{len(absent)} names that qmail, s/qmail, John Simpson's patches, vpopmail, "
             "ucspi-tcp or daemontools have and this server has not.")  # fmt: skip
    lines += ["", "## of the family, not here", "", about, "", "| name | why |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in absent]
    return "\n".join(lines) + "\n"


def _row(name: str, tests: list[str], results: dict[str, str]) -> str:
    if not tests:
        return f"| `{name}` | **red** | |"
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    shown = tests[0].removeprefix("tests/")
    return f"| `{name}` | `{shown}`{more} | {_result(tests, results)} |"


def _result(tests: list[str], results: dict[str, str]) -> str:
    """The worst result of a row's tests in the last run, `not run` when none of them ran."""
    ended = {
        result
        for node, result in results.items()
        for test in tests
        if node == test or node.startswith((f"{test}[", f"{test}::"))
    }
    return next((word for word in ("failed", "passed", "skipped") if word in ended), "not run")


def main(arguments: list[str]) -> int:
    """Write the page, or look for problems; return the exit status."""
    for sentence in problems():
        print(f"coverage: {sentence}", file=sys.stderr)
    if arguments != ["--check"]:
        PAGE.write_text(page(), "utf-8")
    return 1 if problems() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
