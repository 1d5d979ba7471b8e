import pytest

from glassmail.core.formats.queue_exit import text_of


@pytest.mark.covers(
    "qmail-queue/11", "qmail-queue/66", "qmail-queue/91", "qmail-queue/115",
    "qmail-queue/120",
)  # fmt: skip
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, b""),
        (11, b"Denvelope address too long for qq (#5.1.3)"),
        (115, b"Denvelope address too long for qq (#5.1.3)"),
        (12, b"Dqq permanent problem (#5.3.0)"),
        (40, b"Dqq permanent problem (#5.3.0)"),
        (41, b"Zqq temporary problem (#4.3.0)"),
        (1, b"Zqq temporary problem (#4.3.0)"),
        (66, b"Zqq trouble creating files in queue (#4.3.0)"),
        (91, b"Zqq internal bug (#4.3.0)"),
        (120, b"Zunable to exec qq (#4.3.0)"),
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
