"""Compile the modules that every message passes: `make compile`.

    python tools/compile.py [--if-possible]

Writes them beside the packages of the interpreter that runs it; src/glassmail/compiled.py says
which modules, and when they are used. Does nothing when they are current. Needs mypy, setuptools,
a C compiler and Python's headers; with --if-possible their absence is told and is no failure.
"""

import contextlib
import fcntl
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from glassmail import compiled
from glassmail.compiled import LEFT_OUT, PATTERNS, SUFFIX, Standing

OPTIMIZE = "1"  # 2 takes twice as long and gives nothing more


class CompileError(Exception):
    """It could not be done; the text says why."""


def modules() -> tuple[str, ...]:
    """Name the modules to compile."""
    found = []
    for module in compiled.files_of(compiled.PACKAGE, ".py"):
        path = module.replace(".", "/")
        folder, _, name = path.rpartition("/")
        if name == "__init__" or path in LEFT_OUT:
            continue
        wanted = [pattern.rpartition("/") for pattern in PATTERNS]
        if any(folder == where and fnmatch.fnmatch(name, what) for where, _, what in wanted):
            found.append(f"glassmail.{module}")
    return tuple(sorted(found))


def what_lacks() -> str:
    """Name what is needed to compile and is not there; empty when all is."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"a C compiler ({compiler})"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "Python's headers (Debian: python3-dev)"
    try:
        import mypyc  # noqa: F401
        import setuptools  # noqa: F401
    except ImportError as error:
        return f"the module {error.name} (make compile installs it)"
    return ""


def made_with() -> str:
    """Name what else the result depends on than the sources."""
    from mypy.version import __version__

    return f"mypy {__version__}, -O{OPTIMIZE}"


def compile_into(directory: str) -> None:
    """Compile a copy of the sources as they are now, and put the result in its place at once.

    Raises:
        CompileError, OSError: nothing was changed.
    """
    with tempfile.TemporaryDirectory(prefix="glassmail-compile-") as work:
        copy, ready = os.path.join(work, "glassmail"), os.path.join(work, "ready")
        shutil.copytree(compiled.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        manifest = {"suffix": SUFFIX, "made_with": made_with()}
        manifest["sources"] = compiled.digest_of(copy, ".py")
        files = [name.replace(".", "/") + ".py" for name in modules()]
        done = subprocess.run(
            [sys.executable, os.path.abspath(__file__), "--build", work, ready, *files],
            cwd=work, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode != 0:
            raise CompileError(done.stdout.decode("utf-8", "replace")[-4_000:])
        manifest["files"] = compiled.digest_of(ready, SUFFIX)
        with open(os.path.join(ready, compiled.MANIFEST), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
        _put(ready, directory)


def _put(ready: str, directory: str) -> None:
    """Replace the directory by a copy of `ready`, readable for every user of the site."""
    fresh, old = f"{directory}.fresh", f"{directory}.old"
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.copytree(ready, fresh)
    for where, _, names in os.walk(fresh):
        os.chmod(where, 0o755)  # noqa: S103 -- as Python's other packages
        for name in names:
            os.chmod(os.path.join(where, name), 0o644)
    os.sync()
    with contextlib.suppress(FileNotFoundError):
        os.rename(directory, old)
    os.rename(fresh, directory)
    shutil.rmtree(old, ignore_errors=True)


def _build(work: str, ready: str, files: list[str]) -> None:
    """Run mypyc and the C compiler (in a process of its own: both leave their state behind)."""
    from mypyc.build import mypycify
    from setuptools import setup

    options = ["--config-file=", "--strict-bytes", "--ignore-missing-imports"]
    options += ["--cache-dir", os.path.join(work, "mypy")]
    extensions = mypycify(
        [*options, *files], opt_level=OPTIMIZE, debug_level="0", multi_file=True,
        target_dir=os.path.join(work, "c"),
    )  # fmt: skip
    words = ["-q", "--no-user-cfg", "build_ext", "--build-lib", ready]
    words += ["-j", str(os.cpu_count() or 1), "--build-temp", os.path.join(work, "objects")]
    setup(name="glassmail_compiled", packages=[], ext_modules=extensions, script_args=words)


def main(words: list[str]) -> int:
    """Compile what is not current; return the exit status."""
    if words[:1] == ["--build"]:
        _build(words[1], words[2], words[3:])
        return 0
    excused = 0 if words == ["--if-possible"] else 1
    if lacking := what_lacks():
        print(f"compile: {lacking} is needed: the modules stay interpreted", file=sys.stderr)
        return excused
    try:
        with open(f"{compiled.DIRECTORY}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_current():
                print(f"compile: {len(modules())} modules, about a minute", file=sys.stderr)
                compile_into(compiled.DIRECTORY)
    except OSError as error:
        print(f"compile: {error}: the modules stay as they are", file=sys.stderr)
        return excused
    except CompileError as error:
        print(f"{error}\ncompile: failed: the modules stay as they are", file=sys.stderr)
        return 1
    return 0


def _is_current() -> bool:
    if compiled.standing() is not Standing.CURRENT:
        return False
    with open(os.path.join(compiled.DIRECTORY, compiled.MANIFEST), encoding="utf-8") as file:
        return json.load(file).get("made_with") == made_with()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
