"""`glass settings`: what can be set, what is set, who reads it when."""

import json
import os
import sys
from dataclasses import asdict

import click

from glassmail.core.formats.tcp_rules import TcpRules, TcpRulesError, parse
from glassmail.core.model.redaction import safe_setting
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.place import Place, find_root
from glassmail.settings.registry import Kind, Setting
from glassmail.settings.variables import VARIABLES
from glassmail.store.control import ControlError, Snapshot, read_file, take_snapshot

_root = root_option
_json = click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
RULES = "tcp.smtp"
SHOWN = 57  # with mark and name: 80 columns


@click.group()
def settings() -> None:
    """Look at the settings of a site: one control file each."""


@settings.command("list")
@_root
@_json
def list_(root: str | None, *, as_json: bool) -> None:
    """List every setting with its value; a dot marks defaults."""
    snapshot = _snapshot(root)
    for setting in SETTINGS.values():
        value = _value(setting, snapshot)
        is_set = snapshot.is_set(setting.name)
        if as_json:
            row = {"name": setting.name, "value": value, "set": is_set, "about": setting.about}
            click.echo(json.dumps(row))
        else:
            shown = value if len(value) <= SHOWN else value[: SHOWN - 3] + "..."
            click.echo(f"{' ' if is_set else '.'} {setting.name:<20} {shown}")


@settings.command("variables")
@_json
def variables(*, as_json: bool) -> None:
    """List the variables that rules of control/tcp.smtp can set for clients."""
    for each in VARIABLES.values():
        if as_json:
            click.echo(json.dumps(asdict(each)))
        else:
            click.echo(f"{each.name:<24} {each.values}")


@settings.command()
@_root
@click.argument("name")
def get(root: str | None, name: str) -> None:
    """Print the value in force, default included; of a variable, the rules that set it.

    Of tcp.smtp, which is no setting, its rules. Passwords are hidden.
    """
    if name in VARIABLES:
        _rules_with(name, Place(find_root(root)))
        return
    if name.removeprefix("control/") == RULES:
        rules = _rules(Place(find_root(root))).rules.values()
        for source in dict.fromkeys(rule.source for rule in rules):  # a range has many keys
            click.echo(source)
        return
    click.echo(_value(_find(name), _snapshot(root)))


@settings.command()
@click.argument("name")
def doc(name: str) -> None:
    """Say what a setting means, who reads it when, and its default."""
    variable = VARIABLES.get(name)
    if variable is not None:
        click.echo(variable.about)
        click.echo("set in   control/tcp.smtp, for the clients of a rule")
        click.echo(f"values   {variable.values}")
        click.echo(f"seen     at {variable.when}")
        click.echo(f"default  {variable.default}")
        click.echo(f"known from {variable.source}")
        return
    setting = _find(name)
    click.echo(setting.about)
    click.echo(f"file     control/{setting.name} ({setting.kind.value})")
    click.echo(f"read by  {', '.join(setting.readers)}")
    click.echo(f"seen     at {setting.when.value}")
    default = setting.default
    text = default.decode() if isinstance(default, bytes) else default
    if setting.from_me:
        click.echo("default  the content of control/me" + (f", else {text}" if text else ""))
    elif text is not None:
        click.echo(f"default  {text}")


def _rules_with(name: str, place: Place) -> None:
    """Print each rule for clients that sets a variable."""
    told = dict.fromkeys(
        rule.source
        for rule in _rules(place).rules.values()
        if any(variable == name.encode("ascii") for variable, _value in rule.environment)
    )
    for source in told:
        click.echo(source)
    if not told:
        click.echo(f"no rule of control/tcp.smtp sets {name}; default: {VARIABLES[name].default}")


def _rules(place: Place) -> TcpRules:
    try:
        return parse(read_file(place.tcp_rules) or b"", f"control/{RULES}")
    except (ControlError, TcpRulesError) as error:
        click.echo(f"glass settings: {error}", err=True)
        sys.exit(3)


def _find(name: str) -> Setting:
    setting = SETTINGS.get(name.removeprefix("control/"))
    if setting is None and name.removeprefix("control/") == RULES:
        click.echo(f"glass settings: control/{RULES} holds rules for clients; what they can set: "
                   "glass settings variables", err=True)  # fmt: skip
        sys.exit(2)
    if setting is None:
        click.echo(f"glass settings: there is no setting {name}; glass settings list", err=True)
        sys.exit(2)
    return setting


def _snapshot(root: str | None) -> Snapshot:
    place = Place(find_root(root))
    if not os.path.isdir(place.control):
        click.echo(f"glass settings: {place.control} does not exist: glass init", err=True)
        sys.exit(3)
    try:
        return take_snapshot(place.control)
    except ControlError as error:
        click.echo(f"glass settings: {error}", err=True)
        sys.exit(3)


def _value(setting: Setting, snapshot: Snapshot) -> str:
    if setting.kind is Kind.INT:
        return str(snapshot.integer(setting.name))
    if setting.kind in (Kind.LIST, Kind.MAP):
        entries = snapshot.table(setting.name).entries.values()
        colon = b":" if setting.kind is Kind.MAP else b""
        lines = [safe_setting(setting.name, each.key + colon + each.value) for each in entries]
        return "  ".join(line.decode("utf-8", "replace") for line in lines)
    line = safe_setting(setting.name, snapshot.line(setting.name))
    return line.decode("utf-8", "replace").rstrip("\n").replace("\n", "  ")
