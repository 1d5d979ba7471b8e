"""qreceipt ADDRESS: answer a request for a delivery notice; for a dot-qmail file (qreceipt.1).

A message that names ADDRESS in Notice-Requested-Upon-Delivery-To gets a notice sent to its
envelope sender ($SENDER). Nothing is sent to the empty sender or to #@[], nor for a message that
asks for nothing. The notice has the empty sender itself, so that it is never answered.
"""

import os
import sys
import time

from glassmail.core.formats.date import rfc822
from glassmail.core.formats.header_addresses import read_addresses
from glassmail.core.formats.header_fields import HeaderSplitter, HeaderTooLongError, known_name
from glassmail.core.formats.header_tokens import tokenise, unquote
from glassmail.core.formats.quote import quote_address
from glassmail.faces.compat.hand_in import HandIn
from glassmail.faces.compat.queue_client import NotTakenError
from glassmail.settings.place import Place, find_root
from glassmail.store.letter import write_all

_USAGE = b"qreceipt: usage: qreceipt deliveryaddress\n"
_REQUEST = b"notice-requested-upon-delivery-to"
_NOBODY = (b"", b"#@[]")


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when there was nothing to do."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    if len(words) != 1:
        write_all(2, _USAGE)
        return 100
    sender = os.environb.get(b"SENDER")
    if sender is None:
        write_all(2, b"qreceipt: fatal: SENDER not set\n")
        return 100
    try:
        fields = _header()
    except HeaderTooLongError:
        return 0  # nobody writes a request into a header of that size
    if sender in _NOBODY or not any(_asks(field, words[0]) for field in fields):
        return 0
    return _send(sender, _notice(words[0], sender, fields))


def _header() -> list[bytes]:
    splitter = HeaderSplitter()
    while not splitter.is_complete:
        data = os.read(0, 65_536)
        if data:
            splitter.feed(data)
        else:
            splitter.end_of_file()
    return splitter.fields


def _asks(field: bytes, address: bytes) -> bool:
    """Tell whether a field requests a notice for this address; case does not matter."""
    if known_name(field) != _REQUEST:
        return False
    tokens = tokenise(field)
    if tokens is None:
        return False
    named = [unquote(found) for found in read_addresses(tokens).addresses()]
    return address.lower() in [name.lower() for name in named]


def _notice(address: bytes, sender: bytes, fields: list[bytes]) -> bytes:
    now = int(time.time())
    identity = next((f for f in fields if known_name(f) == b"message-id"), b"")
    host = address.rpartition(b"@")[2] or b"localhost"
    about = b"\nIts " + identity if identity else b""
    return (
        b"Date: %b\nMessage-ID: <%d.%d.qreceipt@%b>\n"
        b"From: DELIVERY NOTICE SYSTEM <%b>\nTo: <%b>\nSubject: success notice\n\n"
        b"Your message was delivered to the following address:\n\n    %b\n%b"
        % (
            rfc822(now), now, os.getpid(), host, quote_address(address), quote_address(sender),
            address, about,
        )
    )  # fmt: skip


def _send(recipient: bytes, message: bytes) -> int:
    try:
        queue = HandIn(Place(find_root(None)))
        try:
            queue.write(message)
            queue.finish(b"", (recipient,))
        finally:
            queue.close()
    except NotTakenError as error:
        write_all(2, b"qreceipt: fatal: %b\n" % error.text[1:])
        return 100 if error.text.startswith(b"D") else 111
    return 0
