"""Passwords, secrets and bodies are in no log, no history, no answer: planted, then looked for."""

import base64
import os
import socket
import zlib

import pytest

from glassmail.store.history import schema
from glassmail.store.history.days import days_in, path_of
from glassmail.store.history.reader import Archive
from tests.scenarios.site import ONE_USER, Site
from tests.scenarios.waiting import until

PASSWORD = "c4nary-Passw0rd"
WRONG = "c4nary-Wr0ng"
BODY = "c4nary-b0dy"
DATABASE = "c4nary-Database"
RELAY = "c4nary-Relay"
CANARIES = (PASSWORD, WRONG, BODY, DATABASE, RELAY)
USER = "ann@example.test"


def forms(text):
    """How a secret may appear: as it is, in base64 (at each of its three offsets), in hex."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), raw[::-1]}
    for pad in range(3):
        coded = base64.b64encode(b"x" * pad + raw)
        found.add(coded[4 * (pad > 0) : -4])
    return found


def talk(port, *lines):
    """Say lines one after the other, whatever is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        said = sock.recv(4_096)
        for line in lines:
            try:
                sock.sendall(line + b"\r\n")
                said += sock.recv(4_096)
            except OSError:
                break
        return said


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode())


def coded(text):
    return base64.b64encode(text.encode())


@pytest.fixture(scope="module")
def site():
    made = Site(ONE_USER, mailboxes=("tammy@example.test",))
    try:
        program = made.base / "check"
        program.write_text('#!/bin/sh\necho "rcptcheck.pl[1][2]: DUMP: G4DBPASS=$G4DBPASS"\n'
                           "echo connected to mysql://u:$G4DBPASS@db\nexit 0\n")  # fmt: skip
        program.chmod(0o755)
        made.control("tcp.smtp", f'127.:allow,RELAYCLIENT="",RCPTCHECK="{program}",'
                     f'G4DBPASS="{DATABASE}"\n')  # fmt: skip
        made.control("g4dump", "")
        made.control("smtproutes", f"far.test:127.0.0.1:9 joe {RELAY}\n")
        made.start()
        yield made
    finally:
        made.close()


def everything(site):
    """All bytes that logs and history hold, records unpacked; and what commands answer."""
    found = {}
    for base, _below, names in os.walk(site.root):
        part = os.path.relpath(base, site.root).split(os.sep)[0]
        for name in names:
            path = os.path.join(base, name)
            if part in {"log", "run"} and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    history = str(site.root / "history")
    for day in days_in(history):
        archive = Archive(history)
        db = archive._file(day)
        for (data,) in db.execute("SELECT data FROM record"):
            found.setdefault(path_of(history, day), b"")
            try:
                found[path_of(history, day)] += schema.unpacked(data)
            except zlib.error:
                raise AssertionError("a record is damaged") from None
        archive.close()
    for words in (
        ("why", "tammy@example.test"), ("why", "x@far.test"), ("why", "127.0.0.1"),
        ("why", "--json", "x@far.test"), ("why", "--json", "127.0.0.1"),
        ("trace", "x@far.test"), ("trace", "tammy@example.test"),
        ("trace", "--client", "127.0.0.1", "--from", "a@src.test", "tammy@example.test"),
        ("status",), ("queue", "list"), ("log", "grep", "4nary"),
    ):  # fmt: skip
        found[" ".join(words)] = site.glass(*words, code=None).encode()
    return found


def test_no_canary_is_found(site):
    for port in (site.smtp_port, site.submission_port):
        for user, password in ((USER, PASSWORD), ("tammy@example.test", WRONG)):
            talk(port, b"EHLO x", b"AUTH PLAIN " + plain(user, password), b"QUIT")
            talk(port, b"EHLO x", b"AUTH LOGIN", coded(user), coded(password), b"QUIT")
            talk(port, b"HELO x", b"AUTH PLAIN", plain(user, password), b"QUIT")
            talk(port, b"AUTH LOGIN", coded(user), coded(password), coded(password), b"QUIT")
            talk(port, b"EHLO x", b"MAIL FROM:<a@src.test>", b"AUTH PLAIN " + plain(user, password))
            talk(port, b"EHLO x", b"AUTH " + plain(user, password), coded(password), b"QUIT")
    letter = f"Subject: {BODY}\r\nX-Secret: {BODY}\r\n\r\n{BODY}\r\n".encode()
    with site.client() as client:
        client.sendmail("a@src.test", ["tammy@example.test", "x@far.test"], letter)
    with site.client() as client:  # a body that is refused
        client.ehlo()
        client.mail("a@src.test")
        client.rcpt("tammy@example.test")
        client.data(b"Received: x\r\n" * 100 + letter)
    site.arrived("tammy@example.test")
    until(lambda: " after " in site.glass("why", "x@far.test", code=None), "an attempt is told")
    found = everything(site)
    leaks = [
        (place, canary)
        for place, data in found.items()
        for canary in CANARIES
        for form in forms(canary)
        if form in data
    ]
    assert leaks == []
    dumped = b"".join(data for place, data in found.items() if "/smtpd/" in place)
    assert b'DUMP: G4DBPASS="(hidden)"' in dumped
    assert b"mysql://u:(hidden)@db" in dumped
    assert b"AUTH PLAIN (hidden)" in b"".join(found.values()) or b"AUTH" in b"".join(found.values())


def test_the_canaries_would_be_found():
    assert any(form in b"user " + coded("x" + PASSWORD + "yy") for form in forms(PASSWORD))
    assert any(form in plain(USER, WRONG) for form in forms(WRONG))
