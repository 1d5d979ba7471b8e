"""All man pages: the commands from their declarations, the files from the registries.

Always:
    Nothing is told here that a declaration could tell. What a declaration lacks is named by
    `undocumented`, which a test keeps empty.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from typing import get_args

import click

from glassmail.core import formats as format_modules
from glassmail.core.model.rules import RULES
from glassmail.events.codec import AnyEvent
from glassmail.faces.cli.main import glass
from glassmail.faces.compat.catalogue import Command
from glassmail.faces.compat.catalogue_tools import ALL
from glassmail.faces.manual import log_page
from glassmail.faces.manual.formats import FORMATS, INTERNAL, Format
from glassmail.faces.manual.mdoc import Page
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.registry import Kind, Setting
from glassmail.settings.variables import VARIABLES

USER_COMMANDS = frozenset((
    "bouncesaying", "condredirect", "datemail", "elq", "except", "fixcrio", "forward", "mailq",
    "maildir2mbox", "maildirmake", "mailsubj", "newaliases", "pinq", "predate", "preline", "qail",
    "qbiff", "qreceipt", "recordio", "tcp-env", "tcprules", "tcprulescheck",
))  # fmt: skip
_KINDS = {
    Kind.LINE: "one line",
    Kind.INT: "a number",
    Kind.LIST: "a line each",
    Kind.MAP: "key:value, a line each",
    Kind.RAW: "a format of its own",
}
_LEFT_OUT = ("Pure", "May touch")
_RULES_OF = {"dot-qmail": ("dot-qmail rule",), "glassmail-users": ("users",)}


def pages() -> dict[str, str]:
    """Return every page: file below the manual's directory -> content."""
    made = [
        *_commands(), *_verbs(), *map(_format, FORMATS), _control(), _routing(), _events(),
        log_page.page(),
    ]  # fmt: skip
    return {page.file: page.render() for page in made}


def section_of(command: str) -> int:
    """The section of the manual that a historical command stands in."""
    return 1 if command in USER_COMMANDS else 8


# --- commands ------------------------------------------------------------------------------------


def _commands() -> Iterator[Page]:
    for command in ALL:
        page = Page(command.name, section_of(command.name), command.purpose.split(". ")[0])
        page.synopsis([command.synopsis])
        page.section_head("description")
        page.text(command.purpose)
        for title, rows in (
            ("options", command.options),
            ("environment", command.variables),
            ("exit status", {str(code): about for code, about in command.exits.items()}),
            ("further", command.texts),
        ):
            if rows:
                page.section_head(title)
                page.table(rows)
        page.see_also(_related(command))
        yield page


def _related(command: Command) -> Iterator[tuple[str, int]]:
    yield ("glass", 1)
    for other in ALL:
        if other.name != command.name and other.name in command.purpose:
            yield (other.name, section_of(other.name))


def _verbs() -> Iterator[Page]:
    main = Page("glass", 1, "a mail server you can see through")
    main.synopsis(["verb [ options ]"])
    main.section_head("description")
    _help(main, glass)
    main.section_head("verbs")
    with click.Context(glass, info_name="glass") as context:
        verbs = [(name, glass.get_command(context, name)) for name in glass.list_commands(context)]
    known = [(name, verb) for name, verb in verbs if verb is not None]
    main.table({name: verb.get_short_help_str(200) for name, verb in known})
    main.section_head("environment")
    main.table({"GLASSMAIL_ROOT": "the site, where --root does not name one",
                "NO_COLOR": "no colours"})  # fmt: skip
    main.see_also([*((f"glass-{name}", 1) for name, _verb in known),
                   *((page.name, page.section) for page in FORMATS),
                   ("glassmail-control", 5), ("glassmail-log", 5), ("glassmail-events", 5),
                   ("glassmail-routing", 7)])  # fmt: skip
    yield main
    for name, verb in known:
        yield _verb(name, verb)


def _verb(name: str, verb: click.Command) -> Page:
    title = verb.get_short_help_str(200).rstrip(".")
    page = Page(f"glass-{name}", 1, title[:1].lower() + title[1:])
    found = list(leaves(verb, f"glass {name}"))
    page.section_head("synopsis")
    page.literal([_usage(words, command) for words, command in found])
    page.section_head("description")
    _help(page, verb)
    for words, command in found:
        rows = {_spelt(option): _about(option) for option in options(command)}
        if command is verb and rows:
            page.section_head("options")
        elif command is not verb:
            page.section_head(words)
            page.literal([_usage(words, command)])
            _help(page, command)
        page.table(rows)
    page.see_also([("glass", 1)])
    return page


def _usage(words: str, command: click.Command) -> str:
    with click.Context(command, info_name=words) as context:
        return " ".join((words, *command.collect_usage_pieces(context)))


