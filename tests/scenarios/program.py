"""How a test starts our programs: as whom, from where, in which namespace.

A checkout may lie below a directory that only its owner may enter. Other users then get a copy of
the package and its libraries that they can reach, and the system's Python.
"""

import os
import shutil
import site as python_site
import subprocess
import sys
import sysconfig
import tomllib
from functools import cache
from pathlib import Path

import apsw

import glassmail
from glassmail.admin.reach import closed_directory

CHECKOUT = Path(__file__).resolve().parents[2]
NOBODY = 65_533  # of no account: a server without root needs none
TIMEOUT_S = 60
_COPY = Path("/tmp") / f"glassmail-test-{os.getpid()}"


class Runner:
    """Starts programs as one user.

    Args:
        uid: whose rights; our own when we are not root.
        namespace: process id of the holder of a mount namespace, 0 for ours.
        gid: the group, else the one with the user's number.
    """

    def __init__(self, uid=None, namespace=0, gid=None):
        self.uid = os.geteuid() if uid is None else uid
        self.gid = self.uid if gid is None else gid
        self.namespace = namespace
        self.before = ()  # words of a program that runs ours, such as nice

    def prefix(self):
        """Words before a command that make it run there and as that user."""
        words = []
        if self.namespace:
            words += ["nsenter", "--mount", "--target", str(self.namespace), "--"]
        if self.uid != os.geteuid():
            words += ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [*words, *self.before]

    def environment(self, more=()):
        """A small environment of its own, so that nothing of the caller's decides."""
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
        if "PYTHONPATH" in os.environ:
            plain["PYTHONPATH"] = os.environ["PYTHONPATH"]  # the tests' own package
        if not is_reachable(self.uid):
            plain["PYTHONPATH"] = str(reachable_copy())
        return {**plain, **dict(more)}

    def python(self):
        """The interpreter."""
        return sys.executable if is_reachable(self.uid) else "/usr/bin/python3"

    def glass(self, *arguments):
        """Words of a `glass` command."""
        return [*self.prefix(), self.python(), "-m", "glassmail.faces.cli", *arguments]

    def historical(self, name, *arguments):
        """Words of one of the commands with an old name, as installed."""
        installed = Path(sys.executable).parent / name
        if is_reachable(self.uid) and installed.exists():
            return [*self.prefix(), str(installed), *arguments]
        module, _, function = _scripts()[name].partition(":")
        code = f"import sys; from {module} import {function} as main; sys.exit(main())"
        return [*self.prefix(), self.python(), "-c", code, *arguments]

    def start(self, words, more=(), **options):
        """Start words that one of the above made."""
        return subprocess.Popen(words, env=self.environment(more), cwd="/", **options)

    def run(self, words, more=(), **options):
        """Run them to their end and return what they said."""
        options.setdefault("timeout", TIMEOUT_S)
        return subprocess.run(
            words, check=False, capture_output=True, env=self.environment(more), cwd="/", **options
        )


@cache
def is_reachable(uid):
    """Tell whether this interpreter and package can be used by a user."""
    paths = (sys.executable, os.__file__, glassmail.__file__, apsw.__file__)
    return uid == os.geteuid() or all(closed_directory(path, uid, uid) is None for path in paths)


@cache
def reachable_copy():
    """Copy package and libraries to where everybody can read them."""
    libraries = sysconfig.get_paths()["purelib"]
    assert libraries in python_site.getsitepackages()
    shutil.copytree(libraries, _COPY, symlinks=True, dirs_exist_ok=True)
    package = Path(glassmail.__file__).parent
    shutil.copytree(package, _COPY / "glassmail", symlinks=True, dirs_exist_ok=True)
    subprocess.run(["chmod", "-R", "a+rX", str(_COPY)], check=True)
    return _COPY


def forget_copy():
    """Remove the copy, if one was made."""
    if reachable_copy.cache_info().currsize:
        shutil.rmtree(_COPY, ignore_errors=True)


@cache
def _scripts():
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["scripts"]
