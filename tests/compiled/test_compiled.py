"""The compiled modules: when they are used, and that they do what the sources say."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile

import pytest
from tools.compile import modules

from glassmail.compiled import MANIFEST, SUFFIX, Standing, digest_of, standing
from tests.compiled import needs_compiled
from tests.forked import as_nobody
from tests.house.sources import PROJECT, SRC

WHOLE_S_MAX = 900
SESSIONS = 1_500
UNITS = ("core", "daemons", "events", "explain", "net", "stations")
# Of these calls it does not matter how often they are made.
HARMLESS = {"end", "find", "index", "int", "len", "lstrip", "max", "min", "rfind"}


# --- which are used -----------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path):
    """A package with two modules, and a directory that says it was compiled from them."""
    package, directory = tmp_path / "glassmail", tmp_path / "compiled"
    (package / "core").mkdir(parents=True)
    (directory / "glassmail" / "core").mkdir(parents=True)
    for name in ("one", "two"):
        (package / "core" / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (directory / "glassmail" / "core" / f"one{SUFFIX}").write_bytes(b"machine code")
    (directory / f"group{SUFFIX}").write_bytes(b"more of it")
    sources, files = digest_of(str(package), ".py"), digest_of(str(directory), SUFFIX)
    _write(directory, {"suffix": SUFFIX, "sources": sources, "files": files})
    return tmp_path


def _write(directory, manifest):
    (directory / MANIFEST).write_text(json.dumps(manifest))


def _standing(made):
    return standing(str(made / "compiled"), str(made / "glassmail"))


def test_current(made):
    assert _standing(made) is Standing.CURRENT
    (made / "glassmail" / "core" / "__pycache__").mkdir()
    (made / "glassmail" / "core" / "__pycache__" / "x.py").write_text("not a source")
    assert _standing(made) is Standing.CURRENT


def test_absent(made):
    (made / "compiled" / MANIFEST).unlink()
    assert _standing(made) is Standing.ABSENT
    shutil.rmtree(made / "compiled")
    assert _standing(made) is Standing.ABSENT


@pytest.mark.parametrize("change", ["edited", "removed", "added"])
def test_one_source_that_differs_spoils_all(made, change):
    """Also one that was not compiled: its types were relied upon."""
    source = made / "glassmail/core/two.py"
    if change == "edited":
        source.write_text("NAME = 'three'\n")
    elif change == "removed":
        source.unlink()
    else:
        source.with_name("three.py").write_text("")
    assert _standing(made) is Standing.STALE


def test_another_python_made_them(made):
    known = json.loads((made / "compiled" / MANIFEST).read_text())
    _write(made / "compiled", {**known, "suffix": ".cpython-399-other.so"})
    assert _standing(made) is Standing.STALE


@pytest.mark.parametrize("change", ["cut short", "removed", "added"])
def test_a_damaged_file(made, change):
    """A power cut behind `make compile`, or a careless hand."""
    file = made / "compiled" / "glassmail" / "core" / f"one{SUFFIX}"
    if change == "cut short":
        file.write_bytes(b"machine")
    elif change == "removed":
        file.unlink()
    else:
        file.with_name(f"two{SUFFIX}").write_bytes(b"foreign")
    assert _standing(made) is Standing.DAMAGED


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", '{"suffix": 1'])
def test_a_damaged_manifest(made, content):
    (made / "compiled" / MANIFEST).write_text(content)
    assert _standing(made) is Standing.DAMAGED


def test_what_this_user_may_not_read(made):
    closed = made / "compiled" / "glassmail"

    def look():
        assert _standing(made) is Standing.UNREADABLE

    closed.chmod(0)
    try:
        assert as_nobody(look) == 0
    finally:
        closed.chmod(0o755)


@needs_compiled
def test_what_was_imported_too_early_is_refused():
    words = "import glassmail.core.model.trail; from glassmail import compiled; compiled.prefer()"
    words = [sys.executable, "-c", words]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert "imported before its compiled form was looked for: glassmail.core.model." in done.stderr


# --- that they do what the sources say ------------------------------------------------------------


@needs_compiled
def test_the_unit_tests_pass_with_them():
    words = [sys.executable, "-m", "pytest", "-p", "tests.compiled.first", "-p", "no:cacheprovider"]
    words += ["-m", "not interpreted", *(f"tests/{unit}" for unit in UNITS)]
    with tempfile.TemporaryDirectory(prefix="glassmail-", dir="/tmp") as base:  # names of sockets
        words.append(f"--basetemp={base}/units")
        done = subprocess.run(
            words, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=WHOLE_S_MAX
        )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 2_000


@needs_compiled
def test_random_sessions_go_the_same_way():
    words = [sys.executable, "-m", "tests.compiled.sessions", str(SESSIONS)]
    both = [
        subprocess.run([*words, *kind], cwd=PROJECT, capture_output=True, text=True, check=True)
        for kind in ((), ("compiled",))
    ]
    interpreted, machine_code = (done.stdout.splitlines() for done in both)
    assert len({line.split()[1] for line in interpreted}) > SESSIONS // 5
    pairs = zip(interpreted, machine_code, strict=True)
    assert [mine for mine, other in pairs if mine != other] == []


@needs_compiled
def test_no_class_of_a_server_mixes_both():
    """An interpreted class below a compiled one cannot be made, which shows at its first use."""
    words = [sys.executable, "-c", MIXED]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


MIXED = """
import sys
from glassmail import compiled
compiled.prefer()
from glassmail.faces.cli import serving
serving._import_daemons()
def is_compiled(kind):
    module = sys.modules.get(kind.__module__)
    return getattr(module, "__file__", "").startswith(compiled.DIRECTORY)
