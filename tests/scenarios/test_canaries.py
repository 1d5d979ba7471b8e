"""Passwords, secrets and bodies are in no log, no history, no answer: planted, then looked for."""

import base64
import os
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from glassmail.store.history import schema
from glassmail.store.history.days import days_in, path_of
from glassmail.store.history.reader import Archive
from tests.scenarios.site import ONE_USER, TAMMY, Site, code_of
from tests.scenarios.waiting import until

PASSWORD = "c4nary-Passw0rd"  # right
WRONG = "c4nary-Wr0ng"
BODY = "c4nary-b0dy"
DATABASE = "c4nary-Database"  # in a variable of a rule, and what a program says
RELAY = "c4nary-Relay"  # in lines of smtproutes
ADDRESS = "c4nary-Address"  # in control/accountsdb
COMMAND = "c4nary-C0mmand"  # in a program line of a .qmail file
RULE = "c4nary-Rule"  # in a rule that cannot be read
CANARIES = (PASSWORD, WRONG, BODY, DATABASE, RELAY, ADDRESS, COMMAND, RULE)
ANN = "ann@example.test"
ROUTES = {
    "blank": f"127.0.0.1:9 joe {RELAY}", "bar": f"127.0.0.1|joe|{RELAY}",
    "colon": f"127.0.0.1:joe:{RELAY}", "port": f"127.0.0.1:9:joe:{RELAY}",
    "at": f"joe:{RELAY}@127.0.0.1:9", "semicolon": f"127.0.0.1;{RELAY}",
    "bracket": f"[127.0.0.1:{RELAY}",
}  # fmt: skip


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
    made = Site(ONE_USER, mailboxes=(TAMMY,))
    try:
        program = made.base / "check"
        program.write_text('#!/bin/sh\necho "rcptcheck.pl[1][2]: DUMP: G4DBPASS=$G4DBPASS"\n'
                           "echo connected to mysql://u:$G4DBPASS@db\n"
                           'case "$RECIPIENT" in deny*) echo "no: $G4DBPASS" >&4; exit 100;; esac\n'
                           "exit 0\n")  # fmt: skip
        program.chmod(0o755)
        made.control("tcp.smtp", f'127.:allow,RELAYCLIENT="",RCPTCHECK="{program}",'
                     f'G4DBPASS="{DATABASE}"\n')  # fmt: skip
        made.control("g4dump", "")
        made.control("authdelay", "0\n")
        made.control("maxbadlogins", "1000\n")
        made.control("maxerrors", "1000\n")
        made.control("logrecords", "json\n")
        routes = "".join(f"{name}.test:{route}\n" for name, route in ROUTES.items())
        made.control("smtproutes", f"{routes}relay.test joe {RELAY}\n")
        made.start()
        words = made.runner.glass("user", "add", ANN, "--stdin", "--root", str(made.root))
        done = made.runner.run(words, input=f"{PASSWORD}\n".encode())
        assert done.returncode == 0, done
        made.write(made.root / "domains" / "example.test" / ".qmail-run",
                   f"|exit 111 --password={COMMAND} --secret {COMMAND}\n")  # fmt: skip
        yield made
    finally:
        made.close()


def log_in_everywhere(site):
    """The right password, wrong ones, and passwords where they do not belong."""
    with smtplib.SMTP("127.0.0.1", site.submission_port, "client.test") as client:
        client.ehlo()
        client.login(ANN, PASSWORD)
    for port in (site.smtp_port, site.submission_port):
        for user, password in ((ANN, PASSWORD), (TAMMY, WRONG), ("nobody@example.test", WRONG)):
            talk(port, b"EHLO x", b"AUTH PLAIN " + plain(user, password), b"QUIT")
            talk(port, b"EHLO x", b"AUTH LOGIN", coded(user), coded(password), b"QUIT")
            talk(port, b"EHLO x", b"AUTH LOGIN " + coded(user), coded(password), b"QUIT")
            talk(port, b"HELO x", b"AUTH PLAIN", plain(user, password), b"QUIT")
            talk(port, b"AUTH LOGIN", coded(user), coded(password), coded(password), b"QUIT")
            talk(port, b"EHLO x", b"MAIL FROM:<a@src.test>", b"AUTH PLAIN " + plain(user, password))
            talk(port, b"EHLO x", b"AUTH " + plain(user, password), coded(password), b"QUIT")
            talk(port, b"EHLO x", b"AUTH LOGIN", coded(password), coded(user), b"QUIT")
            talk(port, b"EHLO x", b"AUTH PLAIN " + plain(password, user), b"QUIT")
            talk(port, b"EHLO x", b"AUTH CRAM-MD5", coded(f"{user} {password}"), b"QUIT")
            talk(port, b"EHLO x", b"AUTH " + password.encode(), password.encode(), b"QUIT")
            talk(port, plain(user, password), coded(password), password.encode(), b"QUIT")
            talk(port, b"AUTHPLAIN " + plain(user, password), b"PASS " + password.encode())


