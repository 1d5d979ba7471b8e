"""`glass doctor`: each fault of a site is named once, with its remedy, by the area it is in."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from glassmail.admin import doctor, doctor_domains
from glassmail.admin.doctor import AREAS, Weight, examine
from glassmail.stations.routing import own_domains
from glassmail.store.control import take_snapshot
from tests.admin.site import make

FAULT, WARNING, UNKNOWN = Weight


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def found(place):
    return [(each.weight, each.area, each.text) for each in examine(place)]


def only(place):
    """The one finding."""
    (finding,) = found(place)
    return finding


def control(place, name, data):
    Path(place.control, name).write_bytes(data)


def run(place, *words):
    line = "from glassmail.faces.cli.main import main; main()"
    asked = [sys.executable, "-c", line, "doctor", "--root", place.root, *words]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.covers("glass/doctor")
def test_a_new_site_is_well(place):
    assert found(place) == []
    done = run(place)
    assert done.returncode == 0
    first, *looked = done.stdout.splitlines()
    assert first == "nothing is wrong here"
    assert " ".join(line.strip() for line in looked) == f"looked at: {', '.join(AREAS)}"
    assert max(map(len, looked)) <= 80


def test_no_site(tmp_path, place):
    os.rename(place.control, tmp_path / "away")
    text = f"{place.control} does not exist: make a site with `glass init`"
    assert only(place) == (FAULT, "site", text)


@pytest.mark.covers("glass/doctor")
def test_a_blank_relayclient_is_told_once_for_each_line(place):
    control(place, "tcp.smtp", b'10.1-3.:allow,RELAYCLIENT=" "\n10.9.:allow,RELAYCLIENT=""\n')
    remedy = 'RELAYCLIENT is a blank, taken as empty: write RELAYCLIENT=""'
    line = 'control/tcp.smtp:1 10.1-3.:allow,RELAYCLIENT=" "'
    assert only(place) == (WARNING, "clients", f"{line}: {remedy}")
    done = run(place, "--json")
    assert done.returncode == 0  # a warning alone
    row = {"weight": "warning", "area": "clients", "text": f"{line}: {remedy}"}
    assert [json.loads(each) for each in done.stdout.splitlines()] == [row]


def test_rules_for_clients_that_let_everybody_relay(place):
    control(place, "tcp.smtp", b':allow,RELAYCLIENT=""\n')
    weight, area, text = only(place)
    assert (weight, area) == (FAULT, "clients")
    assert "this lets everybody relay" in text


def test_rules_newer_than_their_cdb(place):
    control(place, "tcp.smtp", b"10.:allow\n")
    control(place, "tcp.smtp.cdb", b"")
    os.utime(place.tcp_rules + ".cdb", (1, 1))
    weight, area, text = only(place)
    assert (weight, area) == (WARNING, "clients")
    assert text.endswith("tcpserver by the cdb: run tcprules")


def test_every_broken_setting_is_told_and_what_cannot_be_looked_at_without_it(place):
    control(place, "databytes", b"many\n")
    control(place, "timeoutsmtpd", b"long\n")
    said = found(place)
    broken = [text for weight, area, text in said if (weight, area) == (FAULT, "settings")]
    assert [text.partition(" is not a number")[0] for text in broken] == [
        "control/databytes:1: many", "control/timeoutsmtpd:1: long",
    ]  # fmt: skip
    unseen = {area: text for weight, area, text in said if weight is UNKNOWN}
    assert set(unseen) == {"sessions", "domains"}
    first = f"sessions could not be looked at: mend this first: {broken[0]}"
    assert unseen["sessions"] == first
    assert run(place).returncode == 1


def test_lines_that_count_for_nothing_and_files_that_nobody_reads(place):
    with open(os.path.join(place.control, "virtualdomains"), "ab") as file:
        file.write(b"forgotten.test\n")
    control(place, "rcpthost", b"forgotten.test\n")
    assert [(weight, text.partition(": ")[0]) for weight, _area, text in found(place)] == [
        (WARNING, "control/virtualdomains:3"), (WARNING, "control/rcpthost"),
    ]  # fmt: skip


def test_a_number_with_more_than_digits(place):
    control(place, "databytes", b"10M\n")
    text = "control/databytes:1: 10M is read as 10: write digits alone"
    assert only(place) == (WARNING, "settings", text)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("rcpthosts", None, "control/rcpthosts does not exist, so that mail for every domain"),
        ("listen", b"", "control/listen names no listener"),
        ("servercert.pem", None, "control/servercert.pem does not exist: put key and"),
        ("servercert.pem", b"no PEM\n", "the file needs a key and its certificates"),
    ],
)
def test_what_serve_refuses_to_start_with(place, name, data, said):
    path = Path(place.control, name)
    path.unlink() if data is None else path.write_bytes(data)
    faults = [text for weight, area, text in found(place) if (weight, area) == (FAULT, "start")]
    assert len(faults) == 1
    assert said in faults[0]


def test_what_keeps_sessions_from_being_served(place):
    os.mkdir(place.path("control", "morercpthosts.cdb"))
    said = {area: (weight, text) for weight, area, text in found(place)}
    weight, text = said["sessions"]
    assert weight is FAULT
    assert text.startswith("control/morercpthosts.cdb: ")


def signed(name, days):
    """A certificate that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(days=90))
    builder = builder.not_valid_after(now + timedelta(days=days, hours=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_certificates_that_end(place):
    os.makedirs(place.path("ssl"), exist_ok=True)
    for name, days in (("old", -3), ("soon", 10), ("fresh", 40)):
        Path(place.path("ssl", f"{name}.test.pem")).write_bytes(signed(name, days))
    Path(place.path("ssl", "empty.test.pem")).write_bytes(b"")
    assert [(weight, text.partition(": ")[0]) for weight, _area, text in found(place)] == [
        (FAULT, "ssl/empty.test.pem"), (FAULT, "ssl/old.test.pem"), (WARNING, "ssl/soon.test.pem"),
    ]  # fmt: skip


def test_users_assign(place):
    os.utime(place.assign_cdb, (1, 1))
    remedy = "build users/cdb from users/assign: qmail-newu"
    text = f"users/cdb is older than users/assign; {remedy}"
    assert only(place) == (FAULT, "users", text)
    Path(place.assign).write_bytes(b"+tammy:x\n.\n")
    assert any("users/assign:1:" in text for _weight, area, text in found(place) if area == "users")


def test_the_way_of_postmasters_mail(place):
    home = place.path("domains", "example2.test")
    os.chmod(home, 0o777)
    weight, area, text = only(place)
    assert (weight, area) == (FAULT, "domains")
    assert text.startswith("mail for postmaster@example2.test: others may write to the home")
    assert "chmod" in text


def test_a_postmaster_that_nobody_is(place):
    Path(place.alias, ".qmail-postmaster").unlink()
    weight, area, text = only(place)
    assert (weight, area) == (WARNING, "domains")
    assert text.startswith("mail for postmaster@mx.example.test: ")


def test_lines_of_vpasswd_and_of_control_files(place):
    with open(place.path("domains", "example.test", "vpasswd"), "ab") as file:
        file.write(b"carl:x\n")
    control(place, "rcpthosts", b"mx.example.test\nexample.test\n")
    said = found(place)
    assert any("vpasswd:3: 2 fields" in text for _weight, _area, text in said)
    assert any("example2.test: no line in control/rcpthosts" in t for _weight, _area, t in said)


def test_only_so_many_domains_are_looked_at(place, monkeypatch):
    monkeypatch.setattr(doctor_domains, "DOMAINS_MAX", 1)
    assert only(place) == (WARNING, "domains", (
        "only 1 of 3 domains were looked at closely: `glass trace postmaster@DOMAIN` tells of "
        "another"
    ))  # fmt: skip


def test_which_domains_mail_can_be_for(place):
    control(place, "virtualdomains", b"a.test:a\n.b.test:b\nc.test:\nx@d.test:d\n:all\n")
    settings = take_snapshot(place.control, ("locals", "virtualdomains"))
    assert own_domains(settings) == [b"mx.example.test", b"a.test"]


def test_the_queue(place):
    Path(place.queue_db).write_bytes(b"no database" * 1_000)
    os.chmod(place.queue_db, 0o600)
    weight, area, text = only(place)
    assert (weight, area) == (FAULT, "queue")
    assert text.endswith("`glass queue check --repair` mends it")


def test_a_full_disk(place, monkeypatch):
    class Full:
        f_blocks, f_bavail, f_files, f_favail = 1_000, 9, 1_000, 500

    monkeypatch.setattr(doctor.os, "statvfs", lambda _path: Full)
    weight, area, text = only(place)
    assert (weight, area) == (WARNING, "queue")
    assert "0 % of the filesystem's blocks are free" in text