known = [module for name, module in sys.modules.items() if name.startswith("glassmail.")]
kinds = {kind for module in known for kind in vars(module).values() if isinstance(kind, type)}
mixed = [
    kind.__qualname__
    for kind in kinds
    if kind.__module__.startswith("glassmail.") and not is_compiled(kind)
    if any(is_compiled(above) for above in kind.__mro__[1:])
]
print(sorted(mixed))
"""


def _trees():
    for module in modules():
        path = SRC.parent / (module.replace(".", "/") + ".py")
        yield module, ast.parse(path.read_text("utf-8"))


def test_no_slice_has_an_effect():
    """mypyc 2.4 works the bounds of a slice out twice: `view[os.write(fd, view):]` writes twice."""
    found = []
    for module, tree in _trees():
        bounds = [node for node in ast.walk(tree) if isinstance(node, ast.Slice)]
        for bound in bounds:
            for node in ast.walk(bound):
                name = ast.unparse(node.func).rpartition(".")[2] if hasattr(node, "func") else ""
                is_effect = isinstance(node, ast.Await | ast.NamedExpr | ast.Yield)
                if is_effect or (isinstance(node, ast.Call) and name not in HARMLESS):
                    found.append(f"{module}:{bound.lineno} {ast.unparse(bound)}")
    assert found == []


def test_no_slice_of_bytes_can_end_before_it_begins():
    """mypyc 2.4 raises SystemError for `b"x"[2:1]`, where Python has empty bytes."""
    both = {
        f"{module.removeprefix('glassmail.')} {ast.unparse(node)}"
        for module, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Slice) and node.lower and node.upper
    }
    assert both - REVIEWED == set()


# Both bounds of these are in order, whatever a client sends.
REVIEWED = {
    "core.model.code 4:8", "core.policy.connections 3:4",
    "core.policy.rcptcheck _CODE_BYTES:_CODE_BYTES + 1",
    "core.protocol.header_scan end + 1:end + 2",
    "core.protocol.header_scan start:end if end >= 0 else len(header)",
    "core.protocol.smtp_address 1:-1", "core.protocol.smtp_address at:at + 1",
    "core.protocol.smtp_address start + 5:end", "core.protocol.smtp_address start:start + 5",
    "core.protocol.smtp_server end - 1:end", "core.protocol.smtp_server start:end",
    "core.protocol.smtp_server start:end - 1",
}  # fmt: skip


def test_no_generator_is_a_coroutine():
    """What `types.coroutine` marks would be a plain generator, which no Task takes."""
    imported = [
        f"{module}:{node.lineno}"
        for module, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "types"
        if any(alias.name == "coroutine" for alias in node.names)
    ]
    assert imported == []


def test_what_touches_the_disk_is_interpreted():
    assert [name for name in modules() if name.split(".")[1] in {"store", "events"}] == []
    assert "glassmail.stations.body" not in modules()
