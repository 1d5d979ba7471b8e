import pytest

from glassmail.core.formats.queue_exit import text_of
from tests.covers import row


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, b""),
        row("qmail-queue/11", 11, b"Denvelope address too long for qq (#5.1.3)"),
        row("qmail-queue/115", 115, b"Denvelope address too long for qq (#5.1.3)"),
        (12, b"Dqq permanent problem (#5.3.0)"),
        (40, b"Dqq permanent problem (#5.3.0)"),
        (41, b"Zqq temporary problem (#4.3.0)"),
        (1, b"Zqq temporary problem (#4.3.0)"),
        row("qmail-queue/31", 31, b"Dmail server permanently rejected message (#5.3.0)"),
        row("qmail-queue/51", 51, b"Zqq out of memory (#4.3.0)"),
        row("qmail-queue/52", 52, b"Zqq timeout (#4.3.0)"),
        row("qmail-queue/53", 53, b"Zqq write error or disk full (#4.3.0)"),
        row("qmail-queue/54", 54, b"Zqq read error (#4.3.0)"),
        row("qmail-queue/55", 55, b"Zqq unable to read configuration (#4.3.0)"),
        row("qmail-queue/56", 56, b"Zqq trouble making network connection (#4.3.0)"),
        row("qmail-queue/61", 61, b"Zqq trouble in home directory (#4.3.0)"),
        row("qmail-queue/62", 62, b"Zqq trouble creating files in queue (#4.3.0)"),
        row("qmail-queue/63", 63, b"Zqq trouble creating files in queue (#4.3.0)"),
        row("qmail-queue/64", 64, b"Zqq trouble creating files in queue (#4.3.0)"),
        row("qmail-queue/65", 65, b"Zqq trouble creating files in queue (#4.3.0)"),
        row("qmail-queue/71", 71, b"Zmail server temporarily rejected message (#4.3.0)"),
        row("qmail-queue/72", 72, b"Zconnection to mail server timed out (#4.4.1)"),
        row("qmail-queue/73", 73, b"Zconnection to mail server rejected (#4.4.1)"),
        row("qmail-queue/74", 74, b"Zcommunication with mail server failed (#4.4.2)"),
        row("qmail-queue/81", 81, b"Zqq internal bug (#4.3.0)"),
        row("qmail-queue/66", 66, b"Zqq trouble creating files in queue (#4.3.0)"),
        row("qmail-queue/91", 91, b"Zqq internal bug (#4.3.0)"),
        row("qmail-queue/120", 120, b"Zunable to exec qq (#4.3.0)"),
    ],
)
def test_texts(code, text):
    assert text_of(code) == text


def test_own_texts():
    assert text_of(82, b"Dmine") == b"Dmine"
    assert text_of(82, b"Z" + b"x" * 300) == b"Z" + b"x" * 254
    for odd in (b"", b"D", b"Dx", b"mine"):
        assert text_of(82, odd) == (odd if odd == b"Dx!" else b"Zqq temporary problem (#4.3.0)")
    assert text_of(53, b"Dmine").startswith(b"Z")
