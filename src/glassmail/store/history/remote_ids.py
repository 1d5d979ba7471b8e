"""Names that other servers give a message: `queued as 4XyZ12`, `ok 1795187041 qp 4711`.

They stand in the reply that a remote delivery recorded. Another administrator knows a message by
them alone, so that they are search keys.
"""

import re

IDS_MAX = 4  # of one reply: its last ones, ids come last
_QP = re.compile(rb"\bqp[ _]([0-9]{1,18})\b")
# Not an enhanced status code, an address or a short word: 6 characters with a digit among them.
_WORD = re.compile(rb"(?<![^\s\[\]()<>,;:=_/])(?=[A-Za-z.-]*[0-9])[A-Za-z0-9][A-Za-z0-9.-]{4,98}"
                   rb"[A-Za-z0-9](?![^\s\[\]()<>,;:=_/.])")  # fmt: skip
_NUMERIC = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){2,3}")  # 5.7.1, 192.0.2.7
_SAID = b"said:"


def ids_in(text: bytes) -> tuple[bytes, ...]:
    """Return what may be ids in the last words of another server.

    Args:
        text: a delivery's report; what stands before `Remote host said:` is ours.
    """
    _ours, found, words = text.rpartition(_SAID)
    words = (words if found else text)[-400:]
    names = [b"qp " + number for number in _QP.findall(words)]
    names += [word for word in _WORD.findall(words) if not _NUMERIC.fullmatch(word)]
    return tuple(dict.fromkeys(names))[-IDS_MAX:]
