"""Fetch the mail servers we compare with, without installing anything.

Purpose:
    `apt-get download` a Debian package and those of its library dependencies that this machine
    lacks, and unpack them with `dpkg-deb -x` into `.cache/peers/NAME/tree`. Debian's mail
    servers conflict with each other, and installing one would take the machine's mail over;
    unpacked trees do neither.

Touches:
    `.cache/peers` of the checkout and nothing else; no package is installed or removed.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.path.dirname(HERE), ".cache")
PEERS = os.path.join(CACHE, "peers")

PACKAGES = {"postfix": "postfix", "exim": "exim4-daemon-light", "opensmtpd": "opensmtpd",
            "mlmmj": "mlmmj"}  # fmt: skip
# Packages that a library dependency names but that hold no shared object we need.
NOT_NEEDED = {"libc6", "libgcc-s1", "libc-bin"}


class PeerError(Exception):
    """A peer cannot be fetched; the text says what was tried."""


def tree_of(name: str) -> str:
    """Return the directory the peer is (or will be) unpacked in."""
    return os.path.join(PEERS, name, "tree")


def library_path(name: str) -> str:
    """Return an LD_LIBRARY_PATH for running the peer's programs outside of a namespace."""
    tree = tree_of(name)
    patterns = ("usr/lib/postfix", "usr/lib/*-linux-gnu", "lib/*-linux-gnu")
    found = [path for p in patterns for path in sorted(glob.glob(os.path.join(tree, p)))]
    return ":".join(found)


def fetch(name: str) -> str:
    """Download and unpack a peer unless that was done already; return its tree."""
    tree = tree_of(name)
    stamp = os.path.join(PEERS, name, "fetched.json")
    if os.path.exists(stamp):
        return tree
    debs = os.path.join(PEERS, name, "debs")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(debs, exist_ok=True)
    packages = _closure(PACKAGES[name])
    _run(["apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download", *packages], debs)
    versions = []
    for deb in sorted(glob.glob(os.path.join(debs, "*.deb"))):
        _run(["dpkg-deb", "-x", deb, tree], debs)
        versions.append(os.path.basename(deb))
    with open(stamp, "w", encoding="ascii") as out:
        json.dump(versions, out)
    return tree


def version(name: str) -> str:
    """Return the upstream version of a fetched peer, e.g. `3.7.11`."""
    with open(os.path.join(PEERS, name, "fetched.json"), encoding="ascii") as stamp:
        for deb in json.load(stamp):
            match = re.match(rf"{PACKAGES[name]}_(?:\d+%3a)?([0-9.p]+)", deb)
            if match:
                return match.group(1)
    return "?"


def program(name: str, path: str) -> str:
    """Return the full path of a program in a peer's tree, e.g. `usr/sbin/smtp-source`."""
    full = os.path.join(fetch(name), path)
    if not os.path.exists(full):
        raise PeerError(f"{full}: the package {PACKAGES[name]} has no such program")
    return full


def _closure(package: str) -> list[str]:
    """Return the package and the library packages below it that are not installed here."""
    wanted, todo = [package], [package]
    while todo:
        for dependency in _dependencies(todo.pop()):
            if dependency not in wanted and not _is_installed(dependency):
                wanted.append(dependency)
                todo.append(dependency)
    return wanted


def _dependencies(package: str) -> list[str]:
    text = _run(["apt-cache", "depends", "--important", package], "/")
    names = re.findall(r"^ +(?:Pre)?Depends: ([a-z0-9.+-]+)$", text, re.MULTILINE)
    return [name for name in names if name.startswith("lib") and name not in NOT_NEEDED]


def _is_installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "install ok installed" in done.stdout


def _run(command: list[str], directory: str) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main() -> int:
    """Fetch the peers that are named, all of them by default."""
    for name in sys.argv[1:] or list(PACKAGES):
        print(f"{name}: {fetch(name)} ({version(name)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
