"""Write the reference pages of docs/reference and the man pages from the registries in the code.

    python tools/generate_docs.py [--check]

With --check nothing is written; exit 1 names the pages that differ. `tests/house` asks the same.
"""

import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

from glassmail.admin.doctor import AREAS
from glassmail.core.model import remote_texts
from glassmail.core.model.outcome import Report
from glassmail.core.model.questions import (
    QUESTIONS,
    accounts,
    delivery,
    queueing,
    remote,
    routing,
    session,
)
from glassmail.core.model.questions.declare import Question
from glassmail.core.model.rules import RULES
from glassmail.core.protocol.replies import REPLIES
from glassmail.events.codec import AnyEvent
from glassmail.events.event import Event
from glassmail.events.qmail_lines import RENDERERS as QUEUE_LINES
from glassmail.events.queue import QueueFact
from glassmail.events.session_lines import RENDERERS as SESSION_LINES
from glassmail.events.smtpd import SmtpdEvent
from glassmail.explain.remedies import REMEDIES
from glassmail.faces.compat.catalogue_tools import ALL
from glassmail.faces.manual.pages import pages as man_pages
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.registry import Kind, Setting

PROJECT = Path(__file__).resolve().parent.parent

_KINDS = {
    Kind.LINE: "one line",
    Kind.INT: "a number",
    Kind.LIST: "a line each",
    Kind.MAP: "`key:value`, a line each",
    Kind.RAW: "a format of its own",
}
_STATIONS = (
    ("The SMTP session", session),
    ("The queue", queueing),
    ("Routing, users and dot-qmail files", routing),
    ("Local delivery", delivery),
    ("Mailboxes in vpopmail's layout", accounts),
    ("Remote delivery", remote),
)


def settings_page() -> str:
    """Every control file: what it means, how it is read, by whom and when."""
    lines = _head(
        "Settings",
        "A setting is a file below `ROOT/control`. A missing file means its default. `glass "
        "settings doc NAME` prints the same as this page; `glass settings list` the values of a "
        "site.",
    )
    for setting in SETTINGS.values():
        lines += [
            f"## {setting.name}",
            setting.about,
            "",
            f"- holds: {_KINDS[setting.kind]}{_range(setting)}",
            f"- default: {_default(setting)}",
            f"- read by: {', '.join(setting.readers)}; at {setting.when.value}",
            "",
        ]
    return _page(lines)


def _range(setting: Setting) -> str:
    if setting.kind is not Kind.INT:
        return ""
    most = "" if setting.most >= 2**63 - 1 else f" to {setting.most}"
    return f", from {setting.least}{most}; what lies outside counts as the nearest"


def _default(setting: Setting) -> str:
    value = setting.default
    text = value.decode("ascii") if isinstance(value, bytes) else value
    last = "empty" if text is None else f"`{text}`"
    if not setting.from_me:
        return last
    return "the content of `me`" if text is None else f"the content of `me`, else {last}"


def events_page() -> str:
    """Every event: fields, severity, sentence, and the text log it is written to."""
    lines = _head(
        "Events",
        "What the processes tell the log. Facts of messages are rows of the queue's own commits "
        "and are never lost; events of sessions and processes are sent as they happen. Every "
        "event carries `at`, nanoseconds since 1970 (UTC).",
    )
    for kind in get_args(AnyEvent):
        lines += [
            f"## {tag_of(kind)}",
            inspect.cleandoc(kind.__doc__ or "").partition("\n")[0],
            "",
            f"- severity: {kind.severity}",
            f"- sentence: {kind.sentence}",
            f"- fields: {', '.join(f'`{name}`' for name in kind.__struct_fields__)}",
            f"- text log: {_log_of(kind)}",
            "",
        ]
    return _page(lines)


def tag_of(kind: type[Event]) -> str:
    """Return the name that stands for an event in JSON."""
    return str(kind.__struct_config__.tag)


def _log_of(kind: type[Event]) -> str:
    if kind in get_args(QueueFact):
        return "`log/send`, in qmail-send's words"
    if kind in get_args(SmtpdEvent):
        return "`log/smtpd`"
    if kind in QUEUE_LINES:
        return "`log/send` when the queue tells it, in qmail-send's words; else `log/serve`"
    return "`log/smtpd`" if kind in SESSION_LINES else "`log/serve`"


def questions_page() -> str:
    """Every question that a trail can hold."""
    lines = _head(
        "Questions",
        "What `glass trace` and `glass why` print: each decision is a trail of these questions, "
        "each with its answer and the source of the answer. The id stands in `--json` output.",
    )
    for title, area in _STATIONS:
        questions: Iterable[Question] = area.QUESTIONS.values()
        lines += [f"## {title}", ""]
        for question in questions:
            lines += [
                f"### {question.id}",
                f"*{question.sentence.replace('{subject}', 'X')}*",
                "",
                question.about,
                "",
            ]
        if not area.QUESTIONS:
            lines += ["None yet.", ""]
    return _page(lines)


