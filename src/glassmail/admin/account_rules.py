"""What names, passwords and lines an account may have; each refusal says which rule.

Rules are vpopmail's (vpopmail.h, vpopmail.c) and a few more, which keep a name from leading out
of its directory: vpopmail takes `bad..user` for a name, this does not.
"""

from glassmail.admin.account_error import AccountError
from glassmail.core.formats import quota
from glassmail.core.model import vpopmail_faults as most
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.core.route import mailbox
from glassmail.core.route.mailbox import CatchAll

_LABEL_BYTES_MAX = 63  # RFC 1035, 2.3.4


def check_name(name: bytes) -> bytes:
    """Return the name of a mailbox or alias in lower case.

    Raises:
        AccountError: it has no bytes, more than 64, one that vpopmail does not allow, `/`, `..`,
            or begins with a dot.
    """
    name = name.lower()
    shown = _shown(name)
    if not name:
        raise AccountError("a mailbox needs a name before the @", Fault.ILLEGAL_USERNAME)
    if len(name) > most.NAME_BYTES_MAX:
        raise AccountError(
            f"{shown}: {len(name)} bytes, and a name may have {most.NAME_BYTES_MAX}",
            Fault.USER_NAME_TOO_LONG,
        )
    rule = ""
    if not mailbox.is_valid_name(name):
        rule = f"a name may not have `{_shown(_first_bad(name))}`: write letters, digits, - _ . +"
    elif b"/" in name:
        rule = "a name may not have a slash, which would lead to another directory"
    elif b".." in name or name.startswith(b"."):
        rule = "a name may have neither `..` nor a dot in front: it is a directory's name, too"
    if rule:
        raise AccountError(f"{shown}: not a name for a mailbox: {rule}", Fault.ILLEGAL_USERNAME)
    return name


def check_alias_name(name: bytes) -> bytes:
    """Return the name of an alias in lower case; raises AccountError as `check_name` does.

    `default` is none: `.qmail-default` says what happens to mail for nobody.
    """
    name = check_name(name)
    if name == b"default":
        raise AccountError(
            "default: not an alias: its file is the domain's catch-all: glass domain set NAME "
            "--catch-all WHAT",
            Fault.ILLEGAL_USERNAME,
        )
    return name


def check_domain(domain: bytes) -> bytes:
    """Return a domain in lower case; raises AccountError for one that cannot be."""
    domain = domain.lower()
    shown = _shown(domain)
    if len(domain) > most.DOMAIN_BYTES_MAX:
        raise AccountError(
            f"{shown}: {len(domain)} bytes, and a domain may have {most.DOMAIN_BYTES_MAX}",
            Fault.DOMAIN_NAME_TOO_LONG,
        )
    labels = domain.split(b".")
    rule = ""
    if not mailbox.is_valid_domain(domain):
        rule = "it has letters, digits, dots and hyphens: write it as in example.com"
    elif len(labels) < 2:
        rule = "it needs a dot: write it as in example.com"
    elif not all(labels) or any(len(label) > _LABEL_BYTES_MAX for label in labels):
        rule = f"each part between the dots has 1 to {_LABEL_BYTES_MAX} bytes"
    elif any(label.startswith(b"-") or label.endswith(b"-") for label in labels):
        rule = "no part begins or ends with a hyphen"
    elif len(labels[-1]) < 2:
        rule = "its last part has two bytes at least"
    if rule:
        raise AccountError(f"{shown}: not a domain: {rule}", Fault.INVALID_DOMAIN_NAME)
    return domain


def parts_of(address: bytes) -> tuple[bytes, bytes]:
    """Part `user@domain` into its checked halves; raises AccountError."""
    local, at, domain = address.rpartition(b"@")
    if not at:
        raise AccountError(
            f"{_shown(address)}: write an address with its domain", Fault.INVALID_DOMAIN_NAME
        )
    return check_name(local), check_domain(domain)


def check_gecos(name: bytes, gecos: bytes) -> bytes:
    """Return a comment; raises AccountError for one that vpasswd cannot hold."""
    where = f"{_shown(name)}: " if name else ""
    if len(gecos) > most.GECOS_BYTES_MAX:
        raise AccountError(
            f"{where}the comment has {len(gecos)} bytes, and may have "
            f"{most.GECOS_BYTES_MAX}",
            Fault.GECOS_TOO_LONG,
        )
    if b":" in gecos or _has_control_bytes(gecos):
        raise AccountError(
            f"{where}the comment has a colon or a control character, which would end a "
            "field of vpasswd",
            Fault.BAD_CHAR,
        )
    return gecos


def check_password(password: bytes) -> bytes:
    """Return a password in clear; raises AccountError for an empty or too long one."""
    if len(password) > most.PASSWORD_BYTES_MAX:
        raise AccountError(
            f"the password has {len(password)} bytes, and may have {most.PASSWORD_BYTES_MAX}",
            Fault.PASSWD_TOO_LONG,
        )
    if not password or _has_control_bytes(password):
        raise AccountError(
            "a password has at least one byte and no control characters", Fault.BAD_CHAR
        )
    return password


