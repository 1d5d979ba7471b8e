"""The Received line that qmail-smtpd puts before a message (received.c)."""

from glassmail.core.model.address import safe_for_header


def origin(host: bytes, ip: bytes, helo: bytes | None, info: bytes | None) -> bytes:
    """Write who sent it: `from real.test (HELO fake.test) (info@192.0.2.1)`.

    Args:
        host: TCPREMOTEHOST, `unknown` when it is not known.
        ip: TCPREMOTEIP.
        helo: what the client called itself; left out when it did not, or said `host`.
        info: TCPREMOTEINFO, None when it is not known.
    """
    said = b""
    if helo is not None and helo.lower() != host.lower():
        said = b" (HELO " + safe_for_header(helo) + b")"
    who = b"" if info is None else safe_for_header(info) + b"@"
    return b"from %b%b (%b%b)" % (safe_for_header(host), said, who, safe_for_header(ip))


def line(origin_text: bytes, local: bytes, protocol: bytes, code: bytes, date: bytes) -> bytes:
    """Write the line: two lines of text, LF ends.

    Args:
        origin_text: from `origin`.
        local: our name, TCPLOCALHOST.
        protocol: SMTP, also after EHLO (notqmail).
        code: the message's trace code, put into a comment (RFC 5322, 3.2.2); empty: left out.
        date: as formats.date.rfc822 writes it.
    """
    trace = b" (trace %b)" % code if code else b""
    return b"Received: %b\n  by %b with %b%b; %b\n" % (
        origin_text, safe_for_header(local), protocol, trace, date,
    )  # fmt: skip
