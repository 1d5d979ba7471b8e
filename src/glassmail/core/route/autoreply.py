"""Is this a message that a person's automatic reply may answer, and the reply (RFC 3834).

Pure:
    The header of the message, the envelope sender and our own addresses in; a reason not to
    answer, or the reply, out. Who was answered lately is the caller's to know.

Always:
    - No answer to bounces, to lists, to other automatic mail, to addresses that belong to
      programs, and to ourselves.
    - The reply goes to the envelope sender, from nobody (`<>`), and says that it is automatic, so
      that no two programs answer each other.
    - Nothing of the message gets into the reply but its subject and its message ids, without
      control bytes and cut.
"""

from collections.abc import Iterable
from typing import NamedTuple

from glassmail.core.formats import date
from glassmail.core.formats.header_fields import is_field

SENDER_BYTES_MAX = 320  # RFC 3696 erratum 1690: no address is longer
SUBJECT_BYTES_MAX = 500
REFERENCES_BYTES_MAX = 900

Fields = dict[bytes, list[bytes]]

_LIST_FIELDS = (
    b"list-id", b"list-post", b"list-help", b"list-subscribe", b"list-unsubscribe", b"list-owner",
    b"list-archive", b"mailing-list", b"x-mailing-list", b"x-beenthere",
)  # fmt: skip
_BULK = (b"bulk", b"junk", b"list")
_SUPPRESS = (b"all", b"autoreply", b"oof")
# RFC 3834, 2, and what vacation(1) leaves out: addresses that are read by programs.
_NOBODY = (
    b"mailer-daemon", b"mailer", b"postmaster", b"uucp", b"daemon", b"noreply", b"no-reply",
    b"donotreply", b"do-not-reply", b"nobody", b"listserv", b"majordomo", b"root",
)  # fmt: skip
_NOBODY_ENDS = (b"-request", b"-relay", b"-owner", b"-bounce", b"-bounces", b"-errors", b"-return")
_NAMED_IN = (b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc", b"apparently-to")
_ADDRESS_BYTES = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-"
)
_OURS = (b"to", b"auto-submitted", b"in-reply-to", b"references", b"date", b"message-id")


class Reply(NamedTuple):
    """What a reply is made of.

    Attributes:
        sender: whom it goes to, the envelope sender of the message.
        own: our address, which it comes from.
        text: the person's text: header fields of his own if he likes, then the body.
        now: seconds since 1970.
        message_id: without brackets.
    """

    sender: bytes
    own: bytes
    text: bytes
    now: int
    message_id: bytes


def read_fields(header: bytes) -> Fields:
    """Read a header: lower-case names, values unfolded, up to the first line that is no field."""
    fields: Fields = {}
    last: list[bytes] = []
    for line in header.split(b"\n"):
        if line[:1] in (b" ", b"\t") and last:
            last[-1] += b" " + line.strip()
            continue
        if not is_field(line):
            break
        name, _, value = line.partition(b":")
        last = fields.setdefault(name.rstrip(b" \t").lower(), [])
        last.append(value.strip())
    return fields


def why_silent(
    fields: Fields, sender: bytes, own: Iterable[bytes], must_be_named: bool = True
) -> str:
    """Say why a message gets no automatic reply; empty when it may get one.

    Args:
        fields: of the message.
        sender: envelope sender.
        own: every address of ours.
        must_be_named: whether one of them has to stand in To, Cc or their like.
    """
    own = {address.lower() for address in own}
    reason = _about_sender(sender.lower(), own)
    if reason:
        return reason
    if any(name in fields for name in _LIST_FIELDS):
        return "it came by a mailing list"
    submitted = _words(fields, b"auto-submitted", b";")
    if any(word != b"no" for word in submitted):
        return "it is automatic mail (Auto-Submitted)"
    if any(word in _BULK for word in _words(fields, b"precedence", b" ")):
        return "it is bulk mail (Precedence)"
    suppressed = b",".join(fields.get(b"x-auto-response-suppress", [])).lower().split(b",")
    if any(word.strip() in _SUPPRESS for word in suppressed):
        return "it asks for no automatic reply (X-Auto-Response-Suppress)"
    if any(value.lower().startswith(b"yes") for value in fields.get(b"x-spam-flag", [])):
        return "it was found to be spam"
    if must_be_named and not find_named(fields, own):
        return "none of our addresses stands in To or Cc"
    return ""


