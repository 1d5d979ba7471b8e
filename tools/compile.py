"""Compile the modules that every message passes: `make compile`.

    python tools/compile.py [--if-possible]

Writes them beside the packages of the interpreter that runs it (src/glassmail/compiled.py says
what then happens). Does nothing when they are current. Needs mypy, setuptools, a C compiler and
Python's headers; with --if-possible their absence is told and is no failure.
"""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from glassmail import compiled
from glassmail.compiled import Standing

# What a message passes in smtpd and in the queue process; the workers and the log process gain
# too little by it (docs/adr/0013). What touches the disk is interpreted.
PATTERNS = (
    "core/model/*", "core/model/questions/*", "core/policy/*", "core/protocol/*",
    "core/formats/client_keys", "core/formats/received",
    "core/route/rcpthosts", "core/route/tcp_rules", "core/schedule/*",
    "stations/session*", "stations/*_session", "stations/arrival", "stations/front_policy",
    "stations/introduction", "stations/login_ask", "stations/record", "stations/services",
    "net/channel", "net/link", "daemons/smtpd_connection", "daemons/queue/*",
)  # fmt: skip
# Not passed by every message, or with classes that must stay Python's (slots over an interpreted
# class), or such that mypyc does not understand.
LEFT_OUT = frozenset({
    "core/model/remote_texts", "core/model/vpopmail_faults",
    "core/protocol/proxy_protocol", "core/protocol/remote_reply", "core/protocol/replies",
    "core/protocol/smtp_client", "core/protocol/transcript", "core/protocol/wording",
    "core/schedule/gate_book", "core/schedule/rates",
    "daemons/queue/admin", "daemons/queue/drop", "daemons/queue/main", "daemons/queue/overview",
    "daemons/queue/peers",
})  # fmt: skip
OPTIMIZE = "1"  # 2 takes twice as long and gives nothing more


def modules() -> tuple[str, ...]:
    """Name the modules to compile."""
    found = []
    for pattern in PATTERNS:
        files = glob.glob(os.path.join(compiled.PACKAGES, "glassmail", pattern + ".py"))
        paths = [os.path.relpath(file, compiled.PACKAGES).removesuffix(".py") for file in files]
        found += [
            path.replace(os.sep, ".")
            for path in paths
            if not path.endswith("__init__") and path.removeprefix("glassmail/") not in LEFT_OUT
        ]
    return tuple(sorted(set(found)))


def what_lacks() -> str:
    """Name what is needed to compile and is not there; empty when all is."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(os.environ.get("CC", compiler)) is None:
        return f"a C compiler ({compiler})"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "Python's headers (Debian: python3-dev)"
    try:
        import mypyc  # noqa: F401
        import setuptools  # noqa: F401
    except ImportError as error:
        return f"the module {error.name} (pip install '.[compile]')"
    return ""


def compile_into(directory: str, names: tuple[str, ...]) -> None:
    """Compile, and put the result in the directory's place at once.

    Raises:
        subprocess.CalledProcessError: mypyc or the C compiler failed; its words are in `output`.
    """
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(directory)) as temporary:
        ready = os.path.join(temporary, "ready")
        before = compiled.digests(names, compiled.PACKAGES)
        files = [name.replace(".", "/") + ".py" for name in names]
        subprocess.run(
            [sys.executable, os.path.abspath(__file__), "--build", temporary, ready, *files],
            cwd=compiled.PACKAGES, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        with open(os.path.join(ready, compiled.MANIFEST), "w", encoding="utf-8") as file:
            json.dump({"suffix": compiled.SUFFIX, "sources": before}, file, indent=1)
        with contextlib.suppress(FileNotFoundError):
            os.rename(directory, os.path.join(temporary, "old"))
        os.rename(ready, directory)


def _build(temporary: str, ready: str, files: list[str]) -> None:
    """Run mypyc and the C compiler (in a process of its own: both leave their state behind)."""
    from mypyc.build import mypycify
    from setuptools import setup

    options = ["--config-file=", "--strict-bytes", "--ignore-missing-imports"]
    options += ["--cache-dir", os.path.join(temporary, "mypy")]
    extensions = mypycify(
        [*options, *files], opt_level=OPTIMIZE, debug_level="0", multi_file=True,
        target_dir=os.path.join(temporary, "c"),
    )  # fmt: skip
    words = ["-q", "build_ext", "--build-lib", ready, "-j", str(os.cpu_count() or 1)]
    words += ["--build-temp", os.path.join(temporary, "objects")]
    setup(name="glassmail_compiled", packages=[], ext_modules=extensions, script_args=words)


def main(words: list[str]) -> int:
    """Compile what is not current; return the exit status."""
    if words[:1] == ["--build"]:
        _build(words[1], words[2], words[3:])
        return 0
    names = modules()
    if compiled.standing() is Standing.CURRENT and _compiled_names() == set(names):
        return 0
    if lacking := what_lacks():
        print(f"compile: {lacking} is needed: the modules stay interpreted", file=sys.stderr)
        return 0 if words == ["--if-possible"] else 1
    print(f"compile: {len(names)} modules, about a minute", file=sys.stderr)
    try:
        compile_into(compiled.DIRECTORY, names)
    except subprocess.CalledProcessError as error:
        print(error.output.decode("utf-8", "replace")[-4_000:], file=sys.stderr)
        print("compile: failed; the modules stay interpreted", file=sys.stderr)
        return 1
    return 0


def _compiled_names() -> set[str]:
    with open(os.path.join(compiled.DIRECTORY, compiled.MANIFEST), encoding="utf-8") as file:
        return set(json.load(file)["sources"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
