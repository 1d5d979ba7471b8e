"""The project's own files, for the house rules."""

import ast
import re
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SRC = PROJECT / "src" / "glassmail"
_TEXTS = {".py", ".md", ".toml", ".txt", ".sh", ".cfg"}
_FOLDERS = ("src", "tests", "tools", "bench", "docs", "changes", ".ci")


def modules(folder=""):
    """Every module of the package, or of one folder of it."""
    return sorted((SRC / folder).rglob("*.py"))


@cache
def source(path):
    return path.read_text("utf-8")


@cache
def tree(path):
    return ast.parse(source(path))


def name(path):
    return str(path.relative_to(PROJECT))


def functions(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree(path)) if isinstance(node, kinds)]


def texts():
    """Every file that people write: sources, tests, tools, documents."""
    files = [path for path in PROJECT.iterdir() if path.is_file() and path.suffix in _TEXTS]
    files += [PROJECT / "Makefile"]
    for folder in _FOLDERS:
        files += [
            path
            for path in (PROJECT / folder).rglob("*")
            if path.is_file() and (path.suffix in _TEXTS or folder == ".ci")
        ]
    return sorted(files)


def called(node):
    """The name of a plain function call, else an empty string."""
    is_plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return node.func.id if is_plain else ""


def has_words(text, *words):
    return re.search(rf"\b(?:{'|'.join(words)})\b", text) is not None
