import pytest

from glassmail.core.formats.received import line, origin


@pytest.mark.parametrize(
    ("host", "ip", "helo", "info", "text"),
    [
        # joe-maildir.txt, probe-smtpd.txt
        (b"unknown", b"127.0.0.1", b"me.test", None, b"from unknown (HELO me.test) (127.0.0.1)"),
        (b"real.test", b"192.0.2.1", b"fake.test", b"id x",
         b"from real.test (HELO fake.test) (id?x@192.0.2.1)"),
        (b"real.test", b"192.0.2.1", b"REAL.test", None, b"from real.test (192.0.2.1)"),
        (b"real.test", b"192.0.2.1", None, b"", b"from real.test (@192.0.2.1)"),
        (b"unknown", b"::1", b"", None, b"from unknown (HELO ) (::1)"),
        (b"a\nb", b"x", b"c\r\n\0\xff(d)", None, b"from a?b (HELO c?????d?) (x)"),
    ],
)  # fmt: skip
def test_origin(host, ip, helo, info, text):
    assert origin(host, ip, helo, info) == text


def test_line():
    date = b"20 Nov 2026 15:03:27 -0000"
    assert line(b"from x (y)", b"0", b"SMTP", b"", date) == (
        b"Received: from x (y)\n  by 0 with SMTP; 20 Nov 2026 15:03:27 -0000\n"
    )
    assert line(b"from x (y)", b"0", b"SMTP", b"K7Q2-M4XW-3H/1", date) == (
        b"Received: from x (y)\n  by 0 with SMTP (trace K7Q2-M4XW-3H/1); "
        b"20 Nov 2026 15:03:27 -0000\n"
    )
