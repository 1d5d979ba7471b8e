"""Mailing lists, vacation and autoresponders by dot-qmail lines, through the running server."""

import email
import os
import shutil
import sys
from email.header import decode_header, make_header

import pytest

from tests.scenarios.program import CHECKOUT
from tests.scenarios.site import BOB, HOST, TAMMY, Site
from tests.scenarios.waiting import until

LIST = "talk@example.test"


@pytest.fixture(scope="module")
def mlmmj():
    """Debian's mlmmj, unpacked; it depends on a mail server that would take this machine's mail."""
    sys.path.insert(0, str(CHECKOUT / "bench"))
    try:
        import peers
    finally:
        sys.path.pop(0)
    return peers.fetch("mlmmj")


@pytest.fixture
def site():
    made = Site()
    try:
        made.control("checkrecipients", "0\n")
        yield made.start()
    finally:
        made.close()


def domain(site):
    return site.root / "domains" / "example.test"


def message(sender, to, subject, body="hello"):
    return f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


def of_subject(site, address, text):
    """Wait for a message whose subject holds a text."""

    def found():
        for raw in site.messages(address):
            parsed = email.message_from_bytes(raw)
            if text in str(make_header(decode_header(parsed["Subject"]))):
                return parsed
        return None

    return until(found, f"a message {text!r} for {address}")


class Mlmmj:
    """A list of mlmmj below a site, as mlmmj-make-ml and README.qmail make it."""

    def __init__(self, site, tree):
        self.site = site
        self.programs = site.base / "mlmmj"
        shutil.copytree(os.path.join(tree, "usr/bin"), self.programs)
        self.directory = site.base / "lists" / "talk"
        names = "incoming queue queue/discarded archive text subconf unsubconf bounce control"
        more = "moderation subscribers.d digesters.d requeue nomailsubs.d"
        for name in (*names.split(), *more.split()):
            (self.directory / name).mkdir(parents=True)
        texts = os.path.join(tree, "usr/share/mlmmj/text.skel/en")
        shutil.copytree(texts, self.directory / "text", dirs_exist_ok=True)
        (self.directory / "index").touch()
        controls = {"owner": TAMMY, "listaddress": LIST, "delimiter": "-",
                    "relayhost": "127.0.0.1", "smtpport": str(site.smtp_port)}  # fmt: skip
        for name, text in controls.items():
            (self.directory / "control" / name).write_text(text + "\n")
        for path in (site.base / "lists", *(site.base / "lists").rglob("*"), self.programs):
            os.chown(path, site.runner.uid, -1)
        line = f"|{self.programs}/mlmmj-receive -L {self.directory}/\n"
        site.write(domain(site) / ".qmail-talk", line, 0o600)
        site.write(domain(site) / ".qmail-talk-default", line, 0o600)

    def subscribers(self):
        files = (self.directory / "subscribers.d").iterdir()
        return sorted(line for path in files for line in path.read_text().split())

    def run(self, program, *arguments):
        words = [*self.site.runner.prefix(), str(self.programs / program), "-L",
                 str(self.directory), *arguments]  # fmt: skip
        done = self.site.runner.run(words)
        assert done.returncode == 0, done

    def join(self, address):
        """Subscribe by mail, as a person does: ask, and answer the question that comes back."""
        asked = "talk-subscribe@example.test"
        self.site.send(asked, message(address, asked, "join"), address)
        question = of_subject(self.site, address, "Confirm subscri")
        confirm = question["Reply-To"]
        assert confirm.startswith("talk-confsub-")
        self.site.send(confirm, message(address, confirm, "Re: yes"), address)
        until(lambda: address in self.subscribers(), f"{address} has joined")


