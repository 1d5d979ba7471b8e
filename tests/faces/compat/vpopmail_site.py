"""A site as the machine had it that the sample of vpopmail's commands was taken on."""

import importlib
import os
import stat

from glassmail.settings.place import Place


def make_home(base):
    """ROOT with vpopmail's home, and a domain that stands there already."""
    root, home = base / "qmail", base / "vpopmail"
    for path in (root / "control", root / "users", root / "run", home / "bin", home / "etc"):
        path.mkdir(parents=True)
    (home / "domains" / "virt.test").mkdir(parents=True, mode=0o700)
    program = home / "bin" / "vdelivermail"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    ids = f"{os.getuid()}:{os.getgid()}"
    (root / "users" / "assign").write_text(
        "=exact:quser:1001:1001:/home/quser:::\n"
        f"+virt.test-:virt.test:{ids}:{home}/domains/virt.test:-::\n.\n"
    )
    control = {
        "me": "oracle.example.test\n",
        "locals": "oracle.example.test\n",
        "rcpthosts": "oracle.example.test\n.sub.test\nvirt.test\n",
        "virtualdomains": "virt.test:virt.test\n",
        "vpopmailhome": f"{home}\n",
        "clearpasswords": "1\n",
    }
    for name, text in control.items():
        (root / "control" / name).write_text(text)
    return Place(str(root)), home


def call(command, *words):
    """Run a command in this process; return its exit code."""
    module = importlib.import_module(f"glassmail.faces.compat.{command}")
    return module.main([command, *words])


def listing(directory):
    """Names and kinds as `ls -la` tells them."""
    rows = {}
    for name in os.listdir(directory):
        status = os.lstat(os.path.join(directory, name))
        rows[name] = stat.filemode(status.st_mode)
    return rows
