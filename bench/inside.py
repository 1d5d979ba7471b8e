"""Run a command in a private mount namespace, in a given cgroup, and tie its life to ours.

    python bench/inside.py SPEC.json command ...

SPEC: {"etc": DIR bound over /etc, "overlays": [[LOWER_DIR, ON_DIR], ...], "binds": [[DIR, ON_DIR],
...], "procs": [cgroup files]}.
Nothing outside of the namespace changes, and the namespace ends with its last process.
"""

import ctypes
import json
import os
import signal
import sys

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    _call(
        f"mount {source} on {target}",
        _libc.mount(
            source.encode(), target.encode(), kind.encode() if kind else None,
            ctypes.c_ulong(flags), options.encode() or None,
        ),
    )  # fmt: skip


def leave_mounts() -> None:
    """Give this process a mount namespace of its own that passes nothing back."""
    _call("unshare", _libc.unshare(CLONE_NEWNS))
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def die_with_parent() -> None:
    """Have the kernel send SIGKILL when the parent ends, however it ends."""
    _call("prctl", _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def end_cleanly() -> None:
    """Have SIGTERM raise SystemExit, so that whoever ends a harness leaves nothing behind."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def main() -> None:
    """Read the spec, build the surroundings, execute."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    for procs in spec.get("procs", []):
        with open(procs, "w", encoding="ascii") as group:
            group.write(str(os.getpid()))
    leave_mounts()
    for lower, on in spec.get("overlays", []):
        mount("overlay", on, "overlay", 0, f"lowerdir={lower}:{on}")
    for source, on in spec.get("binds", []):
        mount(source, on, None, MS_BIND)
    if spec.get("etc"):
        mount(spec["etc"], "/etc", None, MS_BIND)
    if spec.get("dies", True):
        die_with_parent()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
