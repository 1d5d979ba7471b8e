"""Who may do what: the same scenario with a user for each daemon, and all as one user.

Three users (alice, carol, dave) and a mailbox of the keeper's user: mail is delivered, forwarded,
bounced and given to a program. With a user for each daemon everything happens; a server of one
user delivers for that user (alice, and the mailboxes) and defers the others, saying why.
"""

import os
import pwd
from pathlib import Path

import pytest

from tests.scenarios.program import Runner
from tests.scenarios.site import HOST, ONE_USER, TAMMY, USERS
from tests.scenarios.waiting import until

OTHER_UIDS = {"carol": 54_321, "dave": 54_322}  # in a site of one user: of no account
BOUNCE = "Hi. This is the qmail-send program at mx.example.test."


class Home:
    """A user's home below the site's directory."""

    def __init__(self, site, name, ids):
        self.name = name
        self.uid, self.gid = ids
        self.path = site.base / "home" / name
        self.maildir = self.path / "Maildir"
        self._is_ours = os.geteuid() == 0 or self.uid == os.geteuid()
        for directory in (
            self.path,
            self.maildir,
            *(self.maildir / n for n in ("new", "cur", "tmp")),
        ):
            directory.mkdir(mode=0o700)
            self._give(directory)

    def write(self, name, text):
        path = self.path / name
        path.write_text(text)
        path.chmod(0o600)
        self._give(path)

    def messages(self):
        return [path.read_text() for path in sorted((self.maildir / "new").iterdir())]

    def _give(self, path):
        if self._is_ours:
            os.chown(path, self.uid, self.gid)


def make_homes(site):
    """Make the three users: real accounts, or lines of users/assign where there are none."""
    (site.base / "home").mkdir()
    homes = {}
    for name in ("alice", "carol", "dave"):
        if site.flavour == USERS:
            words = ["useradd", "--no-create-home", "--home-dir", str(site.base / "home" / name)]
            done = site.runner.run([*site.runner.prefix(), *words, name])
            assert done.returncode == 0, done.stderr
            ids = accounts(site)[name]
        else:
            uid = OTHER_UIDS.get(name, site.runner.uid)
            ids = (uid, uid)
        homes[name] = Home(site, name, ids)
    if site.flavour == ONE_USER:
        assign(site, homes)
    homes["carol"].write(".qmail", f"&{TAMMY}\n")
    homes["dave"].write(".qmail", "| id -u > ran; id -G > groups; cat > message\n")
    homes["alice"].write(".qmail-no", "| echo not today; exit 100\n")
    return homes


def assign(site, homes):
    text = (site.root / "users" / "assign").read_text().removesuffix(".\n")
    for home in homes.values():
        for sign, name, dash in (("=", home.name, ""), ("+", home.name + "-", "-")):
            text += f"{sign}{name}:{home.name}:{home.uid}:{home.gid}:{home.path}:{dash}::\n"
    site.write(site.root / "users" / "assign", text + ".\n")
    site.historical("qmail-newu")


def accounts(site):
    """Name -> (uid, gid) of the site's /etc/passwd."""
    etc = site.base / "etc" if site.flavour == USERS else Path("/etc")
    lines = [line.split(":") for line in (etc / "passwd").read_text().splitlines()]
    return {words[0]: (int(words[2]), int(words[3])) for words in lines}


