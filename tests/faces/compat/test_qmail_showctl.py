import os
from pathlib import Path

import pytest

from glassmail.faces.compat import qmail_showctl
from glassmail.faces.compat.qmail_showctl import tell
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.place import Place
from glassmail.settings.registry import Kind
from glassmail.settings.showctl import BUILT, OWN, QMAIL
from glassmail.store.control import ControlError
from tests.faces.compat.command import make_site, run

pytestmark = pytest.mark.covers("command/qmail-showctl")

EXPECTED = (Path(__file__).resolve().parents[2] / "data" / "compat" / "showctl.txt").read_text()
CONTROL = {
    "badmailfrom": "bad@spam.test\n@evil.test\n",
    "locals": "oracle.example.test\n",
    "rcpthosts": "# ours\noracle.example.test\nvirt.test\n\n.sub.test\n",
    "smtproutes": "remote.test:127.0.0.1:2526\n:127.0.0.1:2599\n",
    "virtualdomains": "virt.test:virt.test\n",
    "breakcharacter": "-\n",
}
DAEMONS = "alias:999:995\nsmtpd:995:995\nlog:994:995\nkeeper:993:1\nremote:991:994\nqueue:990:994\n"
# Where this server's truth is not qmail's.
TRUTHS = {
    "home directory: /var/qmail": "home directory: ROOT",
    "silent concurrency limit: 120": "silent concurrency limit: 65000",
    "994, 0, 993, 992, 991, 990": "994, 0, 993, 990, 991, 990",
    "Local concurrency is 10": "Local concurrency is 255",
}


@pytest.fixture
def root(tmp_path):
    root = make_site(tmp_path)
    for name, text in CONTROL.items():
        (root / "control" / name).write_text(text)
    (root / "users/daemons").write_text(DAEMONS)
    return root


def told(root):
    return b"".join(tell(Place(str(root)))).decode()


def paragraph(root, name):
    for text in told(root).split("\n\n"):
        if text.startswith(f"{name}: "):
            return text.rstrip("\n")
    raise AssertionError(name)


def test_qmails_part_is_qmails(root):
    expected = EXPECTED
    for theirs, ours in TRUTHS.items():
        assert theirs in expected
        expected = expected.replace(theirs, ours)
    assert told(root).replace(str(root), "ROOT").startswith(expected + "\n")


def test_the_command(root):
    done = run("qmail_showctl", root)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, told(root), b"")
    done = run("qmail_showctl", root / "nowhere")
    assert done.returncode == 111
    assert b"Oops! Unable to read " in done.stdout


def test_every_setting_is_told_once(root):
    names = [s.name for s in (*QMAIL, *OWN)]
    assert len(set(names)) == len(names)
    assert set(SETTINGS) <= set(names)
    assert set(names) - set(SETTINGS) - BUILT == {"qmqpservers", "morercpthosts", "tcp.smtp"}
    text = told(root)
    assert all(text.count(f"\n\n{name}: ") == 1 for name in names)


def test_files_nobody_reads_come_last(root):
    (root / "control/zzz").touch()
    (root / "control/nonsense").touch()
    assert told(root).endswith(
        "\n\nnonsense: I have no idea what this file does.\n"
        "\nzzz: I have no idea what this file does.\n"
    )


def test_numbers_are_what_is_obeyed(root):
    (root / "control/concurrencyremote").write_text("70000\n")
    assert paragraph(root, "concurrencyremote") == "concurrencyremote: Remote concurrency is 65000."
    (root / "control/concurrencyremote").write_text("many\n")
    expected = "concurrencyremote: (Default.) Remote concurrency is 20."
    assert paragraph(root, "concurrencyremote") == expected


