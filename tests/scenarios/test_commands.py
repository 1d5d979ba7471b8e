"""The commands that mail programs call, into the running server and while it is down."""

import re
import subprocess

import pytest

from tests.scenarios.site import BOB, HOST, ONE_USER, TAMMY
from tests.scenarios.waiting import until

MESSAGE = b"From: bob@example.test\nTo: tammy@example.test\nSubject: by %s\n\nHello.\n.\n"


def sendmail(site):
    text = (MESSAGE % b"sendmail").replace(b"\n.\n", b"\n")  # a lone dot ends sendmail's input
    return site.historical("sendmail", "-f", BOB, "-t", input=text)


def qmail_inject(site):
    return site.historical("qmail-inject", f"-f{BOB}", TAMMY, input=MESSAGE % b"qmail-inject")


def qmail_queue(site):
    """Message on descriptor 0, envelope on descriptor 1."""
    words = site.runner.historical("qmail-queue")
    envelope = site.base / "envelope"
    envelope.write_bytes(b"F%s\0T%s\0\0" % (BOB.encode(), TAMMY.encode()))
    message = site.base / "message"
    message.write_bytes(MESSAGE % b"qmail-queue")
    with open(message, "rb") as on_0, open(envelope, "rb") as on_1:
        child = site.runner.start(
            words, {"GLASSMAIL_ROOT": str(site.root)}, stdin=on_0, stdout=on_1,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        said = child.communicate(timeout=30)[1]
    assert (child.returncode, said) == (0, b"")


COMMANDS = {"sendmail": sendmail, "qmail-inject": qmail_inject, "qmail-queue": qmail_queue}


@pytest.mark.parametrize("name", COMMANDS)
def test_into_the_running_server(site, name):
    COMMANDS[name](site)
    arrives(site, name)
    assert list((site.root / "queue" / "drop").iterdir()) == []


def test_while_the_server_is_down(make_site):
    site = make_site(ONE_USER)
    for command in COMMANDS.values():
        command(site)
    assert len(list((site.root / "queue" / "drop").iterdir())) >= 3
    site.start()
    for name in COMMANDS:
        arrives(site, name)
    site.until_empty()
    until(lambda: list((site.root / "queue" / "drop").iterdir()) == [], "the drop is empty")
    assert len(site.files(TAMMY)) == 3
    site.stop()
    COMMANDS["qmail-inject"](site)
    site.start()
    until(lambda: len(site.files(TAMMY)) == 4, "what was left while it was down arrives")


def arrives(site, name):
    wanted = f"\nSubject: by {name}\n".encode()
    (message,) = until(
        lambda: [m for m in site.messages(TAMMY) if wanted in m], f"what {name} sent arrives"
    )
    assert message.startswith(b"Return-Path: <bob@example.test>\nDelivered-To: ")
    assert re.search(rb"\nReceived: \(qmail \d+ invoked by uid %d\); " % site.runner.uid, message)
    assert message.endswith(b"\n\nHello.\n" + b".\n" * (name != "sendmail"))
    if name != "qmail-queue":
        assert re.search(rb"\nMessage-ID: <\d{14}\.\d+\.qmail@mx\.example\.test>\n", message)


def test_qread_and_qstat(make_site, peer):
    site = make_site(ONE_USER)
    site.control("smtproutes", f":{peer.route}\n")
    peer.answers["RCPT"] = "451 busy"
    site.write(site.root / "alias" / ".qmail-later", "| echo later; exit 111\n")
    site.start()
    site.send([TAMMY, f"later@{HOST}", "far@remote.test"])

    def two_wait():
        (row,) = site.queued()
        states = sorted(r["state"] for r in row["recipients"])
        texts = [bool(r["text"]) for r in row["recipients"] if r["state"] == "waiting"]
        return states == ["done", "waiting", "waiting"] and all(texts) and row

    row = until(two_wait, "two recipients wait, one is done")
    number, size = row["message"], row["size"]
    lines = site.historical("qmail-qread").stdout.decode().split("\n")
    date = r"\d\d? \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    assert re.fullmatch(rf"{date}  #{number}  {size}  <sender@src\.test> ", lines[0]), lines
    assert sorted(lines[1:]) == sorted(
        ["  done\tlocal\texample.test-tammy@example.test", f"\tlocal\tlater@{HOST}",
         "\tremote\tfar@remote.test", ""]
    )  # fmt: skip
    assert site.historical("qmail-qstat").stdout == (
        b"messages in queue: 1\nmessages in queue but not yet preprocessed: 0\n"
    )