def replies_page() -> str:
    """Every text that the SMTP server says, and every text of remote delivery."""
    lines = _head(
        "Replies and reports",
        "With `control/tracecodes` at 1, every 4xx and 5xx ends with ` [CODE]`, and so does the "
        "250 at the end of DATA.",
    )
    lines += ["## The SMTP server", "", "| id | reply | then |", "|---|---|---|"]
    for name, reply in REPLIES.items():
        text = reply.text.decode("ascii")
        shown = f"`{reply.code} {text}`" if text else "nothing: the connection is closed"
        lines.append(f"| {name} | {shown} | {'closes' if reply.close else 'goes on'} |")
    lines += [
        "",
        "## Remote delivery: the whole report",
        "",
        "K success, Z deferral, D failure. The texts stand in log lines and bounces.",
        "",
        "| id | letter | report |",
        "|---|---|---|",
    ]
    for name, value in vars(remote_texts).items():
        if isinstance(value, Report):
            text = value.text.decode("ascii").strip().replace("\n", " ")
            lines.append(f"| {name.lower()} | {value.outcome.value} | `{text}` |")
    lines += [
        "",
        "## Remote delivery: with the name of the other server",
        "",
        "| id | says | text |",
        "|---|---|---|",
    ]
    for name, function in remote_functions().items():
        text = _example(function).decode("ascii").strip().replace("\n", " ")
        about = inspect.getdoc(function) or ""
        lines.append(f"| {name} | {about.partition(chr(10))[0]} | `{text}` |")
    return _page([*lines, ""])


def commands_page() -> str:
    """The historical commands: options, variables, exit codes."""
    lines = _head(
        "Historical commands",
        "Installed under their old names, with the old texts and exit codes. `ROOT` is "
        "`$GLASSMAIL_ROOT`, else `/var/lib/glassmail`.",
    )
    for command in ALL:
        lines += [f"## {command.name}", command.purpose, ""]
        lines += [f"    {command.name} {command.synopsis}".rstrip(), ""]
        for title, entries in (
            ("option", command.options), ("variable", command.variables),
            ("exit code", command.exits), ("name", command.texts),
        ):  # fmt: skip
            if entries:
                lines += [f"| {title} | |", "|---|---|"]
                lines += [f"| `{name}` | {about} |" for name, about in entries.items()]
                lines.append("")
    return _page(lines)


def rules_page() -> str:
    """The rules of addresses, routing, users and dot-qmail files."""
    lines = _head(
        "Rules",
        "What decides where mail goes, a sentence each. `glass trace ADDRESS` shows which of them "
        "apply to an address, with file and line; docs/coverage.md names the test of each.",
    )
    for kind, rules in RULES.items():
        lines += [f"## {kind}", "", "| rule | |", "|---|---|"]
        lines += [f"| {name} | {about} |" for name, about in rules.items()]
        lines.append("")
    return _page(lines)


def explanations_page() -> str:
    """What `trace` and `why` name as wrong, with its remedy: explain/remedies.py."""
    lines = _head(
        "Explanations",
        "What `glass trace` and `glass why` name as wrong, and what to do about it. Words in "
        "braces are filled in from the case; docs/coverage.md names the test of each.",
    )
    lines += ["| id | what is wrong | what to do | command |", "|---|---|---|---|"]
    for remedy in REMEDIES.values():
        command = f"`{remedy.command}`" if remedy.command else ""
        cells = (f"`{remedy.id}`", remedy.fault, remedy.text, command)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return _page(lines)


def doctor_page() -> str:
    """What `glass doctor` looks at: admin/doctor.py."""
    lines = _head(
        "What the doctor looks at",
        "`glass doctor` looks at a site, whether it is served or not, changes nothing and asks no "
        "other host. Each finding has a weight: `fault`, `warning`, or `cannot tell` for what the "
        "asker's rights or another fault keep it from seeing. In the order in which faults should "
        "be mended:",
    )
    lines += ["| area | question |", "|---|---|"]
    lines += [f"| {name} | {area.sentence} |" for name, area in AREAS.items()]
    return _page(lines)


def remote_functions() -> dict[str, Callable[..., bytes | Report]]:
    """The texts of remote delivery that are made from what the other server said."""
    return {
        name: value
        for name, value in vars(remote_texts).items()
        if inspect.isfunction(value) and not name.startswith("_") and name != "combine"
    }


def _example(function: Callable[..., bytes | Report]) -> bytes:
    known = {"partner": b"IP", "said": b"REPLY", "host": b"HOST", "is_critical": True}
    made = function(**{name: known[name] for name in inspect.signature(function).parameters})
    return made.text if isinstance(made, Report) else made


def _head(title: str, about: str) -> list[str]:
    return [f"# {title}", "", "Made by `tools/generate_docs.py`; not to be edited.", "", about, ""]


def _page(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "events.md": events_page,
    "questions.md": questions_page,
    "replies.md": replies_page,
    "commands.md": commands_page,
    "rules.md": rules_page,
    "explanations.md": explanations_page,
    "doctor.md": doctor_page,
}


def made() -> dict[str, str]:
    """Return every page: path in the project -> content."""
    return {
        **{f"docs/reference/{name}": make() for name, make in PAGES.items()},
        **{f"man/{name}": text for name, text in man_pages().items()},
    }


def stale() -> list[str]:
    """Name the pages that are not what the code says, and man pages that no code makes."""
    wanted = made()
    differing = [
        name
        for name, text in wanted.items()
        if not (PROJECT / name).exists() or (PROJECT / name).read_text("utf-8") != text
    ]
    return differing + [name for name in _man_pages() if name not in wanted]


def _man_pages() -> list[str]:
    return sorted(str(path.relative_to(PROJECT)) for path in PROJECT.glob("man/man?/*"))


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; return the exit status."""
    assert {q for _title, area in _STATIONS for q in area.QUESTIONS} == set(QUESTIONS)
    if arguments == ["--check"]:
        names = stale()
        for name in names:
            print(f"{name} is stale: python tools/generate_docs.py", file=sys.stderr)
        return 1 if names else 0
    wanted = made()
    for name in _man_pages():
        if name not in wanted:
            (PROJECT / name).unlink()
    for name, text in wanted.items():
        path = PROJECT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
