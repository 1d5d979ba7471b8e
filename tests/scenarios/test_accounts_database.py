"""A site whose accounts are in a data base, served by the real processes."""

import os
import smtplib

import pytest

from tests.scenarios.site import BOB, TAMMY, USERS
from tests.scenarios.waiting import until
from tests.store.sql.servers import PASSWORD, server

DOMAIN = "example.test"
KINDS = ("sqlite", "postgresql", "mariadb")


def use(site, kind):
    """Name the data base in the site's control file, its password for the domains' owner alone."""
    line = "sqlite" if kind == "sqlite" else server(kind).fresh()
    site.control("accountsdb", line + "\n")
    owner = os.stat(site.root / "domains")
    path = site.root / "users" / "accountsdb.password"
    site.write(path, PASSWORD + "\n", 0o600, (owner.st_uid, owner.st_gid))


def is_taken(site, address):
    try:
        site.send(address)
    except smtplib.SMTPResponseException:
        return False
    return True


def is_retried(site, number):
    site.glass("queue", "retry", number, code=None)
    return site.queued() == []


@pytest.mark.parametrize("kind", KINDS)
def test_mail_for_accounts_in_a_data_base(make_site, kind):
    site = make_site()
    site.control("authdelay", "0\n")
    use(site, kind)
    site.start()
    site.send(TAMMY)
    site.glass("domain", "convert", DOMAIN, "--to", "database")
    assert not (site.root / "domains" / DOMAIN / "vpasswd").exists()
    site.send(TAMMY)
    assert len(site.arrived(TAMMY, 2)) == 2
    # a mailbox that is nowhere is refused at RCPT, as with vpasswd; a new one is there at once
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        site.send(f"carl@{DOMAIN}")
    assert refused.value.smtp_code == 550
    site.glass("user", "add", f"carl@{DOMAIN}", "--password", "secret1pw")
    until(lambda: is_taken(site, f"carl@{DOMAIN}"), "the keeper asks anew")
    site.arrived(f"carl@{DOMAIN}")
    # logins are judged by the same accounts, and noted
    with site.client(site.submission_port) as client:
        client.login(TAMMY, "secret")
    lastauth = site.maildir(TAMMY).parent / "lastauth"
    until(lambda: lastauth.exists() and lastauth.read_text() == "127.0.0.1", "the login is noted")
    wrong = pytest.raises(smtplib.SMTPAuthenticationError)
    with site.client(site.submission_port) as client, wrong:
        client.login(TAMMY, "wrong")
    told = site.glass("trace", BOB)
    assert "control/accountsdb" in told
    site.glass("domain", "convert", DOMAIN, "--to", "vpasswd")
    site.send(BOB)
    site.arrived(BOB)
    site.until_empty()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_data_base_that_is_down_keeps_mail_waiting(make_site, kind):
    site = make_site()
    site.control("checkrecipients", "0\n")
    use(site, kind)
    site.glass("domain", "convert", DOMAIN, "--to", "database")
    site.start()
    server(kind).stop()
    try:
        site.send(TAMMY)
        (row,) = site.queued()
        assert site.glass("trace", TAMMY, code=3)
        assert site.files(TAMMY) == []
    finally:
        server(kind).start()
    site.control("checkrecipients", "1\n")
    # A worker that was refused leaves the data base alone for two seconds.
    until(lambda: is_retried(site, str(row["message"])), "the message is delivered")
    assert len(site.messages(TAMMY)) == 1


def test_with_a_user_for_each_daemon(make_site):
    site = make_site(USERS)
    use(site, "sqlite")
    site.glass("domain", "convert", DOMAIN, "--to", "database")
    owner = (site.root / "domains").stat().st_uid
    assert (site.root / "domains" / ".accounts.db").stat().st_uid == owner
    site.start()
    site.send(TAMMY)
    site.arrived(TAMMY)
    with pytest.raises(smtplib.SMTPResponseException):
        site.send(f"nobody@{DOMAIN}")
    site.until_empty()
