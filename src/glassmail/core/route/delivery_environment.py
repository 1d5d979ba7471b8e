"""What programs of dot-qmail files see, and whom forwards are from (qmail-local.c).

Pure: the caller tells the date line and which -owner files exist.
"""

from glassmail.core.formats.quote import quote_address
from glassmail.core.route.users import User

DOUBLE_BOUNCE_SENDER = b"#@[]"
_BLANKS_TO_DASH = bytes.maketrans(b" \t\n", b"---")


def delivered_to_line(local: bytes, domain: bytes) -> bytes:
    """Make the Delivered-To line, with its LF; a newline in the address becomes `_`."""
    return b"Delivered-To: " + (local + b"@" + domain).replace(b"\n", b"_") + b"\n"


def return_path_line(sender: bytes) -> bytes:
    """Make the Return-Path line, with its LF; the sender is quoted where it must be."""
    return b"Return-Path: <" + quote_address(sender).replace(b"\n", b"_") + b">\n"


def from_line(sender: bytes, date: bytes) -> bytes:
    """Make the mbox From_ line, with its LF.

    Args:
        sender: blanks in it become `-`; an empty one is MAILER-DAEMON.
        date: `Fri Nov 20 15:04:01 2026`, in GMT (myctime.c); a final LF is not doubled.
    """
    name = sender.translate(_BLANKS_TO_DASH) if sender else b"MAILER-DAEMON"
    return b"From " + name + b" " + date.rstrip(b"\n") + b"\n"


def new_sender(
    sender: bytes, local: bytes, domain: bytes, has_owner: bool, has_owner_default: bool
) -> bytes:
    """Return the envelope sender of forwards.

    Args:
        sender: the message's own; an empty one and `#@[]` stay.
        local: the delivery's local part.
        domain: the delivery's domain.
        has_owner: whether .qmail-x-owner exists.
        has_owner_default: whether .qmail-x-owner-default exists too, which asks for VERP.
    """
    if not has_owner or sender in (b"", DOUBLE_BOUNCE_SENDER):
        return sender
    if has_owner_default:
        return local + b"-owner-@" + domain + b"-@[]"
    return local + b"-owner@" + domain


def delivery_environment(  # noqa: PLR0913, PLR0917 (qmail-local's arguments, as many as it has)
    user: User,
    local: bytes,
    domain: bytes,
    sender: bytes,
    new_sender: bytes,
    default: bytes | None,
    from_line_date: bytes,
) -> dict[bytes, bytes]:
    """Make the variables that qmail-local sets for programs.

    Args:
        user: who the delivery runs as.
        local: the local part delivered to, prepend included.
        domain: the domain delivered to.
        sender: the envelope sender.
        new_sender: the envelope sender of forwards.
        default: what `default` stood for in the file's name; None to leave DEFAULT unset.
        from_line_date: date of the From_ line.
    """
    environment = {
        b"USER": user.name,
        b"HOME": user.home,
        b"LOCAL": local,
        b"HOST": domain,
        b"RECIPIENT": local + b"@" + domain,
        b"DTLINE": delivered_to_line(local, domain),
        b"SENDER": sender,
        b"NEWSENDER": new_sender,
        b"RPLINE": return_path_line(sender),
        b"UFLINE": from_line(sender, from_line_date),
    }
    ext = user.ext
    host = domain
    environment[b"EXT"] = ext
    for number in (b"2", b"3", b"4"):
        # What follows the next `-`; what precedes the last dot, unchanged when none is left.
        ext = ext.partition(b"-")[2]
        host = host.rpartition(b".")[0] if b"." in host else host
        environment[b"EXT" + number] = ext
        environment[b"HOST" + number] = host
    if default is not None:
        environment[b"DEFAULT"] = default
    return environment
