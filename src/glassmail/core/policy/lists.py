"""The lists of unwanted senders, recipients and names, with SPAMCONTROL's signs read.

Signs of badmailfrom and badmailfromnorelay, asked in this order (`addr` may be `@domain`):

    ?addr    this sender is let through every other line, and needs no domain in DNS
    addr+    refused unless the client may relay
    addr-    refused when the client has no name in DNS
    addr=    refused when the client's name does not lie in the sender's domain
    ~domain  refused when the client's name does not end with this domain

Then whole addresses, `@domain`s and patterns, as in core/formats/patterns. In badhelo `name!`
means: this name is not looked at any further.
"""

from typing import NamedTuple

from glassmail.core.formats.control import Entry, Table
from glassmail.core.formats.patterns import Hit, Patterns, compile_list

_SIGNS = b"+-="
_RECENT_MAX = 256  # senders whose answer is remembered


class SenderList(NamedTuple):
    """badmailfrom or badmailfromnorelay.

    Attributes:
        patterns: lines without sign.
        signed: lines with one: (sign, folded address) -> line.
        recent: answers of a moment ago, since MAIL and each RCPT ask the same.
    """

    patterns: Patterns
    signed: dict[tuple[bytes, bytes], Entry]
    recent: dict[tuple[bytes, bytes | None, bool], Hit | None]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to ask."""
        return self.patterns.is_empty and not self.signed

    @property
    def summary(self) -> str:
        """Name the file for a trail."""
        return self.patterns.table.summary

    def find(self, sender: bytes, host: bytes | None, *, may_relay: bool) -> Hit | None:
        """Ask about an envelope sender; None when no line is about it.

        Args:
            sender: the address, not empty.
            host: the client's name in DNS, None when it has none.
            may_relay: whether the client may relay.
        """
        recent = self.recent
        key = (sender, host, may_relay)
        if key in recent:
            return recent[key]
        if len(recent) >= _RECENT_MAX:
            recent.clear()
        hit = recent[key] = self._find(sender.lower(), host, may_relay=may_relay)
        return hit

    def _find(self, folded: bytes, host: bytes | None, *, may_relay: bool) -> Hit | None:
        if self.signed:
            hit = self._find_signed(folded, (host or b"").lower(), may_relay=may_relay)
            if hit is not None:
                return hit
        return self.patterns.find(folded)

    def _find_signed(self, folded: bytes, host: bytes, *, may_relay: bool) -> Hit | None:
        domain = folded[folded.rfind(b"@") + 1 :]
        if (entry := self._signed(b"?", folded)) is not None:
            return Hit(False, entry)
        if not may_relay and (entry := self._signed(b"+", folded)) is not None:
            return Hit(True, entry)
        is_unknown = host in (b"", b"unknown")
        if is_unknown and (entry := self._signed(b"-", folded)) is not None:
            return Hit(True, entry)
        if domain not in host and (entry := self._signed(b"=", folded)) is not None:
            return Hit(True, entry)
        entry = self.signed.get((b"~", domain))
        if entry is not None and host != domain and not host.endswith(b"." + domain):
            return Hit(True, entry)
        return None

    def _signed(self, sign: bytes, folded: bytes) -> Entry | None:
        found = self.signed.get((sign, folded))
        at = folded.rfind(b"@")
        return found or (self.signed.get((sign, folded[at:])) if at >= 0 else None)


class Lists(NamedTuple):
    """All lists of a site."""

    badmailfrom: SenderList
    badmailfromnorelay: SenderList
    badrcptto: Patterns
    badrcpttonorelay: Patterns
    badhelo: Patterns


def sender_list(table: Table, *, is_regex: bool = False) -> SenderList:
    """Read badmailfrom; raises PatternError."""
    plain: dict[bytes, Entry] = {}
    signed: dict[tuple[bytes, bytes], Entry] = {}
    for key, entry in table.entries.items():
        sign, address = (b"", key) if is_regex else _part(key)
        if sign:
            signed[sign, address] = entry
        else:
            plain[key] = entry
    return SenderList(compile_list(table._replace(entries=plain), is_regex=is_regex), signed, {})


def _part(key: bytes) -> tuple[bytes, bytes]:
    """Take the sign off a line: (sign, address)."""
    if key[:1] in (b"?", b"~") and len(key) > 1:
        return key[:1], key[1:]
    if b"@" in key and key[-1] in _SIGNS:
        return key[-1:], key[:-1]
    return b"", key


def _nothing(name: str) -> Table:
    return Table(f"control/{name}", False, {}, f"control/{name} (no such file)")


NO_LISTS = Lists(
    sender_list(_nothing("badmailfrom")),
    sender_list(_nothing("badmailfromnorelay")),
    compile_list(_nothing("badrcptto")),
    compile_list(_nothing("badrcpttonorelay")),
    compile_list(_nothing("badhelo")),
)
