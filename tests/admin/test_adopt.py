"""`glass init --from`: a site on the files of a qmail site, which stay as they are."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.admin import adopt as adopting
from glassmail.admin import site_layout
from glassmail.admin.adopt import Adoption, adopt
from glassmail.admin.init import InitError, SiteExistsError
from glassmail.admin.site import home_of
from glassmail.admin.system_users import SYSTEM_USERS, SystemUser
from glassmail.core.formats import daemons
from glassmail.faces.cli.init import init
from glassmail.settings.place import Place
from glassmail.store.control import Controls

NOBODYS = {**SYSTEM_USERS, "keeper": SystemUser("glass-no-such-user", "nobody")}

NO_DEFAULT = (
    "mail of users without a .qmail file goes to ./Maildir/; if qmail was started with another "
    "instruction, write that into control/defaultdelivery"
)


@pytest.fixture
def qmail(tmp_path):
    """Make what /var/qmail holds."""
    source = tmp_path / "qmail"
    files = {
        "control/me": "mx.old.test\n",
        "control/rcpthosts": "old.test\n",
        "control/locals": "old.test\n",
        "users/assign": "+joe:joe:507:506:/home/joe:::\n.\n",
        "alias/.qmail-postmaster": "&joe\n",
        "queue/mess/3/94": "one message\n",
    }
    for name, text in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "tcp.smtp").write_text("127.:allow\n")
    return source


def plan_of(tmp_path, **changes):
    wanted = {
        "root": str(tmp_path / "site"), "source": str(tmp_path / "qmail"), "is_one_user": True,
        "users": NOBODYS, "rules": (str(tmp_path / "tcp.smtp"),),
    }  # fmt: skip
    return Adoption(**{**wanted, **changes})


def tree_of(path):
    """Path -> content of each file below a directory."""
    return {str(file.relative_to(path)): file.read_bytes()
            for file in path.rglob("*") if file.is_file()}  # fmt: skip


def test_the_files_are_used_where_they_are(tmp_path, qmail):
    before = tree_of(qmail)
    done = adopt(plan_of(tmp_path))
    root = tmp_path / "site"
    assert done.host == b"mx.old.test"
    assert dict(done.links) == {name: str(qmail / name) for name in ("control", "users", "alias")}
    for name, target in done.links:
        assert os.readlink(root / name) == target
    assert not (root / "domains").is_symlink()
    after = tree_of(qmail)
    assert {name: after[name] for name in before} == before
    new = {"control/listen", "control/servercert.pem", "users/daemons", "control/tcp.smtp"}
    assert after.keys() - before.keys() == new
    assert sorted(done.added) == sorted(str(qmail / name) for name in new)
    assert os.readlink(qmail / "control" / "tcp.smtp") == str(tmp_path / "tcp.smtp")
    assert Controls(str(root / "control")).snapshot().line("me") == b"mx.old.test"
    assert set(daemons.parse(after["users/daemons"]).values()) == {(os.geteuid(), os.getegid())}
    assert (root / "queue" / "drop").stat().st_mode & 0o7777 == 0o1733


def test_what_is_there_stays(tmp_path, qmail):
    (qmail / "control" / "listen").write_text("smtp 127.0.0.1:2599\n")
    (qmail / "control" / "tcp.smtp").write_text(":deny\n")
    (qmail / "control" / "servercert.pem").write_text("ours\n")
    (qmail / "control" / "smtpauth").write_text("system\n")
    (qmail / "control" / "defaultdelivery").write_text("./Mailbox\n")
    (qmail / "users" / "cdb").write_bytes(b"")
    before = tree_of(qmail)
    done = adopt(plan_of(tmp_path))
    assert done.added == (str(qmail / "users" / "daemons"),)
    assert {name: tree_of(qmail)[name] for name in before} == before
    assert done.remarks == (
        f"1 message waits in {qmail}/queue: let qmail deliver it, it is not taken over",
    )


def test_what_is_to_be_known(tmp_path, qmail):
    (qmail / "queue" / "mess" / "3" / "95").touch()
    remarks = adopt(plan_of(tmp_path, rules=())).remarks
    assert [text.partition(":")[0] for text in remarks] == [
        f"2 messages wait in {qmail}/queue",
        "there are no rules for clients, so that nobody relays",
        NO_DEFAULT,
        "nobody logs in yet",
        "users/cdb is missing or older than users/assign",
    ]


def test_domains_of_vpopmail_are_linked(tmp_path, qmail, monkeypatch):
    (tmp_path / "vpopmail" / "domains").mkdir(parents=True)

    class Entry:
        pw_dir = str(tmp_path / "vpopmail")

    monkeypatch.setattr(adopting.pwd, "getpwnam", lambda _name: Entry)
    done = adopt(plan_of(tmp_path))
    assert done.links[-1] == ("domains", str(tmp_path / "vpopmail" / "domains"))
    assert os.readlink(tmp_path / "site" / "domains") == done.links[-1][1]


def test_domains_lie_where_assign_has_them(tmp_path, qmail):
    homes = [tmp_path / "mail", tmp_path / "other"]
    for home in homes:
        (home / "domains").mkdir(parents=True)
    lines = [
        f"+{name}.test-:{name}.test:507:506:{home}/domains/{name}.test:-::\n"
        for name, home in zip(("one", "two"), homes, strict=True)
    ]
    (qmail / "users" / "assign").write_text("".join(lines) + ".\n")
    done = adopt(plan_of(tmp_path))
    assert dict(done.links)["domains"] == str(homes[0] / "domains")
    root = tmp_path / "site"
    (told,) = [text for text in done.remarks if "control/vpopmailhome" in text]
    assert told == (
        f"two.test lies in {homes[1]}/domains/two.test, new domains will be made in "
        f"{root}/domains: write vpopmail's home into control/vpopmailhome if that is another one"
    )


def test_domains_of_assign_count_more_than_an_empty_directory(tmp_path, qmail):
    place = Place(str(tmp_path / "site"))
    adopt(plan_of(tmp_path))
    assert home_of(place) == place.root
    home = tmp_path / "mail"
    (home / "domains").mkdir(parents=True)
    line = f"+one.test-:one.test:507:506:{home}/domains/one.test:-::\n"
    (qmail / "users" / "assign").write_text(line + ".\n")
    assert (os.path.isdir(place.domains), home_of(place)) == (True, str(home))
    own = f"+two.test-:two.test:507:506:{place.domains}/two.test:-::\n"
    (qmail / "users" / "assign").write_text(line + own + ".\n")
    assert home_of(place) == place.root
    (qmail / "control" / "vpopmailhome").write_text("/named\n")
    assert home_of(place) == "/named"


def test_a_missing_rcpthosts_is_told(tmp_path, qmail):
    (qmail / "control" / "rcpthosts").unlink()
    remarks = adopt(plan_of(tmp_path)).remarks
    assert [text for text in remarks if text.startswith("control/rcpthosts is missing")]
    (qmail / "control" / "openrelay").write_text("1\n")
    remarks = adopt(plan_of(tmp_path, root=str(tmp_path / "open"))).remarks
    assert not [text for text in remarks if text.startswith("control/rcpthosts")]


def test_a_failure_leaves_both_as_they_were(tmp_path, qmail, monkeypatch):
    before = tree_of(qmail)

    def fail(_staging, _root):
        raise OSError(28, "No space left on device", "/there")

    monkeypatch.setattr(site_layout, "put_in_place", fail)
    with pytest.raises(InitError, match=r"^/there: No space left on device$"):
        adopt(plan_of(tmp_path))
    assert tree_of(qmail) == before
    assert sorted(os.listdir(tmp_path)) == ["qmail", "tcp.smtp"]


def test_refusals(tmp_path, qmail):
    with pytest.raises(SiteExistsError, match="holds a site already"):
        adopt(plan_of(tmp_path, root=str(qmail)))
    with pytest.raises(InitError, match="me does not exist or is empty: name qmail's directory"):
        adopt(plan_of(tmp_path, source=str(tmp_path)))
    with pytest.raises(InitError, match="--listen:1"):
        adopt(plan_of(tmp_path, listeners=("smtp nowhere",)))
    assert not (tmp_path / "site").exists()
    assert not (qmail / "control" / "listen").exists()


def test_the_command(tmp_path, qmail):
    words = ["--root", str(tmp_path / "site"), "--from", str(qmail), "--one-user"]
    wrong = CliRunner().invoke(init, [*words, "--host", "a.test"])
    assert wrong.exit_code == 2
    assert "--from takes names and mailboxes from the site that is there" in wrong.output
    told = CliRunner().invoke(init, [*words, "--listen", "smtp 127.0.0.1:2598"])
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[0] == f"{tmp_path}/site: the site of mx.old.test, with the files of {qmail}"
    assert f"linked control to {qmail}/control" in lines
    assert f"added {qmail}/control/listen" in lines
    assert Path(qmail, "control", "listen").read_text() == "smtp 127.0.0.1:2598\n"
    again = ["--root", str(tmp_path / "b"), "--from", str(qmail), "--one-user", "--json"]
    record = json.loads(CliRunner().invoke(init, again).output)
    assert record["host"] == "mx.old.test"
    assert record["added"] == []
    assert record["links"]["users"] == f"{qmail}/users"
