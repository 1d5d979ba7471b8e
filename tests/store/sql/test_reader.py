import contextlib
import os
import signal

import pytest

from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store.account_writer import Domain
from glassmail.store.accounts import Mailboxes
from glassmail.store.sql import database, marker, reader
from glassmail.store.sql.database import Database, address_of, open_session
from glassmail.store.sql.session import SqlError
from glassmail.store.sql.sqlite import SqliteSession
from glassmail.store.sql.writer import SqlWriter
from tests.scenarios.waiting import until
from tests.store.sql.connections import forget
from tests.store.sql.servers import server
from tests.store.sql.test_writer import account


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    yield
    forget()


@pytest.fixture
def domain(db_site):
    made = Domain(b"example.com", str(db_site.directory()), db_site.owner)
    writer = SqlWriter(str(db_site.root))
    writer.create(made)
    writer.add(made, [account(b"bob")])
    writer.close()
    return made


def find(domain, name=b"bob"):
    return Mailboxes().find(os.fsencode(domain.directory), name)


def test_a_child_process_asks_for_itself(domain):
    assert find(domain).answer == YES
    pid = os.fork()
    if not pid:
        os._exit(0 if find(domain).answer == YES and find(domain, b"x").answer == NO else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert find(domain).answer == YES


def test_a_vpasswd_counts_more_than_the_mark(domain):
    path = os.path.join(domain.directory, "vpasswd")
    with open(path, "w", encoding="ascii") as file:
        file.write("ann:x:1:0:Ann:/x/ann:NOQUOTA\n")
    assert find(domain, b"ann").answer == YES
    assert find(domain, b"bob").answer == NO


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_ends_and_comes_back(kind, tmp_path, monkeypatch):
    from tests.store.sql.conftest import DatabaseSite

    site = DatabaseSite(tmp_path, kind)
    domain = Domain(b"example.com", str(site.directory()), site.owner)
    writer = SqlWriter(str(site.root))
    writer.create(domain)
    writer.add(domain, [account(b"bob")])
    assert find(domain).answer == YES
    server(kind).stop()
    try:
        assert find(domain).answer == UNKNOWN
        assert site.line.split("@")[1].split("/")[0] in find(domain).source
        assert "pa'ss" not in find(domain).source
    finally:
        server(kind).start()
    assert find(domain).answer == UNKNOWN  # not asked again within PAUSE_S
    monkeypatch.setattr(database, "PAUSE_S", 0.0)
    reader._databases[str(site.root)]._try_at = 0.0
    assert find(domain).answer == YES
    # a connection that broke between two questions costs nothing
    server(kind).stop()
    server(kind).start()
    assert find(domain).answer == YES
    with pytest.raises(Exception, match=kind):  # an administrator sees why; the next try works
        writer.add(domain, [account(b"ann")])
    writer.add(domain, [account(b"ann")])
    writer.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_by_a_local_socket(kind, tmp_path):
    from tests.store.sql.conftest import DatabaseSite

    site = DatabaseSite(tmp_path, kind)
    running = server(kind)
    where = f"{running.directory}:{running.port}"  # PostgreSQL's socket is named by both
    if kind == "mariadb":
        where = f"{running.directory}/socket"
    site.control(site.line.replace(f"127.0.0.1:{running.port}", where))
    domain = Domain(b"example.com", str(site.directory()), site.owner)
    writer = SqlWriter(str(site.root))
    writer.create(domain)
    writer.add(domain, [account(b"bob")])
    writer.close()
    assert find(domain).answer == YES


def test_another_data_base_is_taken_up(db_site, domain, monkeypatch):
    assert find(domain).answer == YES
    monkeypatch.setattr(database, "LOOK_AGAIN_S", 0.0)
    forget()
    assert find(domain).answer == YES
    db_site.control(None)
    assert find(domain).answer == UNKNOWN
    assert "names no data base" in find(domain).source
    forget()
    db_site.control("sqlite:/nowhere/at/all.db")
    assert find(domain).answer == UNKNOWN


def test_tables_that_are_not_there(tmp_path, db_site):
    directory = str(db_site.directory())
    marker.write(directory, marker.Marker(str(db_site.root), b"example.com"), db_site.owner)
    found = Mailboxes().find(os.fsencode(directory), b"bob")
    assert found.answer == UNKNOWN
    assert "glass domain convert" in found.source


def test_marks_that_cannot_be_read(tmp_path):
    path = tmp_path / marker.NAME
    for text in (b"", b"root relative\ndomain x\n", b"root /x\n"):
        path.write_bytes(text)
        reader._markers.clear()
        found = Mailboxes().find(os.fsencode(tmp_path), b"bob")
        assert found.answer == UNKNOWN
        assert marker.NAME in found.source
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert Mailboxes().find(os.fsencode(tmp_path), b"bob").answer == UNKNOWN


def test_a_password_for_everybody(tmp_path, db_site):
    if db_site.kind == "sqlite":
        pytest.skip("SQLite has no password")
    (db_site.root / "users" / "accountsdb.password").chmod(0o644)
    with pytest.raises(SqlError, match="everybody may read"):
        Database(str(db_site.root)).ask(lambda session: session.rows("SELECT 1"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_setting_that_somebody_else_owns(tmp_path):
    from tests.store.sql.conftest import DatabaseSite

    site = DatabaseSite(tmp_path, "sqlite")
    os.chown(site.root / "control" / "accountsdb", 20_011, 20_011)
    directory = str(site.directory())
    marker.write(directory, marker.Marker(str(site.root), b"example.com"), site.owner)
    found = Mailboxes().find(os.fsencode(directory), b"bob")
    assert found.answer == UNKNOWN
    assert "neither root nor us" in found.source


def test_a_file_of_sqlite_is_no_link(tmp_path):
    from tests.store.sql.conftest import DatabaseSite

    site = DatabaseSite(tmp_path, "sqlite")
    for target in ("nowhere", "something"):
        (tmp_path / "something").write_bytes(b"")
        path = site.root / "domains" / ".accounts.db"
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / target)
        with pytest.raises(SqlError):
            SqliteSession(str(path))
        assert not (tmp_path / "nowhere").exists()
        assert (tmp_path / "something").read_bytes() == b""


def test_one_text_whatever_it_holds(db_site, domain):
    """Values go beside the statement, also where it is asked without a cursor."""
    if db_site.kind == "postgresql":
        pytest.skip("its driver sends values by the protocol")
    session = open_session(str(db_site.root), address_of(str(db_site.root)))
    for value in ("", "it's", "a\\", "100 %s %", "?", 'ä\n"`', "x" * 70_000):
        assert session.text("SELECT concat_ws(?, ?, '')", ("!", value)) == value + "!"
        assert session.text("SELECT name FROM domain WHERE name = ?", (value,)) is None
    with pytest.raises(SqlError):
        session.text("SELECT name FROM nothing WHERE name = ?", ("x",))
    assert session.text("SELECT concat_ws(?, 'still', 'there')", (" ",)) == "still there"
    session.close()


def test_more_than_one_text_is_no_answer(tmp_path):
    from tests.store.sql.conftest import DatabaseSite

    root = str(DatabaseSite(tmp_path, "mariadb").root)
    session = open_session(root, address_of(root))
    with pytest.raises(SqlError, match="more than one row") as error:
        session.text("SELECT ? UNION SELECT ?", ("a", "b"))
    assert error.value.is_gone


class Slow:
    """Answers after a while, by a clock of its own."""

    def __init__(self, takes_s, fails=False):
        self.now, self.takes_s, self.fails, self.asked = 100.0, takes_s, fails, 0

    def monotonic(self):
        return self.now

    def __call__(self, _session):
        self.asked += 1
        self.now += self.takes_s
        if self.fails:
            raise SqlError("timed out", is_gone=True)
        return "answer"


def asked(question, tmp_path, monkeypatch):
    made = Database(str(tmp_path))
    monkeypatch.setattr(database, "time", question)
    monkeypatch.setattr(made, "_current", lambda _now: (None, True))
    return made


def test_a_slow_data_base_takes_half_of_the_time_at_most(tmp_path, monkeypatch):
    question = Slow(1.5)
    made = asked(question, tmp_path, monkeypatch)
    assert made.ask(question) == "answer"
    with pytest.raises(SqlError, match=r"took 1\.5 s"):
        made.ask(question)
    question.now += 1.5
    assert made.ask(question) == "answer"
    assert question.asked == 2
    question.now, question.takes_s = 200.0, 0.9
    assert [made.ask(question), made.ask(question)] == ["answer", "answer"]


def test_who_was_kept_waiting_does_not_ask_again_at_once(tmp_path, monkeypatch):
    for takes_s, times in ((3.0, 1), (0.0, 2)):
        question = Slow(takes_s, fails=True)
        made = asked(question, tmp_path, monkeypatch)
        with pytest.raises(SqlError, match="timed out"):
            made.ask(question)
        assert question.asked == times


def processes(pid):
    """A process and those below it."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        below = [int(word) for word in file.read().split()]
    return [pid, *(each for child in below for each in processes(child))]


def has_stopped(pid):
    """Tell whether every thread stands still; the signal needs a moment to reach them."""
    with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] != "T":
                    return False
    return True


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_has_stopped_is_not_waited_for(kind, tmp_path, monkeypatch):
    """It is there and says nothing, not even that it takes too long."""
    from glassmail.store.sql import mariadb, postgresql
    from tests.store.sql.conftest import DatabaseSite

    monkeypatch.setattr(postgresql, "_SILENCE_S_MAX", 0.3)
    monkeypatch.setattr(mariadb, "WAIT_S", 1)
    monkeypatch.setattr(database, "PAUSE_S", 0.0)
    monkeypatch.setattr(database, "AGAIN_WITHIN_S", 0.2)
    site = DatabaseSite(tmp_path, kind)
    domain = Domain(b"example.com", str(site.directory()), site.owner)
    writer = SqlWriter(str(site.root))
    writer.create(domain)
    writer.add(domain, [account(b"bob")])
    writer.close()
    assert find(domain).answer == YES
    stopped = processes(server(kind).process.pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all(map(has_stopped, stopped)), "the server has stopped")
    try:
        assert find(domain).answer == UNKNOWN
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert find(domain).answer == YES
