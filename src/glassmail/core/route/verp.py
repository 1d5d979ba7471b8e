"""Variable envelope return paths: one sender per recipient (qmail-send.c senderadd, addresses.5).

An envelope sender `pre-@host-@[]` asks for it: the delivery to `box@dom` carries the sender
`pre-box=dom@host`; a bounce of the whole message goes to `pre-@host`.
"""

_MARK = b"-@[]"


def delivery_sender(sender: bytes, recipient: bytes) -> bytes:
    """Return the envelope sender of the delivery to one (already rewritten) recipient."""
    if not sender.endswith(_MARK):
        return sender
    end = len(sender) - len(_MARK)
    at = sender.rfind(b"@", 0, end)
    box, recipient_at, domain = recipient.rpartition(b"@")
    if at < 0 or not recipient_at:
        return sender
    return sender[:at] + box + b"=" + domain + b"@" + sender[at + 1 : end]


def bounce_recipient(sender: bytes) -> bytes:
    """Return where a bounce goes: the sender, without the mark that asks for VERP."""
    return sender.removesuffix(_MARK)
