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
