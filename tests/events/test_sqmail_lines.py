import pytest

from glassmail.events import smtpd_lines, sqmail_lines
from glassmail.events.sqmail_lines import REFUSALS, Party

PARTY = Party(b"ESMTPS", b"192.0.2.7", b"mx.src.test", b"mail.src.test", b"a@src.test", b"c@d.test")


@pytest.mark.parametrize("check", REFUSALS)
def test_refusals_have_the_form_of_the_reference(check):
    line = sqmail_lines.refused(4711, check, PARTY)
    kind, condition = REFUSALS[check].split("::")
    assert line == (
        f"qmail-smtpd: pid 4711 Reject::{kind}::{condition} P:ESMTPS S:192.0.2.7:mx.src.test "
        "H:mail.src.test F:a@src.test T:c@d.test"
    ).encode()
    read = smtpd_lines.read(line)  # the reader knows nothing of the writer
    assert (read.pid, read.client, read.recipient) == (4711, "192.0.2.7", b"c@d.test")
    assert read.is_refusal


def test_accepted_recipients():
    taken = sqmail_lines.accepted(7, PARTY, is_relayed=False)
    assert taken.startswith(b"qmail-smtpd: pid 7 Accept::RCPT::Rcpthosts_Rcptto P:ESMTPS S:")
    relayed = sqmail_lines.accepted(7, PARTY, is_relayed=True)
    assert b" Accept::SNDR::Relay_Client " in relayed
    assert not smtpd_lines.read(relayed).is_refusal


def test_what_s_qmail_has_no_words_for_has_no_line():
    assert sqmail_lines.refused(7, "hops", PARTY) == b""


def test_clients_cannot_write_lines():
    line = sqmail_lines.accepted(7, PARTY._replace(helo=b"x y\nz", host=b""), is_relayed=False)
    assert b" H:x_y/z " in line
    assert b" S:192.0.2.7:unknown " in line
