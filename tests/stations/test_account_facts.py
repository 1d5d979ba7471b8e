import os

import pytest

from glassmail.core.formats.vpasswd import Flag
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.stations.account_facts import mailbox_facts
from glassmail.stations.accounts import VDelivery, VKind
from glassmail.store import lastauth, maildir


@pytest.fixture
def directory(tmp_path):
    maildir.make(os.fsencode(tmp_path / "Maildir"))
    return os.fsencode(tmp_path)


def facts(directory, quota=b"NOQUOTA", flags=0):
    found = VDelivery(
        VKind.MAILDIR, b"", None, (), b"bob@example.com", directory, b"", quota, flags
    )
    return [(step.answer, step.source) for step in mailbox_facts(found, directory)]


def test_logins(directory):
    assert facts(directory) == [("POP3, IMAP, SMTP, webmail", "flags 0x0; nobody has logged in")]
    lastauth.record(directory, b"192.0.2.7")
    os.utime(directory + b"/lastauth", (1_795_187_451, 1_795_187_451))
    closed = Flag.NO_POP | Flag.NO_IMAP | Flag.NO_SMTP | Flag.NO_WEBMAIL
    ((answer, source),) = facts(directory, flags=int(closed))
    assert answer == "nothing"
    assert source == "flags 0x80e; last login 20 Nov 2026 15:10:51 -0000 from 192.0.2.7"


def test_what_the_domain_s_limits_close(directory):
    with open(directory + b"/.qmailadmin-limits", "wb") as file:
        file.write(b"disable_pop\ndisable_webmail\n")
    ((answer, source),) = facts(directory)
    assert answer == "IMAP, SMTP"
    assert source.startswith("flags 0x0, 0x6 with ")
    own = int(Flag.OVERRIDE_LIMITS | Flag.NO_SMTP)
    assert facts(directory, flags=own)[0][0] == "POP3, IMAP, webmail"


def test_quota(directory):
    with open(directory + b"/Maildir/new/1,S=500", "wb"):
        pass
    told = facts(directory, b"1000S")[1]
    assert told == (YES, "500 bytes, 1 messages of 1000S: 50 %")
    assert facts(directory, b"500S")[1][0] == NO
    assert facts(directory, b"much")[1][0] == UNKNOWN
    assert facts(directory + b"/none", b"500S")[1] == (YES, "0 bytes, 0 messages of 500S: 0 %")


def test_nobodys_mail_has_no_account():
    assert mailbox_facts(VDelivery(VKind.FORWARD, b"a@x.test", None, ()), b"/x") == ()
