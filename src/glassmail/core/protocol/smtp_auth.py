"""The AUTH command and its base64 (RFC 4954): syntax and order, no passwords.

Always:
    - Base64 is read strictly: whatever is not in its alphabet, also blanks, is malformed.
    - What a client may not use is refused before anything it says is looked at.
"""

import binascii

from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies
from glassmail.core.protocol.smtp_events import Auth

CANCEL = b"*"
EMPTY = b"="  # RFC 4954, 4: an initial response of no bytes


def decode(text: bytes) -> bytes | None:
    """Read base64; None when it is none."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None


def challenge(data: bytes) -> Reply:
    """Make the reply that asks for the next response: 334 and base64."""
    return Reply(334, binascii.b2a_base64(data, newline=False))


def read_auth(argument: bytes, mechanisms: tuple[bytes, ...], unavailable: Reply) -> Auth | Reply:
    """Read what stands behind AUTH.

    Args:
        argument: mechanism, and perhaps an initial response.
        mechanisms: those that this client may use now.
        unavailable: the refusal when there are none.

    Returns:
        The event, or the refusal.
    """
    name, _space, rest = argument.partition(b" ")
    if not name:
        return replies.AUTH_MALFORMED
    if not mechanisms:
        return unavailable
    mechanism = name.upper()
    if mechanism not in mechanisms:
        return replies.AUTH_TYPE
    rest = rest.strip(b" ")
    if not rest:
        return Auth(mechanism, None)
    if rest == CANCEL:
        return replies.AUTH_CANCELLED
    initial = b"" if rest == EMPTY else decode(rest)
    return replies.AUTH_MALFORMED if initial is None else Auth(mechanism, initial)