def everything(site, codes):
    """All bytes that logs and history hold, records unpacked; and what commands answer."""
    found = {}
    for base, _below, names in os.walk(site.root):
        part = os.path.relpath(base, site.root).split(os.sep)[0]
        for name in names:
            path = os.path.join(base, name)
            if part in {"log", "run", "history"} and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    history = str(site.root / "history")
    for day in days_in(history):
        archive = Archive(history)
        db = archive._file(day)
        for (data,) in db.execute("SELECT data FROM record"):
            try:
                found[path_of(history, day)] += schema.unpacked(data)
            except schema.HistoryError:
                raise AssertionError("a record is damaged") from None
        archive.close()
    found["serve"] = site.complaints().encode()
    asked = [
        ("why", TAMMY), ("why", ANN), ("why", "127.0.0.1"), ("why", "--json", "127.0.0.1"),
        ("trace", "run@example.test"), ("trace", TAMMY), ("status",), ("status", "--json"),
        ("trace", "--client", "127.0.0.1", "--from", "a@src.test", TAMMY),
        ("queue", "list"), ("queue", "list", "--by", "cause"), ("queue", "list", "--json"),
        ("queue", "top"), ("log", "grep", "4nary"), ("log", "tail", "smtpd", "-n", "1000"),
        ("log", "tail", "send", "-n", "1000"), ("log", "tail", "serve", "-n", "1000"),
        ("settings", "list"), ("settings", "get", "smtproutes"), ("settings", "get", "accountsdb"),
        ("domain", "list"), ("user", "list"), ("user", "show", ANN), ("block", "list"),
    ]  # fmt: skip
    for address in ("run@example.test", *(f"x@{name}.test" for name in ROUTES)):
        asked += [("why", address), ("why", "--json", address), ("trace", address)]
    asked += [("why", "--json", code) for code in codes]
    found["qmail-showctl"] = site.historical("qmail-showctl", code=None).stdout
    for words in asked:
        done = site.runner.run(site.runner.glass(*words, "--root", str(site.root)))
        found[" ".join(words)] = done.stdout + done.stderr
    return found


def leaks_in(found):
    return [
        (place, canary, data[max(0, data.find(form) - 80) :][:200])
        for place, data in found.items()
        for canary in CANARIES
        for form in forms(canary)
        if form in data
    ]


def test_no_canary_is_found(site):
    words = site.runner.glass("tap", "127.0.0.1", "--root", str(site.root), "--json")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tap:
        tapped = [tap.stdout.readline()]
        assert b"begun" in tapped[0]
        reader = threading.Thread(target=lambda: tapped.extend(tap.stdout))
        reader.start()
        try:
            log_in_everywhere(site)
            codes = send_letters(site)
        finally:
            tap.terminate()
            reader.join()
    for name in ("run@example.test", *(f"x@{route}.test" for route in ROUTES)):
        until(lambda: " after " in site.glass("why", name, code=None), f"{name} was tried")  # noqa: B023
    found = everything(site, codes)
    found["tap"] = b"".join(tapped)
    assert leaks_in(found) == []
    dumped = b"".join(data for place, data in found.items() if "/smtpd/" in place)
    assert b'DUMP: G4DBPASS="(hidden)"' in dumped
    assert b"mysql://u:(hidden)@db" in dumped
    assert f"AUTH failed (bad password) [127.0.0.1] {TAMMY}".encode() in dumped
    assert b"AUTH failed (unknown user) [127.0.0.1] nobody@example.test" in dumped
    assert b"AUTH failed (unknown user) [127.0.0.1] c4(hidden)" in dumped
    assert b"AUTH PLAIN (not shown)" in found["tap"]
    assert b"--password=" in found["trace run@example.test"]


def send_letters(site):
    """Mail that is delivered, fails, waits, or is refused; return codes of refusals."""
    letter = f"Subject: {BODY}\r\nX-Secret: {BODY}\r\n\r\n{BODY}\r\n".encode()
    with site.client() as client:
        names = [TAMMY, "run@example.test", *(f"x@{name}.test" for name in ROUTES)]
        client.sendmail("a@src.test", names, letter)
    codes = []
    with site.client() as client:  # a body that is refused
        client.ehlo()
        client.mail("a@src.test")
        codes.append(code_of(client.rcpt("deny@example.test")[1].decode()))
        client.rcpt(TAMMY)
        codes.append(code_of(client.data(b"Received: x\r\n" * 100 + letter)[1].decode()))
    site.arrived(TAMMY)
    return codes


def test_settings_that_cannot_be_read(site):
    """What a process says of a broken file does not quote the secret in it."""
    site.control("tcp.smtp", f'127.:allow,G4DBPASS="{RULE}",x\n')
    for line in (f"mssql://u:{ADDRESS}@db/n", f"postgresql://u:{ADDRESS}@db"):
        site.control("accountsdb", line + "\n")
        time.sleep(1.1)  # settings are looked at once a second
        with site.client() as client:
            client.ehlo()
            client.mail("a@src.test")
            client.rcpt(TAMMY)
    until(lambda: "unable to parse" in "".join(site.log_lines("serve")), "it is told")
    found = everything(site, ())
    words = site.runner.glass("user", "add", "x@new.test", "--stdin", "--root", str(site.root))
    done = site.runner.run(words, input=f"{PASSWORD}\n".encode())
    found["user add"] = done.stdout + done.stderr
    assert leaks_in(found) == []


def test_the_canaries_would_be_found():
    assert any(form in b"user " + coded("x" + PASSWORD + "yy") for form in forms(PASSWORD))
    assert any(form in plain(ANN, WRONG) for form in forms(WRONG))
