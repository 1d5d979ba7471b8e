import runpy

import pytest

from tests.house.sources import PROJECT

changelog = runpy.run_path(str(PROJECT / "tools" / "changelog.py"))
FragmentError = changelog["FragmentError"]


def test_the_fragments_of_the_project_can_be_gathered():
    assert set(changelog["fragments"](PROJECT / "changes")) == {"added", "changed", "fixed"}


def test_a_section_has_its_kinds_in_order(tmp_path):
    (tmp_path / "b.fixed.md").write_text("Mail is\nmail.\n")
    (tmp_path / "a.added.md").write_text("A thing.\n")
    made = changelog["section"]("1.0, 2026-11-21", changelog["fragments"](tmp_path))
    assert made == "## 1.0, 2026-11-21\n\n### Added\n\n- A thing.\n\n### Fixed\n\n- Mail is mail.\n"


@pytest.mark.parametrize(("name", "text"), [("a.md", "x"), ("added.md", "x"), ("a.added.md", " ")])
def test_what_is_no_fragment(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FragmentError):
        changelog["fragments"](tmp_path)


def test_a_new_section_comes_first_and_once():
    old = "# Changes\n\n<!-- sections -->\n\n## 1.0, 2026-11-20\n\n- x\n"
    new = changelog["insert"](old, "## 1.1, 2026-11-21\n\n- y\n")
    assert new.index("1.1") < new.index("1.0")
    with pytest.raises(FragmentError):
        changelog["insert"](new, "## 1.0, 2026-11-22\n")
    with pytest.raises(FragmentError):
        changelog["insert"]("# Changes\n", "## 1.0, 2026-11-22\n")