def test_mlmmj(site, mlmmj):
    talk = Mlmmj(site, mlmmj)
    talk.join(TAMMY)
    talk.join(BOB)
    # a post goes to each with an envelope sender of its own
    site.send(LIST, message(BOB, LIST, "first post"), BOB)
    for address in (TAMMY, BOB):
        post = of_subject(site, address, "first post")
        verp = address.replace("@", "=")
        assert post["Return-Path"] == f"<talk-bounces-1-{verp}@example.test>"
        assert post["From"] == BOB
    # an address that bounces is noted by it
    talk.run("mlmmj-sub", "-a", "gone@example.test", "-s")
    site.send(LIST, message(BOB, LIST, "second post"), BOB)
    noted = talk.directory / "bounce" / "gone=example.test"
    until(noted.exists, "the bounce of the second post")
    assert noted.read_text().startswith("2:")
    # and leaving
    asked = "talk-unsubscribe@example.test"
    site.send(asked, message(BOB, asked, "leave"), BOB)
    confirm = of_subject(site, BOB, "Confirm unsubscri")["Reply-To"]
    site.send(confirm, message(BOB, confirm, "Re: yes"), BOB)
    until(lambda: BOB not in talk.subscribers(), "bob has left")
    site.send(LIST, message(TAMMY, LIST, "third post"), TAMMY)
    of_subject(site, TAMMY, "third post")
    assert "third post" not in b"".join(site.messages(BOB)).decode()


def test_a_list_of_forwards_with_owner_and_verp(site):
    """What qmail offers by itself: .qmail-LIST, -owner, -owner-default (dot-qmail.5)."""
    news = f"news@{HOST}"
    lines = f"&{TAMMY}\n&{BOB}\n&gone@example.test\n"
    owner = "./owner/Maildir/\n"
    for name, text in (("news", lines), ("news-owner", owner), ("news-owner-default", owner)):
        site.write(site.root / "alias" / f".qmail-{name}", text)
    for part in ("", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
        path = site.root / "alias" / "owner" / part
        path.mkdir()
        os.chown(path, site.runner.uid, -1)
    site.send(news, message(TAMMY, news, "for all"), TAMMY)
    for address in (TAMMY, BOB):
        post = of_subject(site, address, "for all")
        verp = address.replace("@", "=")
        assert post["Return-Path"] == f"<news-owner-{verp}@{HOST}>"
    # the address that bounces is told to the owner, not to the author
    site.until_empty()
    (failure,) = (site.root / "alias" / "owner" / "Maildir" / "new").iterdir()
    bounce = email.message_from_bytes(failure.read_bytes())
    assert bounce["Delivered-To"] == f"news-owner-@{HOST}"
    assert "<gone@example.test>:" in bounce.get_payload()
    assert len(site.messages(TAMMY)) == 1


def test_vacation_and_autoresponder(site):
    site.write(site.maildir(TAMMY).parent / ".vacation.msg", "I am away.\n", 0o600)
    site.write(site.maildir(TAMMY).parent / ".qmail", "./Maildir/\n|vacation tammy\n", 0o600)
    (domain(site) / "sales").mkdir()
    os.chown(domain(site) / "sales", site.runner.uid, -1)
    site.write(domain(site) / "sales" / "message", "Subject: Thanks: %S\n\nSoon.\n", 0o600)
    place = domain(site) / "sales"
    line = f"|/usr/bin/autorespond 10000 5 {place}/message {place}\n&{TAMMY}\n"
    site.write(domain(site) / ".qmail-sales", line, 0o600)
    for number in range(3):
        site.send(TAMMY, message(BOB, TAMMY, f"lunch {number}"), BOB)
    answer = of_subject(site, BOB, "Auto: lunch")
    assert answer["From"] == TAMMY
    assert answer["Return-Path"] == "<>"
    assert answer["Auto-Submitted"] == "auto-replied"
    site.send("sales@example.test", message(BOB, "sales@example.test", "price"), BOB)
    thanks = of_subject(site, BOB, "Thanks: price")
    assert thanks["From"] == "sales@example.test"
    site.arrived(TAMMY, 4)
    site.until_empty()
    # each answers the other's answer with nothing, and the same sender once
    assert len(site.messages(BOB)) == 2