def test_unreadable_file_and_unprintable_bytes(root):
    (root / "control/locals").unlink()
    (root / "control/locals").mkdir()
    assert paragraph(root, "locals") == "locals: Oops! Trouble reading this file."
    (root / "control/me").write_bytes(b"m\xc3\xa4\x07\n")
    assert paragraph(root, "me") == "me: My name is m???."
    (root / "control/me").unlink()
    assert paragraph(root, "me") == "me: (Default.) My name is undefined! Uh-oh."
    assert paragraph(root, "helohost").endswith("HELO host name is helohost.")
    (root / "control/me").mkdir()
    with pytest.raises(ControlError, match="Trouble reading control/me"):
        told(root)


def test_missing_rcpthosts(root):
    (root / "control/rcpthosts").unlink()
    assert "Oops! Without rcpthosts SMTP does not start" in paragraph(root, "rcpthosts")
    (root / "control/openrelay").write_text("1\n")
    expected = "rcpthosts: (Default.) SMTP clients may send messages to any recipient."
    assert paragraph(root, "rcpthosts") == expected
    expected = "morercpthosts: (Default.) No rcpthosts; morercpthosts is irrelevant."
    assert paragraph(root, "morercpthosts") == expected


def test_built_files(root):
    text, built = root / "control/morercpthosts", root / "control/morercpthosts.cdb"
    built.touch()
    expected = "Oops! morercpthosts.cdb exists but morercpthosts doesn't."
    assert paragraph(root, "morercpthosts.cdb").endswith(expected)
    text.touch()
    os.utime(text, (1_000, 1_000))
    os.utime(built, (1_000, 1_000))
    assert paragraph(root, "morercpthosts.cdb").endswith("hopefully up to date.")
    os.utime(text, (1_001, 1_001))
    assert paragraph(root, "morercpthosts.cdb").endswith("is older than morercpthosts.")
    built.unlink()
    expected = "Oops! morercpthosts exists but morercpthosts.cdb doesn't."
    assert paragraph(root, "morercpthosts.cdb").endswith(expected)


def test_ids_without_users_daemons_are_the_systems_or_the_owners(root, monkeypatch):
    (root / "users/daemons").unlink()
    accounts = {"qmaild": 777, "root": 0}

    def look_up(name):
        from types import SimpleNamespace

        return SimpleNamespace(pw_uid=accounts[name])

    monkeypatch.setattr(qmail_showctl.pwd, "getpwnam", look_up)
    me = os.stat(root).st_uid
    assert f"user ids: {me}, 777, {me}, 0, {me}" in told(root)
    (root / "users/daemons").write_text("smtpd 1 2\n")
    with pytest.raises(ControlError, match="users/daemons:1"):
        told(root)


def test_locks_of_the_commands_are_known(root):
    (root / "control" / "locals.lock").touch()
    (root / "control" / "other.lock").touch()
    assert paragraph(root, "locals.lock") == (
        "locals.lock: Lock of the commands that change locals."
    )
    assert paragraph(root, "other.lock") == "other.lock: I have no idea what this file does."


def test_a_file_without_default_says_what_holds_instead(root):
    assert paragraph(root, "accountsdb") == (
        "accountsdb: (Default.) Mailboxes of new virtual domains are kept in vpasswd."
    )
    (root / "control" / "accountsdb").write_text("sqlite\n")
    assert paragraph(root, "accountsdb").endswith(" are kept in sqlite.")


def test_no_file_of_ours_has_its_own_name_for_a_value():
    """qmail-showctl names a missing host so; a place that is not there is no place of that name."""
    for sentence in OWN:
        setting = SETTINGS.get(sentence.name)
        if setting is not None and setting.kind is Kind.LINE and not setting.default:
            assert sentence.missing, sentence.name


@pytest.mark.parametrize(("name", "told"), [
    ("metrics", "Metrics are not served."),
    ("checkpassword", "There is no SMTP AUTH program."),
    ("opensmtp", "There are no POP before SMTP entries."),
])  # fmt: skip
def test_what_is_not_there_is_not_said_to_be(root, name, told):
    assert f"\n{name}: (Default.) {told}\n" in b"".join(tell(Place(str(root)))).decode()
