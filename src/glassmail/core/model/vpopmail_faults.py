"""vpopmail's numbers for what can be wrong with an account, and its words for them.

A command that refuses prints `Error: ` and the words, and exits with the number, which the
system cuts to eight bits: -11 is 245 (vpopmail.h VA_*, vpopmail.c verror).
"""

from enum import IntEnum


class Fault(IntEnum):
    """What is wrong."""

    ILLEGAL_USERNAME = -1
    USERNAME_EXISTS = -2
    BAD_DOMAIN_DIRECTORY = -5
    USER_DIRECTORY_EXISTS = -7
    USER_DOES_NOT_EXIST = -10
    DOMAIN_DOES_NOT_EXIST = -11
    INVALID_DOMAIN_NAME = -12
    DOMAIN_ALREADY_EXISTS = -13
    NO_DOMAIN_DIRECTORY = -14
    COULD_NOT_UPDATE_FILE = -17
    CRYPT_FAILED = -18
    BAD_CHAR = -20
    USER_NAME_TOO_LONG = -25
    DOMAIN_NAME_TOO_LONG = -26
    PASSWD_TOO_LONG = -27
    GECOS_TOO_LONG = -28
    QUOTA_TOO_LONG = -29
    DIR_TOO_LONG = -30
    ALIAS_LINE_TOO_LONG = -32
    INVALID_EMAIL_CHAR = -34
    CANNOT_READ_LIMITS = -36
    CANNOT_READ_ASSIGN = -37


NAME_BYTES_MAX = 64
DOMAIN_BYTES_MAX = 96
PASSWORD_BYTES_MAX = 128
GECOS_BYTES_MAX = 64
QUOTA_BYTES_MAX = 20
DIRECTORY_BYTES_MAX = 160
ALIAS_LINE_BYTES_MAX = 159  # vpalias.c takes less than MAX_ALIAS_LINE, 160

TEXTS: dict[Fault, str] = {
    Fault.ILLEGAL_USERNAME: "Illegal username",
    Fault.USERNAME_EXISTS: "Username exists",
    Fault.BAD_DOMAIN_DIRECTORY: "Unable to chdir to vpopmail/domains directory",
    Fault.USER_DIRECTORY_EXISTS: "User's directory already exists",
    Fault.USER_DOES_NOT_EXIST: "User does not exist",
    Fault.DOMAIN_DOES_NOT_EXIST: "Domain does not exist",
    Fault.INVALID_DOMAIN_NAME: "Invalid domain name",
    Fault.DOMAIN_ALREADY_EXISTS: "Domain already exists",
    Fault.NO_DOMAIN_DIRECTORY: "Could not make domain dir",
    Fault.COULD_NOT_UPDATE_FILE: "Could not update file",
    Fault.CRYPT_FAILED: "Crypt failed",
    Fault.BAD_CHAR: "bad character",
    Fault.USER_NAME_TOO_LONG: f"user name too long (max={NAME_BYTES_MAX})",
    Fault.DOMAIN_NAME_TOO_LONG: f"domain name too long (max={DOMAIN_BYTES_MAX})",
    Fault.PASSWD_TOO_LONG: f"password too long (max={PASSWORD_BYTES_MAX})",
    Fault.GECOS_TOO_LONG: f"gecos too long (max={GECOS_BYTES_MAX})",
    Fault.QUOTA_TOO_LONG: f"quota too long (max={QUOTA_BYTES_MAX})",
    Fault.DIR_TOO_LONG: f"dir too long (max={DIRECTORY_BYTES_MAX})",
    Fault.ALIAS_LINE_TOO_LONG: "alias line too long (max=160)",
    Fault.INVALID_EMAIL_CHAR: "invalid email character",
    Fault.CANNOT_READ_LIMITS: "can't read domain limits",
    Fault.CANNOT_READ_ASSIGN: "can't read users/assign file",
}
