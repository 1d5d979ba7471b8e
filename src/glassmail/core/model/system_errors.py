"""The system's errors in qmail's words or its own, and which pass (error_str.c, error_temp.c).

qmail's texts stand in reports, bounces and logs, so they stay the same on every system.
"""

import errno

_TEXTS = {
    "EINTR": b"interrupted system call",
    "ENOMEM": b"out of memory",
    "ENOENT": b"file does not exist",
    "ETXTBSY": b"text busy",
    "EIO": b"input/output error",
    "EEXIST": b"file already exists",
    "ETIMEDOUT": b"timed out",
    "EINPROGRESS": b"operation in progress",
    "EAGAIN": b"temporary failure",
    "EPIPE": b"broken pipe",
    "EPERM": b"permission denied",
    "EACCES": b"access denied",
    "ESRCH": b"no such process",
    "ENXIO": b"device not configured",
    "E2BIG": b"argument list too long",
    "ENOEXEC": b"exec format error",
    "EBADF": b"file descriptor not open",
    "ECHILD": b"no child processes",
    "EDEADLK": b"operation would cause deadlock",
    "EFAULT": b"bad address",
    "ENOTBLK": b"not a block device",
    "EBUSY": b"device busy",
    "EXDEV": b"cross-device link",
    "ENODEV": b"device does not support operation",
    "ENOTDIR": b"not a directory",
    "EISDIR": b"is a directory",
    "EINVAL": b"invalid argument",
    "ENFILE": b"system cannot open more files",
    "EMFILE": b"process cannot open more files",
    "ENOTTY": b"not a tty",
    "EFBIG": b"file too big",
    "ENOSPC": b"out of disk space",
    "ESPIPE": b"unseekable descriptor",
    "EROFS": b"read-only file system",
    "EMLINK": b"too many links",
    "ENETDOWN": b"network down",
    "ENETUNREACH": b"network unreachable",
    "ENETRESET": b"network reset",
    "ECONNABORTED": b"connection aborted",
    "ECONNRESET": b"connection reset",
    "ENOBUFS": b"out of buffer space",
    "ENOTCONN": b"not connected",
    "ETOOMANYREFS": b"too many references",
    "ECONNREFUSED": b"connection refused",
    "ELOOP": b"symbolic link loop",
    "ENAMETOOLONG": b"file name too long",
    "EHOSTDOWN": b"host down",
    "EHOSTUNREACH": b"host unreachable",
    "ENOTEMPTY": b"directory not empty",
    "EUSERS": b"too many users",
    "EDQUOT": b"disk quota exceeded",
    "ESTALE": b"stale NFS file handle",
    "ENOLCK": b"no locks available",
    "ENOSYS": b"system call not available",
    "EPROTO": b"protocol error",
}
_BY_NUMBER = {getattr(errno, name): text for name, text in _TEXTS.items() if hasattr(errno, name)}

_TEMPORARY = frozenset(
    getattr(errno, name)
    for name in (
        "EINTR", "ENOMEM", "ETXTBSY", "EIO", "ETIMEDOUT", "EWOULDBLOCK", "EAGAIN", "EDEADLK",
        "EBUSY", "ENFILE", "EMFILE", "EFBIG", "ENOSPC", "ENETDOWN", "ENETUNREACH", "ENETRESET",
        "ECONNABORTED", "ECONNRESET", "ENOBUFS", "ETOOMANYREFS", "ECONNREFUSED", "EHOSTDOWN",
        "EHOSTUNREACH", "EUSERS", "EDQUOT", "ESTALE", "ENOLCK",
    )
    if hasattr(errno, name)
)  # fmt: skip


def error_text(error: OSError) -> bytes:
    """Return qmail's words for a system error."""
    return _BY_NUMBER.get(error.errno or 0, b"unknown error")


def words_of(error: Exception) -> str:
    """Say what went wrong, without the number and the path that Python adds to an OSError."""
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error)


def is_temporary(error: OSError) -> bool:
    """Tell whether an error may go away by itself; qmail then tries again later."""
    return error.errno in _TEMPORARY
