"""qmail's words for the system's errors."""

import errno

import pytest

from glassmail.core.model.system_errors import error_text, is_temporary, words_of


@pytest.mark.parametrize(
    ("number", "text", "temporary"),
    [
        (errno.ENOENT, b"file does not exist", False),
        (errno.EACCES, b"access denied", False),
        (errno.EPERM, b"permission denied", False),
        (errno.ENOTDIR, b"not a directory", False),
        (errno.ENAMETOOLONG, b"file name too long", False),
        (errno.ELOOP, b"symbolic link loop", False),
        (errno.EIO, b"input/output error", True),
        (errno.ENOSPC, b"out of disk space", True),
        (errno.EDQUOT, b"disk quota exceeded", True),
        (errno.EUCLEAN, b"unknown error", False),
        (None, b"unknown error", False),
    ],
)
def test_texts(number, text, temporary):
    error = OSError(number, "x") if number else OSError("x")
    assert error_text(error) == text
    assert is_temporary(error) is temporary


def test_words_of_an_error():
    assert words_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x")) == (
        "No such file or directory"
    )
    assert words_of(OSError("told by hand")) == "told by hand"  # without a number
    assert words_of(ValueError("not a number")) == "not a number"
