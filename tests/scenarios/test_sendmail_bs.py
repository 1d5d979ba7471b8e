"""`sendmail -bs`: a session with the running server on standard input and output."""

import pytest

from tests.scenarios.site import HOST, ONE_USER, TAMMY

SESSION = (
    b"EHLO client.test\r\nMAIL FROM:<sender@src.test>\r\nRCPT TO:<tammy@example.test>\r\nDATA\r\n"
    b"Subject: by sendmail -bs\r\n\r\nbody\r\n.\r\nQUIT\r\n"
)


@pytest.mark.covers("command/sendmail")
@pytest.mark.covers("sendmail/-bs")
def test_a_session(site):
    before = len(site.files(TAMMY))
    done = site.historical("sendmail", "-bs", input=SESSION)
    replies = [line for line in done.stdout.split(b"\r\n") if line[3:4] == b" "]
    codes = b" ".join(line[:3] for line in replies)
    assert codes == b"220 250 250 250 354 250 221"
    assert replies[0].startswith(b"220 " + HOST.encode())
    assert done.stderr == b""
    messages = site.arrived(TAMMY, before + 1)
    assert any(b"Subject: by sendmail -bs\n" in message for message in messages)


def test_standard_input_that_ends_early_ends_the_session(site):
    done = site.historical("sendmail", "-bs", input=b"HELO client.test\r\n")
    assert [line[:3] for line in done.stdout.split(b"\r\n")[:2]] == [b"220", b"250"]


def test_no_server(make_site):
    made = make_site(ONE_USER)
    done = made.historical("sendmail", "-bs", input=SESSION, code=111)
    assert done.stderr.startswith(b"sendmail: fatal: no server answers at 127.0.0.1 port ")
    made.control("listen", "nonsense\n")
    done = made.historical("sendmail", "-bs", input=SESSION, code=111)
    assert b"control/listen:1" in done.stderr
