"""Quote addresses for header and SMTP with as little quoting as possible (quote.c)."""

_PLAIN = b"!#$%&'*+-./0123456789=?ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~"


def needs_quotes(local: bytes) -> bool:
    """Tell whether a local part cannot stand without quotes; an empty one cannot."""
    return (
        not local
        or bool(local.translate(None, _PLAIN))
        or local.startswith(b".")
        or local.endswith(b".")
        or b".." in local
    )


def quote_local(local: bytes) -> bytes:
    """Put quotes around a local part where they are needed."""
    if not needs_quotes(local):
        return local
    for byte in (b"\\", b'"', b"\r", b"\n"):  # the backslash first: it is what escapes
        local = local.replace(byte, b"\\" + byte)
    return b'"' + local + b'"'


def quote_address(address: bytes) -> bytes:
    """Quote the local part of an address, parted at the last `@`; the domain stays (quote2)."""
    if not address:
        return address
    local, at, domain = address.rpartition(b"@")
    if not at:
        return quote_local(address)
    return quote_local(local) + at + domain