def uids_of(pid):
    """Real, effective, saved and filesystem uid of a process; None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    line = next(line for line in text.splitlines() if line.startswith("Uid:"))
    return [int(word) for word in line.split()[1:]]


@pytest.fixture(params=[USERS, ONE_USER])
def place(request, make_site):
    site = make_site(request.param)
    site.control("checkrecipients", "0\n")
    homes = make_homes(site)
    return site.start(), homes


def test_delivering_forwarding_bouncing_and_running(place):
    site, homes = place
    every = site.flavour == USERS
    names = [TAMMY, *(f"{name}@{HOST}" for name in ("alice", "carol", "dave"))]
    site.send(names, sender=f"alice@{HOST}")
    failing = [f"alice-no@{HOST}", *([f"dave-nobody@{HOST}"] if every else [])]
    site.send(failing, sender=f"alice@{HOST}")  # of its own: a bounce waits for all recipients
    site.arrived(TAMMY, 2 if every else 1)
    until(lambda: len(homes["alice"].messages()) == 2, "the message and a bounce for alice")
    bounces = [m for m in homes["alice"].messages() if m.startswith("Return-Path: <>\n")]
    assert len(bounces) == 1
    assert BOUNCE in bounces[0]
    assert f"<alice-no@{HOST}>:\nnot today\n" in bounces[0]
    if every:
        site.until_empty()
        assert f"<dave-nobody@{HOST}>:\nSorry, no mailbox here by that name. (#5.1.1)" in bounces[0]
        everything_by_its_own_user(site, homes)
        an_owner_asks_about_their_own_mail(site, homes)
    else:
        assert not (homes["dave"].path / "ran").exists()
        others_wait_and_trace_says_why(site, homes)
    processes_run_as_planned(site, homes)
    smtpd_sees_nothing_of_the_mail(site)


def everything_by_its_own_user(site, homes):
    dave = homes["dave"]
    assert (dave.path / "ran").read_text() == f"{dave.uid}\n"
    assert (dave.path / "groups").read_text() == f"{dave.gid}\n"
    assert (dave.path / "message").read_text().startswith("Received: (qmail ")
    for home in homes.values():
        for path in home.maildir.rglob("*"):
            assert path.stat().st_uid == home.uid, path
    keeper = accounts(site)["vpopmail"]
    for path in site.files(TAMMY):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == keeper


def an_owner_asks_about_their_own_mail(site, homes):
    """Carol's story of the message to all is about carol alone; dave's is not for her."""
    carol = homes["carol"]
    told = site.glass("why", f"carol@{HOST}", "--as", f"carol@{HOST}", uid=carol.uid, code=None)
    assert f"carol@{HOST}" in told, told
    assert "dave@" not in told
    said = site.glass("why", f"carol@{HOST}", uid=carol.uid, code=3)
    assert "ask about your own mail by --as ADDRESS" in said
    said = site.glass("why", f"dave@{HOST}", "--as", f"dave@{HOST}", uid=carol.uid, code=3)
    assert f"mail for dave@{HOST} is not delivered by your user" in said
    rows = site.json("why", f"dave@{HOST}", "--as", f"carol@{HOST}", code=None)
    assert [row["kind"] for row in rows] == ["nothing"]  # not even that they have one in common


def others_wait_and_trace_says_why(site, homes):
    until(lambda: len(site.queued()) == 1, "only the first message waits")
    (row,) = site.json("queue", "list")
    waiting = {r["original"]: r["text"] for r in row["recipients"] if r["state"] == "waiting"}
    assert set(waiting) == {f"carol@{HOST}", f"dave@{HOST}"}
    for address, text in waiting.items():
        user = homes[address.partition("@")[0]]
        words = f"This server runs as uid {site.runner.uid} and cannot deliver as uid {user.uid}."
        assert text == f"{words} (#4.3.5)\n"
        rows = site.json("trace", address, code=1)
        (step,) = [r for r in rows if r.get("question") == "routing.one_user"]
        assert step["answer"] == "no"
        assert str(user.uid) in step["source"]
        assert words in rows[-1]["decision"]["sentence"]
        assert rows[-1]["decision"]["state"] == "problem"


def processes_run_as_planned(site, homes):
    rows = site.processes()
    daemons = (site.root / "users" / "daemons").read_text().splitlines()
    planned = {role: (int(uid), int(gid)) for role, uid, gid in (d.split(":") for d in daemons)}
    planned["supervisor"] = (site.runner.uid, site.runner.gid)
    planned["gate"] = planned["smtpd"]  # it works for the SMTP server alone
    assert {row["role"] for row in rows} == set(planned) - {"alias"}
    for row in rows:
        uid, gid = planned[row["role"]]
        assert (row["uid"], row["gid"]) == (uid, gid), row
        assert uids_of(row["pid"]) == [uid] * 4, row
        assert row["pss_kb"] > 0
    workers = [worker for row in rows for worker in row.get("workers", [])]
    seen = {tuple(uids_of(worker["pid"]) or ()) for worker in workers} - {()}
    assert {(worker["uid"],) * 4 for worker in workers} >= seen
    if site.flavour == USERS:
        assert (
            len({planned[role][0] for role in planned if role not in ("local", "supervisor")}) == 6
        )
        owners = {homes[n].uid for n in homes} | {planned["keeper"][0]}
        assert owners <= {uids[0] for uids in seen} <= owners | {0}, seen  # 0: the forker
    else:
        assert seen == {(site.runner.uid,) * 4}


_OPEN = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.listdir(path) if os.path.isdir(path) or path.endswith("/") else open(path, "rb").close()
        print(path)
    except PermissionError:
        pass
"""


def smtpd_sees_nothing_of_the_mail(site):
    if site.flavour != USERS:
        return
    uid, gid = accounts(site)["qmaild"]
    domain = site.root / "domains" / "example.test"
    secret = [site.root / "queue" / "queue.db", domain / "vpasswd", domain / "vpasswd.cdb"]
    secret += [str(site.maildir(TAMMY)) + "/", str(site.maildir(TAMMY) / "new") + "/"]
    secret += [*site.files(TAMMY), str(site.base / "home" / "alice" / "Maildir" / "new") + "/"]
    secret += [str(site.root / "queue" / n) + "/" for n in ("drop", "body", "aside")]
    secret += [str(site.root / n) + "/" for n in ("log", "history")]
    assert all(os.path.exists(path) for path in secret)
    runner = Runner(uid, site.namespace.pid, gid)
    words = [*runner.prefix(), "/usr/bin/python3", "-c", _OPEN, *map(str, secret)]
    done = runner.run(words)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_server_may_run_as_the_caller(make_site):
    """A server of one user never needs more than that user's own rights."""
    site = make_site(ONE_USER).start()
    for row in site.processes():
        assert uids_of(row["pid"]) == [site.runner.uid] * 4
    if os.geteuid() == 0:
        with pytest.raises(KeyError):
            pwd.getpwuid(site.runner.uid)
