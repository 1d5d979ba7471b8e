"""Domains and mailboxes made while the server runs: it takes mail for them at once."""

import smtplib
import socket

import pytest

from tests.scenarios.site import ONE_USER, TAMMY, USERS, free_ports
from tests.scenarios.waiting import until

FRESH = "ann@fresh.test"


@pytest.fixture(params=[ONE_USER, USERS])
def served(request, make_site):
    site = make_site(request.param)
    site.control("tcp.smtp", ":allow\n")  # nobody may relay, so that rcpthosts decides
    return site.start()


def letters(site, *parts):
    return list((site.root / "domains").joinpath(*parts, "Maildir", "new").glob("*"))


@pytest.mark.covers(
    "glass/domain add", "glass/domain remove", "glass/user add", "glass/user remove",
    "glass/alias add", "command/vadddomain", "command/vadduser",
)  # fmt: skip
def test_the_server_hears_of_every_change(served):
    site = served
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        site.send(FRESH)
    assert refused.value.smtp_code == 553
    told = site.glass("domain", "add", "fresh.test")
    assert "the running server was told to read its tables again" in told
    site.glass("user", "add", FRESH, "--password", "secret")
    site.glass("alias", "add", "sales@fresh.test", FRESH)
    until(lambda: is_taken(site, FRESH), "smtpd sees the new domain")
    site.send("sales@fresh.test")
    site.send("ann@fresh.test")
    until(lambda: len(letters(site, "fresh.test", "ann")) >= 3, "three letters are delivered")
    site.historical("vadddomain", "other.test", "secret")
    site.historical("vadduser", "bob@other.test", "secret")
    until(lambda: is_taken(site, "bob@other.test"), "smtpd sees the domain of vadddomain")
    until(lambda: letters(site, "other.test", "bob"), "its letter is delivered")
    before = sum(1 for _ in (site.root / "domains").rglob("new/*"))
    [removed] = site.json("user", "remove", FRESH)
    assert removed["undo"]
    site.json("domain", "remove", "fresh.test")
    until(lambda: not is_taken(site, FRESH), "smtpd refuses the removed domain")
    assert sum(1 for _ in (site.root / "domains").rglob("new/*")) >= before
    site.stop()


def is_taken(site, address):
    try:
        site.send(address)
    except smtplib.SMTPResponseException as error:
        if error.smtp_code not in (553, 550):
            raise
        return False
    return True


def test_as_the_user_of_the_domains(make_site):
    """vpopmail's own user changes mailboxes; what is root's it cannot, and says so."""
    site = make_site(USERS)
    status = (site.root / "domains").stat()
    words = ["user", "add", "carl@example.test", "--password", "x", "--root", str(site.root)]
    runner = type(site.runner)(status.st_uid, site.runner.namespace, status.st_gid)
    done = runner.run(runner.glass(*words))
    assert done.returncode == 0, done.stderr
    assert (site.root / "domains/example.test/carl").stat().st_uid == status.st_uid
    done = runner.run(runner.glass("domain", "add", "x.test", "--root", str(site.root)))
    assert done.returncode == 1
    assert b"users/domains.lock: Permission denied: run this as root" in done.stderr
    for words in (("user", "show", "carl@example.test"), ("user", "list"), ("domain", "list")):
        stranger = type(site.runner)(65_532, site.runner.namespace)
        done = stranger.run(stranger.glass(*words, "--root", str(site.root)))
        assert (done.returncode, b"Permission denied" in done.stderr) == (3, True), done.stderr
    site.glass("user", "set", "carl@example.test", "--deny", "pop")
    path = site.root / "domains/example.test"
    for name in ("vpasswd", "vpasswd.cdb", ".vpasswd.lock", "carl", "carl/Maildir/new"):
        assert (path / name).stat().st_uid == status.st_uid, name


@pytest.mark.covers("control/listen")
@pytest.mark.parametrize("flavour", [ONE_USER, USERS])
def test_vpopmaild_below_serve(make_site, flavour):
    """A line of control/listen starts it; it ends with the server, also amid a conversation."""
    site = make_site(flavour)
    (port,) = free_ports(1)
    lines = (site.root / "control/listen").read_text()
    site.control("listen", f"{lines}vpopmaild 127.0.0.1:{port}\n")
    site.glass("user", "set", "bob@example.test", "--grant", "system-admin")
    site.start()
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        file = client.makefile("rwb", 0)
        assert file.readline() == b"+OK \r\n"
        said = ("slogin bob@example.test secret", "add_domain fresh.test secret",
                "add_user ann@fresh.test secret", "add_alias sales@fresh.test ann@fresh.test")
        for line in said:
            file.write(line.encode() + b"\r\n")
            assert file.readline() == b"+OK \r\n", line
        site.send("sales@fresh.test")
        until(lambda: letters(site, "fresh.test", "ann"), "the letter is delivered")
        owner = (site.root / "domains").stat()
        for path in (site.root / "domains").rglob("*"):
            status = path.lstat()
            assert (status.st_uid, status.st_gid) == (owner.st_uid, owner.st_gid), path
        site.stop()
        assert file.readline() == b""


@pytest.mark.covers("control/breakcharacter")
def test_what_parts_a_mailbox_and_its_extension_is_the_same_for_acceptance_and_delivery(make_site):
    site = make_site(ONE_USER)
    site.control("tcp.smtp", ":allow\n")
    site.control("breakcharacter", "+\n")
    site.start()
    site.send("tammy+news@example.test")
    site.arrived(TAMMY)
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        site.send("tammy-news@example.test")
    assert refused.value.smtp_code == 550
