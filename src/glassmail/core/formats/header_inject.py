"""Make the header that qmail-inject sends from the one it was given (qmail-inject.c).

Purpose:
    Take the fields one by one, rewrite their addresses, collect recipients and sender, and put
    the missing fields before them.

Pure:
    Environment, time and process id are handed in.

Always:
    - With any Resent- field the generated fields, and the recipients from the header, are the
      Resent- ones.
    - A To, Cc, Bcc or Apparently-To field (or Resent- one) that cannot be parsed stays as it is;
      any other address field that cannot is refused.
    - Bcc, Resent-Bcc, Return-Path and Content-Length never go out.
"""

from glassmail.core.formats import date
from glassmail.core.formats.header_addresses import AddressList, read_addresses
from glassmail.core.formats.header_fields import known_name
from glassmail.core.formats.header_identity import Identity
from glassmail.core.formats.header_rewrite import (
    HeaderError,
    Rewriter,
    parse_or_refuse,
    unparsable,
)
from glassmail.core.formats.header_tokens import (
    ATOM,
    COLON,
    Token,
    render,
    tokenise,
    unquote,
)
from glassmail.core.formats.quote import quote_address
from glassmail.core.model.limits import RECIPIENTS_MAX

_RECIPIENTS = frozenset((b"to", b"cc", b"bcc", b"apparently-to"))
_RESENT_RECIPIENTS = frozenset((b"resent-to", b"resent-cc", b"resent-bcc"))
_LISTED = frozenset((b"to", b"cc"))
_SENDERS = frozenset((
    b"sender", b"from", b"reply-to", b"return-receipt-to", b"errors-to",
    b"resent-sender", b"resent-from", b"resent-reply-to",
))  # fmt: skip
_REMOVED = frozenset((b"bcc", b"resent-bcc", b"return-path", b"content-length"))
_RESENT = _RESENT_RECIPIENTS | {
    b"resent-sender", b"resent-from", b"resent-reply-to", b"resent-date", b"resent-message-id",
}  # fmt: skip


