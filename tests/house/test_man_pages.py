"""The man pages: nothing undocumented, nothing that mandoc finds fault with, no dead reference."""

import re
import shutil
import subprocess
import tomllib

import pytest

from glassmail.events import qmail_lines
from glassmail.faces.manual.mdoc import Page, words
from glassmail.faces.manual.pages import pages, undocumented
from glassmail.settings.control_files import SETTINGS
from tests.house.sources import PROJECT, source
from tests.store.history.story import NOON, accepted, settled, started

PAGES = pages()
SCRIPTS = frozenset(tomllib.loads(source(PROJECT / "pyproject.toml"))["project"]["scripts"])


def test_nothing_is_undocumented():
    assert undocumented(SCRIPTS) == []


def test_every_command_has_a_page():
    named = {file.rpartition("/")[2].rpartition(".")[0] for file in PAGES if file[:4] in
             {"man1", "man8"}}  # fmt: skip
    assert SCRIPTS - named == set()


def test_every_setting_stands_on_its_page():
    page = PAGES["man5/glassmail-control.5"]
    assert [name for name in SETTINGS if f".It \\&{name}\n" not in page] == []


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_no_fault(tmp_path):
    for file, text in PAGES.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", *map(str, sorted(tmp_path.glob("man?/*")))],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.replace(str(tmp_path), "") == ""
    shown = subprocess.run(
        ["mandoc", "-Tascii", str(tmp_path / "man1" / "glass-log.1")],
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout  # fmt: skip
    assert max(len(re.sub(r".\x08", "", line)) for line in shown.splitlines()) <= 80


def test_references_lead_to_pages():
    dead = [
        f"{file}: {name}({section})"
        for file, text in PAGES.items()
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", text, re.MULTILINE)
        if f"man{section}/{name}.{section}" not in PAGES
    ]
    assert dead == []


def test_the_forms_of_lines_are_those_that_are_written():
    page = PAGES["man5/glassmail-log.5"]
    for event in (accepted(NOON, 5), started(NOON, 5), settled(NOON, 5)):
        for line in qmail_lines.lines(event).decode().splitlines():
            assert line.split()[0] in page


def test_prose_is_no_macro():
    assert words(".Sh is no macro") == "\\&.Sh is no macro"
    assert words("a. 'b") == "a.\n\\&'b"
    assert words("the file `.qmail`\\x") == "the file \\fB.qmail\\fR\\ex"


DOCSTRING = """First.

Pure:
    hidden

Always:
    - one
      more
    - two
"""


def test_docstrings_become_lists_and_blocks():
    page = Page("x", 5, "a page.")
    page.docstring(DOCSTRING + "\n    code  here\n")
    text = page.render()
    assert ".Nd a page\n" in text
    assert ".Ss Pure\nhidden\n" in text
    assert ".Bl -bullet\n.It\none more\n.It\ntwo\n.El" in text


def test_parts_may_be_left_out():
    page = Page("x", 5, "a page")
    page.docstring(DOCSTRING, ["Pure"])
    assert "hidden" not in page.render()
    assert ".Ss Always" in page.render()


def test_blocks_that_are_set_in_stand_as_they_are():
    page = Page("x", 5, "a page")
    page.docstring("Title.\n\n    a line\n    another, of SIZE_MAX bytes\n\n    body  the\n"
                   "          rest\n    head  first\n\nDone.", values={"SIZE_MAX": 4_096})
    text = page.render()
    assert ".Bd -literal -offset indent\na line\nanother, of 4,096 bytes\n.Ed" in text
    assert ".It \\&body\nthe rest\n.It \\&head\nfirst\n.El" in text


def test_purpose_is_told_without_its_heading():
    page = Page("x", 5, "a page")
    page.docstring("Title.\n\nPurpose:\n    To help.\n\n    More.\n")
    assert "Purpose" not in page.render()
    assert "To help." in page.render()
    assert "literal" not in page.render()


def test_what_lacks_words_is_named(monkeypatch):
    import dataclasses

    import click

    from glassmail.faces.manual import log_page, pages

    assert undocumented(SCRIPTS | {"qmail-new"}) == ["command qmail-new: no entry in the catalogue"]
    wordless = dataclasses.replace(SETTINGS["me"], about="")
    monkeypatch.setitem(pages.SETTINGS, "me", wordless)
    fewer = {name: form for name, form in log_page.SEND_LINES.items() if name != "ended"}
    monkeypatch.setattr(log_page, "SEND_LINES", fewer)  # the order of the page is the dict's
    monkeypatch.delitem(pages.INTERNAL, "date")
    shy = click.Command("shy", params=[click.Option(["--quiet"])])
    monkeypatch.setattr(pages, "glass", click.Group("glass", commands={"shy": shy}))
    assert set(undocumented(SCRIPTS)) == {
        "control/me: no words", "event ended: no form of its line",
        "core/formats/date.py: no page", "glass shy: no help", "glass shy --quiet: no help",
    }  # fmt: skip
