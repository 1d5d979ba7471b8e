"""Real data base servers for tests: in a directory of their own, on a free loopback port.

One of each kind for a run of the tests, started when the first test wants it and ended with the
run. Nothing of the system's servers is touched.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psycopg
import pymysql
import pytest

USER, PASSWORD = "glass", "pa'ss w\u00f6rd"
START_S = 60.0
NOBODY = 65_534  # both servers refuse to run as root


class Server:
    """A server process.

    Attributes:
        port: where it listens on 127.0.0.1.
        pid: of the process.
    """

    scheme = ""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="glassmail-db-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)
            os.chown(self.data, NOBODY, NOBODY)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = sock.getsockname()[1]
        self.process = None
        self.databases = 0
        self.make()
        self.start()
        atexit.register(self.close)

    def run(self, *words, **options):
        done = subprocess.run([*prefix(), *words], check=False, capture_output=True, **options)
        assert done.returncode == 0, done
        return done

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*prefix(), *self.words()], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.directory,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while True:
            try:
                return self.connect().close()
            except (psycopg.Error, pymysql.MySQLError):
                assert self.process.poll() is None, (self.directory / "log").read_text()
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                time.sleep(0.05)

    def stop(self):
        """End the server without waiting for its clients."""
        if self.process is not None:
            self.process.send_signal(self.end_by)
            self.process.wait(START_S)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def fresh(self):
        """Make an empty data base; return the line of control/accountsdb."""
        self.databases += 1
        name = f"mail{self.databases}"
        connection = self.connect()
        connection.cursor().execute(f"CREATE DATABASE {name} {self.owned}")
        self.allow(connection, name)
        connection.close()
        return f"{self.scheme}://{USER}@127.0.0.1:{self.port}/{name}"

    owned = ""

    def allow(self, connection, name):
        pass


class Postgresql(Server):
    scheme = "postgresql"
    end_by = signal.SIGINT
    owned = f"OWNER {USER} TEMPLATE template0 ENCODING 'UTF8'"

    def make(self):
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            missing("postgresql")
        self.programs = programs[-1]
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self.run(
            self.programs / "initdb", "-D", self.data, "-U", "admin", "-A", "scram-sha-256",
            "--pwfile", password, "--locale", "C", "-E", "UTF8", "--no-sync",
        )  # fmt: skip

    def words(self):
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory, "max_connections": 40,
        }  # fmt: skip
        options = [word for name in settings for word in ("-c", f"{name}={settings[name]}")]
        return [self.programs / "postgres", "-D", self.data, *options]

    def connect(self):
        connection = psycopg.connect(
            host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, dbname="postgres",
            autocommit=True,
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,))
            if cursor.fetchone() is None:
                quoted = PASSWORD.replace("'", "''")
                cursor.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'")
        return connection


class Mariadb(Server):
    scheme = "mariadb"
    end_by = signal.SIGTERM
    owned = "CHARACTER SET utf8mb4"

    def make(self):
        if shutil.which("mariadb-install-db") is None or shutil.which("mariadbd") is None:
            missing("mariadb-server")
        self.run(
            "mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )  # fmt: skip

    def words(self):
        return [
            "mariadbd", "--no-defaults", "--skip-name-resolve", f"--datadir={self.data}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.directory}/socket",
            f"--pid-file={self.directory}/pid", "--innodb-buffer-pool-size=32M",
        ]  # fmt: skip

    def connect(self):
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)

    def allow(self, connection, name):
        quoted = PASSWORD.replace("'", "''")
        cursor = connection.cursor()
        cursor.execute(f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{quoted}'")
        cursor.execute(f"CREATE USER IF NOT EXISTS {USER}@localhost IDENTIFIED BY '{quoted}'")
        for host in ("'127.0.0.1'", "localhost"):
            cursor.execute(f"GRANT ALL ON {name}.* TO {USER}@{host}")


def prefix():
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def missing(package):
    """Fail as root, who installs what is missing; others get a reason."""
    reason = f"the Debian package {package} is not installed"
    assert os.geteuid() != 0, reason
    pytest.skip(reason)


@cache
def server(kind):
    """The running server of a kind: `postgresql` or `mariadb`."""
    return {"postgresql": Postgresql, "mariadb": Mariadb}[kind]()
