"""What vpopmaild says: answers, errors, help (vpopmaild.c; sample vpopmaild-session.txt).

An error is `-ERR KIND.PLACE TEXT`: the kind of fault and where in the program it was noticed.
The numbers of the sample are vpopmaild's; others of its kind are this program's.
"""

from enum import Enum

OK = b"+OK \r\n"
MORE = b"+OK+\r\n"
END = b".\r\n"


class Kind(Enum):
    """The kinds of faults: number and text."""

    TOO_LONG = (1, "Line too long")
    EMAIL_REQUIRED = (2, "User@domain required")
    DOMAIN_REQUIRED = (3, "Domain required")
    INVALID_COMMAND = (4, "Invalid Command")
    PASSWORD_REQUIRED = (5, "Password required")
    NOT_AUTHORIZED = (6, "Not authorized")
    VALUE_REQUIRED = (7, "Value required")
    INVALID_LOGIN = (8, "Invalid Login")
    INVALID_OPTION = (9, "Invalid Option")
    INVALID_FILE = (21, "Invalid File")
    INVALID_DIRECTORY = (22, "Invalid Directory.  Do you need a trailing '/'?")
    NOT_FOUND = (23, "Not found")
    NOT_AVAILABLE = (33, "Not Available")


def fault(kind: Kind, place: int) -> bytes:
    """Write an error."""
    number, text = kind.value
    return b"-ERR %d.%d %b\r\n" % (number, place, text.encode())


def refusal(place: int, text: str, separator: bytes = b".") -> bytes:
    """Write an error in vpopmail's own words, which has the kind 0."""
    safe = " ".join(text.split()).encode("utf-8", "backslashreplace")
    return b"-ERR 0%b%d %b\r\n" % (separator, place, safe)


def listing(*lines: bytes) -> bytes:
    """Write an answer of several lines."""
    safe = [line.replace(b"\r", b" ").replace(b"\n", b" ") for line in lines]
    return MORE + b"".join(line + b"\r\n" for line in safe) + END


_BEFORE = (
    "", "Login",
    "login login user@domain password - expanded bitmaps",
    "clogin login user@domain password - compact bitmapts",
    "slogin login user@domain password - silent results",
    "", "Utility", "help help", "exit quit", "quit quit", "q quit",
)  # fmt: skip
_UTILITY = ("", "Utility", "exit quit", "quit quit", "q quit", "help help")
_DOMAIN = (
    "", "Domain",
    "user_info user_domain<crlf>",
    "list_domains [page per_page]<crlf>",
    "find_domain domain [per-page]<crlf>",
    "domain_count <crlf>",
    "add_alias_domain domain alias<crlf>",
    "add_domain domain postmaster-password<crlf>",
    "del_domain domain<crlf>",
    "dom_info domain<crlf>",
    "get_limits domain<crlf>",
    "set_limits domain (option lines)<crlf>.<crlf>",
    "del_limits domain<crlf>",
    "get_domain_size domain<crlf>",
)  # fmt: skip
_USER = (
    "", "User",
    "add_user user@domain password<crlf>",
    "del_user user@domain<crlf>",
    "user_count domain <crlf>",
    "list_users domain [page per_page]<crlf>",
    "list_users domain<crlf>",
    "list_lists domain<crlf>",
    "mod_user user@domain (option lines)<crlf>.<crlf>",
    "get_lastauth user@domain<crlf>",
    "get_user_size user@domain<crlf>",
)  # fmt: skip
_ALIAS = (
    "", "Alias",
    "add_alias user@domain user@otherdomain<crlf>",
    "delete_alias user@domain<crlf>",
    "list_alias domain<crlf>",
    "remove_alias user@domain user@otherdomain<crlf>",
)  # fmt: skip
_FILES = (
    "", "File System",
    "mk_dir /full/path/to/dir<crlf>",
    "rm_dir /full/path/to/dir<crlf>",
    "list_dir /full/path/to/dir<crlf>",
    "rm_file /full/path/to/file<crlf>",
    "rename_file /full/path/to/file<crlf>",
    "write_file /full/path (data lines)<crlf>.<crlf>",
    "read_file /full/path<crlf>",
    "stat_file /full/path<crlf>",
)  # fmt: skip
_REST = (
    "", "IP Map",
    "get_ip_map domain<crlf>",
    "add_ip_map ip domain<crlf>",
    "del_ip_map ip domain<crlf>",
    "show_ip_map domain<crlf>",
    "", "Mailing List",
    "add_list domain listname (command line options)<crlf>",
    "del_list domain listname<crlf>",
    "mod_list domain listname (command line options)<crlf>",
)  # fmt: skip
_OWN = (
    "", "User",
    "user_info user_domain<crlf>",
    "mod_user user@domain (option lines)<crlf>.<crlf>",
    "get_lastauth user@domain<crlf>",
    "get_user_size user@domain<crlf>",
)  # fmt: skip

HELP_BEFORE = tuple(line.encode() for line in _BEFORE)
HELP_SYSTEM = tuple(
    line.encode() for line in (*_DOMAIN, *_USER, *_ALIAS, *_FILES, *_REST, *_UTILITY)
)
HELP_DOMAIN = tuple(
    line.encode() for line in (*_DOMAIN[:2], *_DOMAIN[9:11], *_USER, *_ALIAS, *_FILES, *_UTILITY)
)
HELP_USER = tuple(line.encode() for line in (*_OWN, *_UTILITY))
