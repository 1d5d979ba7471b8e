"""A damaged queue: the server starts, says what is wrong, delivers the rest; check mends it."""

import json
import os
import subprocess

import apsw
import pytest

from tests.faults.harness import bench_module

letters = bench_module("letters")
small = bench_module("small_site")

pytestmark = pytest.mark.covers("command/qmail-qmaint", "glass/queue check")


def glass(site, *words, code=None):
    done = subprocess.run(
        [*small.GLASS, *words, "--root", site.root], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def qmaint(site, *words):
    code = "import sys; from glassmail.faces.compat.qmail_qmaint import main; sys.exit(main())"
    return subprocess.run(
        [small.GLASS[0], "-c", code, *words], capture_output=True, text=True, check=False,
        env={**os.environ, "GLASSMAIL_ROOT": site.root},
    )  # fmt: skip


def close_mailbox(site):
    """Deliveries are deferred from now on."""
    maildir = os.path.dirname(site.new)
    os.rename(maildir, maildir + ".away")
    with open(maildir, "w", encoding="ascii"):
        pass


def open_mailbox(site):
    maildir = os.path.dirname(site.new)
    os.unlink(maildir)
    os.rename(maildir + ".away", maildir)


def findings(site, code=1):
    said = glass(site, "queue", "check", "--json", code=code)
    rows = [json.loads(line) for line in said.split("\n") if line]
    assert rows[-1]["findings"] == len(rows) - 1
    return {row["kind"]: row for row in rows[:-1]}


@pytest.fixture
def waiting(small_site):
    """A stopped site whose queue holds small-1, small-2 and, with a file each, file-1, file-2."""
    site = small_site
    close_mailbox(site)
    site.start()
    for name in ("small-1", "file-1", "small-2", "file-2"):
        sizes = letters.FILE if name.startswith("file") else letters.SMALL
        assert site.send(name, "direct", sizes) == "250"
    small.until(lambda: all(r["recipients"][0]["text"] for r in site.rows()), "all are deferred")
    site.stop()
    open_mailbox(site)
    return site


def rows_of(site):
    """Message number -> body file, or None, straight from the database."""
    db = apsw.Connection(site.place.queue_db)
    found = dict(db.execute("SELECT m.id,b.file FROM message m JOIN body b ON b.id=m.body"))
    db.close()
    return found


def change(site, sql):
    db = apsw.Connection(site.place.queue_db)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(sql)
    db.close()


def served(site, count, names):
    """Start; the others arrive; return what the log of the server says."""
    site.start()
    site.flush()
    small.until(lambda: sorted(site.arrived()) == sorted(names), f"the rest: {site.said()}")
    small.until(lambda: site.queued() == count, f"{count} are left: {site.rows()}")
    return told(site)


def told(site):
    """What the server logs of the queue; a log that was not closed well goes on in a new file."""
    directory = os.path.join(site.root, "log", "send")
    said = ""
    for name in sorted(os.listdir(directory)):
        if name.startswith("@") or name == "current":
            with open(os.path.join(directory, name), encoding="utf-8") as log:
                said += log.read()
    return said


def mended(site):
    """Repair: refused without consent, then done; a second look finds nothing new."""
    with open(site.place.queue_db, "rb") as file:
        before = file.read()
    assert "--repair --yes does it" in glass(site, "queue", "check", "--repair", code=1)
    with open(site.place.queue_db, "rb") as file:
        assert file.read() == before
    return glass(site, "queue", "check", "--repair", "--yes")


def test_a_whole_queue(waiting):
    assert findings(waiting, code=0) == {}
    assert glass(waiting, "queue", "check") == "the queue is whole: 4 messages\n"
    assert (qmaint(waiting, "-i").returncode, qmaint(waiting).returncode) == (0, 100)
    waiting.start()
    said = glass(waiting, "queue", "check", code=3)
    assert "the running server owns it" in said
    assert "a server runs here" in glass(waiting, "queue", "check", "--repair", code=3)


def test_truncated_and_missing_bodies(waiting):
    bodies = {number: file for number, file in rows_of(waiting).items() if file}
    (first, short), (second, gone) = bodies.items()
    os.truncate(os.path.join(waiting.place.queue_bodies, short), 100_000)
    os.unlink(os.path.join(waiting.place.queue_bodies, gone))
    found = findings(waiting)
    assert set(found) == {"body_truncated", "body_missing"}
    assert f"the body of message {first}" in found["body_truncated"]["sentence"]
    assert qmaint(waiting, "-i").returncode == 99
    log = served(waiting, 2, ["small-1", "small-2"])
    assert f"{short} has 100000 bytes instead of" in log
    assert f"{gone} is missing: its message cannot be delivered" in log
    texts = {row["message"]: row["recipients"][0]["text"] for row in waiting.rows()}
    assert "100000 bytes instead of" in texts[first]
    assert "No such file" in texts[second]
    waiting.stop()
    said = mended(waiting)
    assert f"hold message {first}" in said
    waiting.start()
    assert [row["held"] for row in waiting.rows()] == [True, True]
    assert qmaint(waiting, "-d", str(first)).returncode == 0
    assert qmaint(waiting, "-d", "99").returncode == 99
    waiting.stop()
    assert qmaint(waiting, "-d", str(second)).returncode == 0
    assert os.listdir(waiting.place.queue_aside) == [f"message.{second}"]


def test_foreign_files_and_wrong_owners(waiting):
    place = waiting.place
    for path in ("body/hello", "drop/hello", "aside/hello"):
        with open(place.path("queue", path), "w", encoding="ascii") as out:
            out.write("hello")
    os.chmod(place.queue_bodies, 0o755)
    os.chmod(place.queue_db, 0o644)
    kinds = {"body_foreign", "drop_foreign", "aside", "wrong_mode"}
    if os.geteuid() == 0:
        os.chown(place.queue_drop, 12_345, -1)
        kinds.add("wrong_owner")
    assert set(findings(waiting)) == kinds
    served(waiting, 0, ["small-1", "small-2", "file-1", "file-2"])
    for words in ("queue/body/hello does not belong to any message: left alone",
                  "queue/drop/hello", "moved to queue/aside"):  # fmt: skip
        small.until(lambda words=words: words in told(waiting), words)
    waiting.stop()
    mended(waiting)
    assert set(findings(waiting)) == {"aside"}
    assert len(os.listdir(place.queue_aside)) >= 2


def test_rows_that_do_not_fit_together(waiting):
    change(waiting, "DELETE FROM recipient WHERE message=1; UPDATE body SET refs=7 WHERE id=3;"
           "INSERT INTO body VALUES(90,1,5,x'3132333435',NULL);"
           "INSERT INTO recipient VALUES(91,0,0,0,x'61',x'61',x'');"
           "UPDATE message SET due_local=NULL WHERE id=4")  # fmt: skip
    wanted = {"message_without_recipients", "wrong_count", "body_without_message",
              "recipient_without_message", "message_not_due"}  # fmt: skip
    assert set(findings(waiting)) == wanted
    mended(waiting)
    assert set(findings(waiting)) == {"aside"}
    assert sorted(os.listdir(waiting.place.queue_aside)) == ["body.90", "message.1"]
    served(waiting, 0, ["small-2", "file-1", "file-2"])


@pytest.mark.parametrize("how", ["header", "pages", "empty"])
def test_a_database_that_does_not_open(waiting, how):
    """The server sets it aside by itself, saves what can be read, and starts."""
    size = os.stat(waiting.place.queue_db).st_size
    with open(waiting.place.queue_db, "r+b") as file:
        if how == "header":
            file.write(b"\0" * 4_096)
        elif how == "pages":  # the tables of all but message, body and recipient may be gone
            file.seek(size - 8_192)
            file.write(b"\xff" * 8_192)
        else:
            file.truncate(0)
    if how != "empty":
        assert "database_damaged" in findings(waiting)
    waiting.start()
    waiting.flush()
    assert waiting.send("new-1", "direct") == "250"
    small.until(lambda: "new-1" in waiting.arrived(), f"new mail: {waiting.said()}", 30)
    if how == "header":
        assert "the queue's database was damaged" in told(waiting)
        names = os.listdir(waiting.place.queue_aside)
        assert [n for n in names if n.startswith("queue.db.")]
        assert len([n for n in names if n.startswith("b")]) == 2  # the bodies were not thrown away


def test_repair_saves_what_can_be_read(waiting):
    with open(waiting.place.queue_db, "r+b") as file:
        size = os.stat(waiting.place.queue_db).st_size
        pages = {file.seek(at) or at: file.read(8_192) for at in range(0, size, 8_192)}
        (at,) = [at for at, page in pages.items() if b"X-Crash-Id: small-1\n" in page][:1]
        file.seek(at)
        file.write(b"\xff" * 64)
    assert "database_damaged" in findings(waiting)
    said = mended(waiting)
    assert "save what can be read into a new one" in said
    left = findings(waiting)
    assert "database_damaged" not in left
    log = served(waiting, 0, list(rest(waiting)))
    assert "cannot start" not in log


def rest(site):
    """The names of what was saved."""
    db = apsw.Connection(site.place.queue_db)
    files = {file for (file,) in db.execute("SELECT file FROM body WHERE file NOT NULL")}
    for (data,) in db.execute("SELECT data FROM body WHERE data NOT NULL"):
        yield letters.identify(data)
    db.close()
    for file in files:
        with open(os.path.join(site.place.queue_bodies, file), "rb") as body:
            yield letters.identify(body.read(4_096))


@pytest.fixture
def cut_short(small_site):
    """A stopped site whose queue has forgotten message 2, which its history knows."""
    site = small_site.start()
    assert site.send("one", "direct") == "250"
    small.until(lambda: site.arrived() == ["one"], "one arrives")
    site.stop()
    with open(site.place.queue_db, "rb") as file:
        old = file.read()
    close_mailbox(site)
    site.start()
    assert site.send("two", "direct") == "250"
    small.until(lambda: all(r["recipients"][0]["text"] for r in site.rows()), "it is deferred")
    site.stop()
    with open(site.place.queue_db, "wb") as file:  # what a WAL without its end amounts to
        file.write(old)
    open_mailbox(site)
    return site


def test_a_write_ahead_log_cut_short(cut_short):
    """The history knows what the queue has forgotten; check names it."""
    site = cut_short
    found = findings(site)
    assert set(found) == {"numbers_lost"}
    sentence = found["numbers_lost"]["sentence"]
    assert "ends at message 1, but the history knows message 2" in sentence
    assert "message 2 from <sender@src.test> to <tammy@example.test>" in sentence
    mended(site)
    assert findings(site, code=0) == {}
    site.start()
    assert site.send("three", "direct") == "250"
    small.until(lambda: "three" in site.arrived(), "three arrives")
    assert "another one" not in told(site)
    assert why(site, 3)


def test_a_server_that_starts_with_a_cut_log_says_so(cut_short):
    """Facts of new mail are not taken for repeats, and no number is given twice."""
    site = cut_short.start()
    for name in ("three", "four", "five"):
        assert site.send(name, "direct") == "250"
    small.until(lambda: len(site.arrived()) == 4, "they arrive")
    small.until(lambda: "the end of its write-ahead log is gone" in told(site), "it is told")
    assert site.send("six", "direct") == "250"
    small.until(lambda: "six" in site.arrived(), "it arrives")
    site.stop()
    db = apsw.Connection(site.place.queue_db)
    highest = db.execute("SELECT seq FROM sqlite_sequence WHERE name='message'").get
    db.close()
    assert highest > 100
    assert why(site, highest)


def why(site, number):
    """Whether the history tells of a message."""
    return "sender@src.test" in glass(site, "why", str(number))
