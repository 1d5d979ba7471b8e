"""A private copy of /etc for one server: its own users, none of this machine's secrets."""

import os
import shutil

SECRET = {"shadow", "shadow-", "gshadow", "gshadow-", "private", "sudoers", "sudoers.d", "ssh"}

User = tuple[str, int, str]  # name, uid (and gid), home


def make(directory: str, users: list[User]) -> str:
    """Copy /etc to `directory`, add the users with a group each; return the directory."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(
        "/etc", directory, symlinks=True,
        ignore=lambda _, names: [name for name in names if name in SECRET],
    )  # fmt: skip
    _append(directory, "passwd", [f"{n}:x:{uid}:{uid}::{home}:/bin/sh" for n, uid, home in users])
    _append(directory, "group", [f"{n}:x:{uid}:" for n, uid, _ in users])
    with open(os.path.join(directory, "shadow"), "w", encoding="ascii") as shadow:
        shadow.writelines(f"{name}:*:19000:0:99999:7:::\n" for name, _, _ in users)
    with open(os.path.join(directory, "gshadow"), "w", encoding="ascii") as shadow:
        shadow.writelines(f"{name}:!::\n" for name, _, _ in users)
    return directory


def _append(directory: str, file: str, lines: list[str]) -> None:
    with open(os.path.join(directory, file), "a", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in lines)
