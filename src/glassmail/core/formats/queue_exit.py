"""What qmail-queue's exit codes mean to the programs that call it (qmail.c qmail_close).

A text begins with its letter: D permanent, Z temporary. Codes 11 to 40 are permanent to any
caller, all others temporary.
"""

CANNOT_EXECUTE = 120  # the child's own code when there is no such program (qmail.c)
TEXT_FOLLOWS = 82  # the program wrote its text to descriptor 6 (newer notqmail)
TEXT_BYTES_MAX = 255

_TEXTS = {
    11: b"Denvelope address too long for qq (#5.1.3)",
    31: b"Dmail server permanently rejected message (#5.3.0)",
    51: b"Zqq out of memory (#4.3.0)",
    52: b"Zqq timeout (#4.3.0)",
    53: b"Zqq write error or disk full (#4.3.0)",
    54: b"Zqq read error (#4.3.0)",
    55: b"Zqq unable to read configuration (#4.3.0)",
    56: b"Zqq trouble making network connection (#4.3.0)",
    61: b"Zqq trouble in home directory (#4.3.0)",
    62: b"Zqq trouble creating files in queue (#4.3.0)",
    71: b"Zmail server temporarily rejected message (#4.3.0)",
    72: b"Zconnection to mail server timed out (#4.4.1)",
    73: b"Zconnection to mail server rejected (#4.4.1)",
    74: b"Zcommunication with mail server failed (#4.4.2)",
    81: b"Zqq internal bug (#4.3.0)",
    120: b"Zunable to exec qq (#4.3.0)",
}
_TEXTS[115] = _TEXTS[11]
_TEXTS[91] = _TEXTS[81]
for _code in (63, 64, 65, 66):
    _TEXTS[_code] = _TEXTS[62]

CRASHED = b"Zqq crashed (#4.3.0)"


def text_of(exit_code: int, own_text: bytes = b"") -> bytes:
    """Return letter and text of an exit code; empty for 0.

    Args:
        exit_code: of a program that ended by itself.
        own_text: what it wrote to descriptor 6; counts for TEXT_FOLLOWS only.
    """
    if exit_code == 0:
        return b""
    if exit_code == TEXT_FOLLOWS and len(own_text) > 2 and own_text[:1] in {b"D", b"Z"}:
        return own_text[:TEXT_BYTES_MAX]
    if exit_code in _TEXTS:
        return _TEXTS[exit_code]
    if 11 <= exit_code <= 40:
        return b"Dqq permanent problem (#5.3.0)"
    return b"Zqq temporary problem (#4.3.0)"