def leaves(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands below one that do something, with the words that call them."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    if command.invoke_without_command:
        yield words, command
    with click.Context(command) as context:
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from leaves(below, f"{words} {name}")


def options(command: click.Command) -> list[click.Option]:
    """The options of a command that people are told of."""
    return [p for p in command.params if isinstance(p, click.Option) and not p.hidden]


def _spelt(option: click.Option) -> str:
    names = ", ".join((*option.opts, *option.secondary_opts))
    if option.is_flag or option.count:
        return names
    return f"{names} {option.make_metavar(click.Context(click.Command('x')))}"


def _about(option: click.Option) -> str:
    about = option.help or ""
    return about if about.endswith(".") else f"{about}." if about else ""


def _help(page: Page, command: click.Command) -> None:
    for paragraph in inspect.cleandoc(command.help or "").replace("\b", "").split("\n\n"):
        page.text(paragraph)


# --- files ---------------------------------------------------------------------------------------


def _format(declared: Format) -> Page:
    page = Page(declared.name, declared.section, declared.title)
    page.section_head("description")
    for name in declared.modules:
        if importlib.util.find_spec(f"glassmail.{name}") is not None:
            module = importlib.import_module(f"glassmail.{name}")
            page.docstring(inspect.getdoc(module) or "", _LEFT_OUT, vars(module))
    for kind in _RULES_OF.get(declared.name, ()):
        page.section_head("rules")
        page.table(RULES[kind])
    if declared.name == "glassmail-tcp-rules":
        page.section_head("variables")
        page.table({
            name: f"{variable.about} Values: {variable.values}. Without it: {variable.default}."
            for name, variable in VARIABLES.items()
        })  # fmt: skip
    if declared.files:
        page.section_head("files")
        page.literal(declared.files)
    page.see_also([*declared.see, ("glass", 1)])
    return page


def _control() -> Page:
    page = Page("glassmail-control", 5, "the control files")
    page.section_head("description")
    page.text("Each setting is a file below `ROOT/control`. A missing file means its default. A "
              "line that begins with `#`, and an empty line, count for nothing in a list; blanks "
              "at the end of a line are cut. `glass settings list` shows the values of a site, "
              "`glass settings doc NAME` the text that stands here.")  # fmt: skip
    page.section_head("files")
    page.table({name: _setting(setting) for name, setting in SETTINGS.items()})
    page.see_also([("glass-settings", 1), ("qmail-showctl", 8), ("glassmail-patterns", 5),
                   ("glassmail-recipients", 5), ("glassmail-smtproutes", 5),
                   ("glassmail-listen", 5), ("glassmail-logto", 5)])  # fmt: skip
    return page


def _setting(setting: Setting) -> str:
    value = setting.default
    shown = value.decode("ascii") if isinstance(value, bytes) else value
    default = "empty" if shown is None else str(shown)
    if setting.from_me:
        default = "the content of me" if shown is None else f"the content of me, else {default}"
    span = ""
    if setting.kind is Kind.INT and setting.most < 2**63 - 1:
        span = f" from {setting.least} to {setting.most}"
    elif setting.kind is Kind.INT:
        span = f" from {setting.least}"
    readers = ", ".join(setting.readers)
    return (f"{setting.about} Holds: {_KINDS[setting.kind]}{span}. Default: {default}. Read by "
            f"{readers} at {setting.when.value}.")  # fmt: skip


def _routing() -> Page:
    page = Page("glassmail-routing", 7, "where mail goes: addresses, locals, virtualdomains")
    page.section_head("description")
    page.text("What decides where mail goes, a sentence each. `glass trace ADDRESS` shows which of "
              "them apply to an address, with file and line.")  # fmt: skip
    for kind, rules in RULES.items():
        page.section_head(kind)
        page.table(rules)
    page.see_also([("glass-trace", 1), ("glassmail-control", 5), ("dot-qmail", 5),
                   ("glassmail-users", 5)])  # fmt: skip
    return page


def _events() -> Page:
    page = Page("glassmail-events", 5, "events as programs see them")
    page.section_head("description")
    page.text("What `--json` output, journal entries and records name by event. Every event has "
              "`event`, `time` (RFC 3339, UTC) and `severity`, and the fields below.")  # fmt: skip
    for kind in get_args(AnyEvent):
        page.section_head(str(kind.__struct_config__.tag))
        page.text((inspect.getdoc(kind) or "").partition("\n")[0])
        fields = [name for name in kind.__struct_fields__ if name != "at"]
        page.text(f"Severity: {kind.severity}. Fields: {', '.join(fields) or 'none'}.")
    page.see_also([("glass-log", 1), ("glass-why", 1), ("glassmail-log", 5)])
    return page


# --- what is missing -----------------------------------------------------------------------------


def undocumented(scripts: frozenset[str]) -> list[str]:
    """Name everything that has no words: commands, verbs, options, formats, lines, settings.

    Args:
        scripts: the commands that are installed.
    """
    told = {command.name for command in ALL} | {"glass"}
    lacking = [f"command {name}: no entry in the catalogue" for name in sorted(scripts - told)]
    for words, command in leaves(glass, "glass"):
        if not command.help:
            lacking.append(f"{words}: no help")
        lacking += [
            f"{words} {option.opts[0]}: no help" for option in options(command) if not option.help
        ]
    described = {name.rpartition(".")[2] for page in FORMATS for name in page.modules}
    lacking += [
        f"core/formats/{module.name}.py: no page"
        for module in pkgutil.iter_modules(format_modules.__path__)
        if module.name not in described and module.name not in INTERNAL
    ]
    lacking += [
        f"{page.name}({page.section}): there is no module {name}"
        for page in FORMATS
        for name in page.modules
        if importlib.util.find_spec(f"glassmail.{name}") is None
    ]
    lacking += [f"event {name}: no form of its line" for name in log_page.missing()]
    lacking += [f"control/{name}: no words" for name, each in SETTINGS.items() if not each.about]
    return lacking
