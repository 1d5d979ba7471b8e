"""A small site made by admin.init, for the tests of what uses one."""

import os

from glassmail.admin.init import Plan, make_site
from glassmail.settings.place import Place


def make(directory, **changes):
    """Make a one-user site below a directory; return its Place."""
    root = os.path.join(str(directory), "site")
    wanted = {
        "root": root,
        "host": b"mx.example.test",
        "mailboxes": [(b"tammy@example.test", b"secret"), (b"bob@example.test", b"other")],
        "aliases": [(b"sales@example.test", b"tammy@example.test")],
        "catch_alls": [(b"example2.test", b"bob@example.test")],
        "is_one_user": True,
    }
    make_site(Plan(**{**wanted, **changes}))
    return Place(root)
