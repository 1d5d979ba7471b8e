import pytest

from glassmail.core.protocol.smtp_commands import parse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"NOOP", (b"NOOP", b"")),
        (b"mail From:<a>", (b"MAIL", b"From:<a>")),
        (b"RCPT   TO:<a b>", (b"RCPT", b"TO:<a b>")),
        (b"", (b"", b"")),
        (b" NOOP", (b"", b"NOOP")),
        (b"HELO\tx", (b"HELO\tX", b"")),
        (b"NOOP\0", (b"NOOP\0", b"")),
    ],
)
def test_parse(line, command):
    assert parse(line) == command