class Injection:
    """One message's header. Methods raise HeaderError.

    Attributes:
        sender: the envelope sender, None until something said it.
        recipients: from `add_recipient`, the arguments.
        listed: addresses in To and Cc, in the order qmail-inject finds them.
    """

    def __init__(self, letters: bytes, identity: Identity, rewriter: Rewriter) -> None:
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.listed: list[bytes] = []
        self._identity = identity
        self._rewriter = rewriter
        self._header_recipients: list[bytes] = []
        self._resent_recipients: list[bytes] = []
        self._fields: list[bytes] = []
        self._seen: set[bytes] = set()
        self._skipped = {
            name
            for letter, name in ((b"f", b"from"), (b"i", b"message-id"), (b"s", b"return-path"))
            if letter in letters
        }
        self._name_as_comment = b"c" in letters
        self._per_message = b"m" in letters
        self._per_recipient = b"r" in letters

    @property
    def is_resent(self) -> bool:
        """Tell whether any Resent- field was there."""
        return not self._seen.isdisjoint(_RESENT)

    def has(self, name: bytes) -> bool:
        """Tell whether a field of this (known, lower-case) name was there."""
        return name in self._seen

    def name_sender(self, text: bytes) -> None:
        """Take -f: the envelope sender; the last one counts."""
        address = parse_or_refuse(quote_address(text))
        self._rewriter.rewrite(address)
        self.sender = unquote(address)

    def add_recipient(self, text: bytes) -> None:
        """Take an argument: an envelope recipient."""
        address = tokenise(quote_address(text))
        if address is None:
            raise HeaderError(b"unable to parse address: " + text + b"\n")
        self._rewriter.rewrite(address)
        self.recipients.append(unquote(address))

    def add_field(self, field: bytes) -> None:
        """Take one field of the header, with its line ends."""
        name = known_name(field)
        if name in self._skipped:
            return
        if name:
            self._seen.add(name)
        if name in _RECIPIENTS or name in _RESENT_RECIPIENTS:
            field = self._recipient_field(name, field)
        elif name in _SENDERS:
            field = self._rewritten(field)
        elif name == b"return-path":
            self._take_return_path(field)
        if name not in _REMOVED:
            self._fields.append(field)

    def header(self, now: int, pid: int, followup: bytes, id_host: bytes) -> bytes:
        """Return the whole header; the envelope sender is known after this.

        Args:
            now: seconds since 1970.
            pid: process id, for Message-ID and the per-message sender.
            followup: Mail-Followup-To field, or nothing.
            id_host: host of a generated Message-ID.
        """
        if self.sender is None:
            self._take_return_path(self._default_return_path(now, pid))
        prefix = b"Resent-" if self.is_resent else b""
        generated = []
        if not self.has(prefix.lower() + b"date"):
            generated.append(b"%bDate: %b\n" % (prefix, date.rfc822(now)))
        if not self.has(prefix.lower() + b"message-id"):
            generated.append(b"%b%b" % (prefix, message_id_field(now, pid, id_host)))
        if not self.has(prefix.lower() + b"from"):
            generated.append(prefix + self._default_from())
        if not self.has(prefix.lower() + b"to") and not self.has(prefix.lower() + b"cc"):
            generated.append(prefix + b"Cc: recipient list not shown: ;\n")
        if not prefix:
            generated.append(followup)
        return b"".join(generated) + b"".join(self._fields)

    def from_header(self) -> list[bytes]:
        """Return the recipients that the header names, in qmail-inject's order."""
        return self._resent_recipients if self.is_resent else self._header_recipients

    def _recipient_field(self, name: bytes, field: bytes) -> bytes:
        tokens = tokenise(field)
        if tokens is None:
            return field
        found = self._complete(tokens)
        resent = name in _RESENT_RECIPIENTS
        recipients = self._resent_recipients if resent else self._header_recipients
        for address in found.addresses():
            text = unquote(address)
            recipients.append(text)
            if name in _LISTED:
                self.listed.append(text)
        return render(found.tokens()) if found.is_whole else field

    def _complete(self, tokens: list[Token]) -> AddressList:
        """Read a field and complete the addresses in it."""
        found = read_addresses(tokens)
        addresses = found.addresses()
        if len(addresses) > RECIPIENTS_MAX:
            raise HeaderError(b"more than %d addresses in one field\n" % RECIPIENTS_MAX)
        for address in addresses:
            self._rewriter.rewrite(address)
        return found

    def _whole(self, field: bytes) -> AddressList:
        found = self._complete(parse_or_refuse(field))
        if not found.is_whole:
            raise unparsable(field)
        return found

    def _rewritten(self, field: bytes) -> bytes:
        return render(self._whole(field).tokens())

    def _take_return_path(self, field: bytes) -> None:
        for address in self._whole(field).addresses():
            if self.sender is None:
                self.sender = unquote(address) + (b"-@[]" if self._per_recipient else b"")

    def _default_from(self) -> bytes:
        tokens = self._identity.from_tokens(as_comment=self._name_as_comment)
        return self._rewritten(render([(ATOM, b"From"), (COLON, b":"), *tokens]))

    def _default_return_path(self, now: int, pid: int) -> bytes:
        mark = b"-%d.%d" % (now, pid) if self._per_message else b""
        if self._per_recipient:
            mark += b"-"
        tokens = self._identity.return_tokens(mark)
        return render([(ATOM, b"Return-Path"), (COLON, b":"), *tokens])


def message_id_field(now: int, pid: int, host: bytes) -> bytes:
    """Make a Message-ID field (newfield.c): `<YYYYMMDDHHMMSS.pid.qmail@host>`."""
    stamp = b"%d%02d%02d%02d%02d%02d" % date.civil(now)[:6]
    return b"Message-ID: <%b.%d.qmail@%b>\n" % (stamp, pid, b"".join(host.split()))


def followup_field(listed: list[bytes], own_lists: frozenset[bytes]) -> bytes:
    """Make Mail-Followup-To when one of the listed addresses is one of the user's own lists.

    Args:
        listed: what Injection.listed holds.
        own_lists: lower-case addresses from $QMAILMFTFILE.
    """
    if not any(address.lower() in own_lists for address in listed):
        return b""
    quoted = [quote_address(address.replace(b"\n", b" ")) for address in reversed(listed)]
    return b"Mail-Followup-To: " + b",\n  ".join(quoted) + b"\n"
