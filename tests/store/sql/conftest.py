import os

import pytest

from tests.store.sql.servers import PASSWORD, server

KINDS = ("sqlite", "postgresql", "mariadb")


class DatabaseSite:
    """A ROOT whose control/accountsdb names an empty data base."""

    def __init__(self, directory, kind):
        self.kind = kind
        self.root = directory / "root"
        for name in ("control", "users", "domains"):
            (self.root / name).mkdir(parents=True)
        self.line = "sqlite" if kind == "sqlite" else server(kind).fresh()
        self.control(self.line)
        password = self.root / "users" / "accountsdb.password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)

    def control(self, line):
        path = self.root / "control" / "accountsdb"
        if line is None:
            path.unlink()
        else:
            path.write_text(line + "\n")

    def directory(self, name="example.com"):
        path = self.root / "domains" / name
        path.mkdir(exist_ok=True)
        return path

    @property
    def owner(self):
        return os.getuid(), os.getgid()


@pytest.fixture(params=KINDS)
def db_site(request, tmp_path):
    return DatabaseSite(tmp_path, request.param)