def find_named(fields: Fields, own: Iterable[bytes]) -> bytes:
    """Return which of these lower-case addresses To, Cc or their like name; empty for none."""
    for name in _NAMED_IN:
        for value in fields.get(name, []):
            text = value.lower()
            for address in own:
                if _names(text, address):
                    return address
    return b""


def make_reply(fields: Fields, reply: Reply) -> bytes:
    """Make the reply, header and body, with LF line ends."""
    text = reply.text.replace(b"\r\n", b"\n").replace(b"\0", b"")
    subject = _safe(b" ".join(fields.get(b"subject", [])[:1]), SUBJECT_BYTES_MAX)
    text = text.replace(b"$SUBJECT", subject).replace(b"%S", subject)
    given, body = _part(text)
    names = {field.partition(b":")[0].rstrip(b" \t").lower() for field in given}
    lines = [
        b"Date: " + date.rfc822(reply.now),
        b"Message-ID: <" + reply.message_id + b">",
    ]
    if b"from" not in names:
        lines.append(b"From: " + _safe(reply.own, SENDER_BYTES_MAX))
    lines.append(b"To: " + _safe(reply.sender, SENDER_BYTES_MAX))
    if b"subject" not in names:
        lines.append(b"Subject: Auto: " + subject)  # RFC 3834, 3.1.5
    lines += _threading(fields)
    lines.append(b"Auto-Submitted: auto-replied")
    if b"content-type" not in names and not text.isascii():
        lines += [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8",
                  b"Content-Transfer-Encoding: 8bit"]  # fmt: skip
    lines += given
    body = body if body.endswith(b"\n") else body + b"\n"
    return b"\n".join(lines) + b"\n\n" + body


def _about_sender(sender: bytes, own: set[bytes]) -> str:
    local, at, _domain = sender.rpartition(b"@")
    if not sender or sender.endswith(b"@[]") or not at:
        return "it is a bounce"
    if sender in own:
        return "it comes from ourselves"
    if len(sender) > SENDER_BYTES_MAX or any(byte < 33 or byte > 126 for byte in sender):
        return "its sender cannot be answered"
    is_program = local in _NOBODY or local.endswith(_NOBODY_ENDS) or local.startswith(b"owner-")
    if is_program or b"-return-" in local or b"-bounces+" in local:
        return "its sender is a program"
    return ""


def _words(fields: Fields, name: bytes, end: bytes) -> list[bytes]:
    """Return the first word of each field of a name: Auto-Submitted has parameters behind `;`."""
    return [value.partition(end)[0].strip().lower() for value in fields.get(name, [])]


def _names(text: bytes, address: bytes) -> bool:
    at = text.find(address)
    while at >= 0:
        end = at + len(address)
        before, after = text[at - 1 : at] if at else b"", text[end : end + 1]
        if (not before or before not in _ADDRESS_BYTES) and (
            not after or after not in _ADDRESS_BYTES
        ):
            return True
        at = text.find(address, at + 1)
    return False


def _part(text: bytes) -> tuple[list[bytes], bytes]:
    """Part a person's text into header fields of his own and the body; some have no header."""
    if not is_field(text.partition(b"\n")[0]):
        return [], text.removeprefix(b"\n")
    header, _, body = text.partition(b"\n\n")
    fields: list[bytes] = []
    for line in header.split(b"\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        elif is_field(line):
            fields.append(line)
    names = [field.partition(b":")[0].rstrip(b" \t").lower() for field in fields]
    kept = [field for field, name in zip(fields, names, strict=True) if name not in _OURS]
    return kept, body


def _threading(fields: Fields) -> list[bytes]:
    """In-Reply-To and References, as RFC 5322, 3.6.4 makes them."""
    ids = fields.get(b"message-id", [])
    message_id = _safe(ids[0], REFERENCES_BYTES_MAX) if ids else b""
    if not message_id.startswith(b"<") or not message_id.endswith(b">"):
        return []
    before = b" ".join(fields.get(b"references", []) or fields.get(b"in-reply-to", [])[:1])
    before = _safe(before, 10 * REFERENCES_BYTES_MAX)
    if len(before) + len(message_id) > REFERENCES_BYTES_MAX:
        before = b""
    return [b"In-Reply-To: " + message_id, b"References: " + (before + b" " + message_id).strip()]


def _safe(value: bytes, most: int) -> bytes:
    return bytes(byte if byte >= 32 and byte != 127 else 32 for byte in value[:most]).strip()
