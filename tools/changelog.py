"""Gather the fragments of changes/ into CHANGELOG.md, and remove them.

    python tools/changelog.py VERSION [DATE]
    python tools/changelog.py --draft

A fragment is `changes/NAME.added.md`, `.changed.md` or `.fixed.md`: one or two sentences. The new
section stands first, below the file's head. --draft prints the section and changes nothing.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CHANGELOG = PROJECT / "CHANGELOG.md"
KINDS = ("added", "changed", "fixed")
HEAD_ENDS = "<!-- sections -->\n"


class FragmentError(Exception):
    """A fragment or a version cannot be used; the text says why."""


def fragments(directory: Path) -> dict[str, list[Path]]:
    """Return the fragments by kind; raises FragmentError for a name of another form."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(directory.glob("*.md")):
        kind = path.stem.rpartition(".")[2]
        if kind not in found or not path.stem.rpartition(".")[0]:
            raise FragmentError(f"{path.name}: call it NAME.{'|'.join(KINDS)}.md")
        if not path.read_text("utf-8").strip():
            raise FragmentError(f"{path.name}: is empty")
        found[kind].append(path)
    return found


def section(title: str, found: dict[str, list[Path]]) -> str:
    """Make the section of a version."""
    lines = [f"## {title}", ""]
    for kind, paths in found.items():
        if paths:
            lines += [f"### {kind.capitalize()}", ""]
            lines += [f"- {' '.join(path.read_text('utf-8').split())}" for path in paths]
            lines.append("")
    return "\n".join(lines)


def insert(changelog: str, new: str) -> str:
    """Put a section before the older ones; raises FragmentError when it is there already."""
    if new.partition("\n")[0].partition(",")[0] + "," in changelog:
        raise FragmentError("CHANGELOG.md has this version already")
    head, mark, older = changelog.partition(HEAD_ENDS)
    if not mark:
        raise FragmentError(f"CHANGELOG.md has no line {HEAD_ENDS.strip()}")
    return f"{head}{mark}\n{new}{older}"


def main(arguments: list[str]) -> int:
    """Gather, or show; return the exit status."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = fragments(PROJECT / "changes")
        if arguments == ["--draft"]:
            print(section("Unreleased", found))
            return 0
        today = datetime.now(UTC).date().isoformat()
        title = f"{arguments[0]}, {arguments[1] if len(arguments) == 2 else today}"
        text = insert(CHANGELOG.read_text("utf-8"), section(title, found))
    except FragmentError as error:
        print(f"changelog: {error}", file=sys.stderr)
        return 1
    CHANGELOG.write_text(text, "utf-8")
    for path in (path for paths in found.values() for path in paths):
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