def check_crypted(crypted: bytes) -> bytes:
    """Return a hash that was made elsewhere; raises AccountError for what vpasswd cannot hold."""
    if len(crypted) > most.PASSWORD_BYTES_MAX:
        raise AccountError(
            f"the hash has {len(crypted)} bytes, and may have {most.PASSWORD_BYTES_MAX}",
            Fault.PASSWD_TOO_LONG,
        )
    if not crypted or b":" in crypted or _has_control_bytes(crypted):
        raise AccountError("a hash has no colons and no control characters", Fault.BAD_CHAR)
    return crypted


def check_quota(text: bytes) -> bytes:
    """Return a quota as vpasswd holds it, `1MB` as `1048576S`; raises AccountError."""
    is_none = text.upper().startswith(b"NO")  # what deliveries take for it
    if is_none and text.upper() != quota.NONE_TEXT:
        raise AccountError(f"{_shown(text)} is no quota: write NOQUOTA for none", Fault.BAD_CHAR)
    try:
        rendered = quota.render(quota.parse(text))
    except quota.QuotaError as error:
        raise AccountError(str(error), Fault.BAD_CHAR) from error
    if len(rendered) > most.QUOTA_BYTES_MAX:
        raise AccountError(
            f"{_shown(rendered)}: a quota may have {most.QUOTA_BYTES_MAX} bytes",
            Fault.QUOTA_TOO_LONG,
        )
    return rendered


def check_directory(directory: bytes) -> bytes:
    """Return a mailbox's directory; raises AccountError when vpasswd cannot hold it."""
    if len(directory) > most.DIRECTORY_BYTES_MAX:
        raise AccountError(
            f"{_shown(directory)}: {len(directory)} bytes, and a directory's path may have "
            f"{most.DIRECTORY_BYTES_MAX} in vpasswd",
            Fault.DIR_TOO_LONG,
        )
    if b":" in directory or _has_control_bytes(directory) or not directory.startswith(b"/"):
        raise AccountError(
            f"{_shown(directory)}: a directory's path begins with a slash and has neither colons "
            "nor control characters",
            Fault.BAD_CHAR,
        )
    return directory


def forward_line(target: bytes) -> bytes:
    """Write one forward of a dot-qmail file; raises AccountError for what is no address."""
    local, at, domain = target.rpartition(b"@")
    printable = not any(byte < 33 or byte == 127 for byte in target)
    if not at or not local or not domain or not printable:
        raise AccountError(
            f"{_shown(target)}: not an address: write it as in tammy@example.com",
            Fault.INVALID_EMAIL_CHAR,
        )
    # `&` only where the first byte would mean something else, since valias shows lines as they are.
    line = (b"&" if target[:1] in b"&|./#+" else b"") + target
    return check_alias_line(line) + b"\n"


def check_alias_line(line: bytes) -> bytes:
    """Return a line of a dot-qmail file; raises AccountError for one that is more than a line."""
    if len(line) > most.ALIAS_LINE_BYTES_MAX:
        raise AccountError(
            f"{_shown(line)}: {len(line)} bytes, and an alias's line may have "
            f"{most.ALIAS_LINE_BYTES_MAX}",
            Fault.ALIAS_LINE_TOO_LONG,
        )
    if not line.strip() or _has_control_bytes(line.replace(b"\t", b"")):
        raise AccountError(
            f"{_shown(line)}: an alias's line is neither empty nor has it control characters",
            Fault.INVALID_EMAIL_CHAR,
        )
    return line


def catch_all_line(argument: bytes, program: bytes = mailbox.PROGRAM) -> bytes:
    """Write the line of `.qmail-default`.

    Args:
        argument: delete, bounce-no-mailbox, an address, or a directory.
        program: what the line calls, vdelivermail with or without its directory.

    Raises:
        AccountError: it is none of these.
    """
    kind = mailbox.catch_all(argument)
    if kind is CatchAll.ADDRESS:
        forward_line(argument)  # refuses what is no address
    if kind is CatchAll.DIRECTORY and b".." in argument.split(b"/"):
        raise AccountError(
            f"{_shown(argument)}: a directory's path has no `..`: write where it leads",
            Fault.BAD_CHAR,
        )
    if any(byte < 33 or byte == 127 or byte in b"'\"" for byte in argument):
        raise AccountError(
            f"{_shown(argument)}: a catch-all has no blanks, quotes or control characters",
            Fault.BAD_CHAR,
        )
    # Quoted only where a shell that runs the real vdelivermail would see more than one word;
    # qmailadmin reads the line as vpopmail writes it, without quotes.
    is_plain = not argument.translate(None, _PLAIN_BYTES)
    word = argument if is_plain else b"'" + argument + b"'"
    return b"| " + program + b" '' " + word + b"\n"


_PLAIN_BYTES = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-/=,:%"
)


def _first_bad(name: bytes) -> bytes:
    return next(bytes([byte]) for byte in name if not mailbox.is_valid_name(bytes([byte])))


def _has_control_bytes(text: bytes) -> bool:
    return any(byte < 32 or byte == 127 for byte in text)


def _shown(text: bytes) -> str:
    r"""Show bytes in a message: what is not printable ASCII as `\x..`."""
    return "".join(
        chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text[:200]
    )
