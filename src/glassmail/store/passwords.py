"""Make and verify password hashes: crypt(3) of the C library, and argon2.

Purpose:
    vpasswd holds whatever crypt(3) knows: DES, `$1$`, `$5$`, `$6$`, `$2b$`, `$y$`. New hashes are
    SHA-512 crypt, which vpopmail's own programs can read, or argon2id where control/passwordhash
    says so. Python's crypt module leaves in 3.13, hence ctypes.

Always:
    - Comparison takes the same time wherever the hashes differ. `verify` against None costs what
      a real check costs, so that the time does not tell whether a mailbox exists.
    - A hash crypt(3) cannot read, an empty one and a locked one (`*`, `!`) match nothing.
"""

import ctypes
import ctypes.util
import hmac
import secrets
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

SHA512_ROUNDS = 5_000  # crypt(5)'s default; stated by no `rounds=`, as vpopmail writes it
SALT_CHARACTERS = 16
PASSWORD_BYTES_MAX = 512  # longer ones are refused: hashing time grows with length
KINDS = (b"sha512", b"argon2id")

_CRYPT_DATA_BYTES = 262_144  # struct crypt_data: 32,768 in libxcrypt, 131,232 in old glibc
_SALT_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# A hash of nobody's password, to spend the same time for names that do not exist.
_NOBODY = b"$6$QxvWzn0a1kP2bC3d$"


class PasswordError(ValueError):
    """A password or kind of hash cannot be used; the text says why."""


def hash_password(password: bytes, kind: bytes = b"sha512") -> bytes:
    """Hash a new password.

    Args:
        password: as the user typed it.
        kind: `sha512` or `argon2id` (control/passwordhash).

    Raises:
        PasswordError: for an empty or too long password, a NUL in it, or an unknown kind.
    """
    if not password or len(password) > PASSWORD_BYTES_MAX or b"\0" in password:
        raise PasswordError(f"a password has 1 to {PASSWORD_BYTES_MAX} bytes, none of them NUL")
    if kind == b"argon2id":
        return _argon2().hash(password).encode("ascii")
    if kind != b"sha512":
        shown = kind.decode("ascii", "backslashreplace")
        raise PasswordError(f"control/passwordhash: {shown}: write sha512 or argon2id")
    salt = "".join(secrets.choice(_SALT_LETTERS) for _ in range(SALT_CHARACTERS))
    hashed = _crypt(password, f"$6${salt}$".encode("ascii"))
    if hashed is None:
        raise PasswordError("this system's crypt(3) has no SHA-512")
    return hashed


def verify(password: bytes, hashed: bytes | None) -> bool:
    """Tell whether a password belongs to a hash; None is the hash of a mailbox that is not."""
    if len(password) > PASSWORD_BYTES_MAX or b"\0" in password:
        return False
    if hashed is not None and hashed.startswith(b"$argon2"):
        return _verify_argon2(password, hashed)
    computed = _crypt(password, hashed or _NOBODY)
    return bool(hashed) and computed is not None and hmac.compare_digest(computed, hashed or b"")


def _verify_argon2(password: bytes, hashed: bytes) -> bool:
    try:
        return _argon2().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _argon2() -> PasswordHasher:
    return PasswordHasher(type=Type.ID)


@cache
def _crypt_function() -> "ctypes._NamedFuncPointer | None":
    for name in ("libcrypt.so.1", "libcrypt.so.2", ctypes.util.find_library("crypt")):
        try:
            library = ctypes.CDLL(name) if name else None
            function = library.crypt_r if library is not None else None
        except (OSError, AttributeError):
            continue
        if function is not None:
            function.restype = ctypes.c_char_p
            function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
            return function
    return None


def _crypt(password: bytes, setting: bytes) -> bytes | None:
    """Call crypt_r; None when it refuses the setting (libxcrypt returns `*0` or `*1`)."""
    function = _crypt_function()
    if function is None:
        raise PasswordError("no libcrypt on this system: install the package libcrypt1")
    if b"\0" in setting or len(setting) < 2:
        return None
    room = ctypes.create_string_buffer(_CRYPT_DATA_BYTES)
    result = function(password, setting, room)
    if not isinstance(result, bytes) or result.startswith(b"*"):
        return None
    return result
