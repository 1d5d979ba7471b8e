"""What vdelivermail decides for one recipient of a virtual domain, without doing it.

Purpose:
    The local worker acts on this decision, the keeper answers "does this mailbox exist?" from it,
    and `glass trace` prints its steps: there is one implementation for the three.

Reads:
    vpasswd.cdb or vpasswd, the mailbox's dot-qmail files and .no-user.msg, with the rights of the
    process that asks. Writes nothing: a missing directory is made by the delivery.

Always:
    - What cannot be read is DEFER with the reason, never a bounce: vdelivermail itself would
      take an unreadable vpasswd for "no such user" and an unreadable .qmail for none.
    - A mailbox whose real name holds the break character is found before anything is cut off.
    - A comparison with the message's own Delivered-To lines is the worker's (`mail is looping`).

Refuses:
    mbox lines and quotas are judged by the worker, which has the message.
"""

import errno
import os
import stat
from enum import Enum
from typing import NamedTuple

from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.core.model.limits import DOT_QMAIL_BYTES_MAX
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route import mailbox
from glassmail.core.route.mailbox import CatchAll
from glassmail.store.accounts import Found, Mailboxes

NO_USER_TEXT = b"Sorry, no mailbox here by that name. (#5.1.1)\n"
NO_USER_FILE = b".no-user.msg"
_MESSAGE_FILE_BYTES_MAX = 8_192

_MAILBOXES = Mailboxes()  # of this process; the files are looked at anew in every question


class VKind(Enum):
    """What is to be done."""

    MAILDIR = "maildir"  # put the message into the Maildir `target`
    FORWARD = "forward"  # send it on to the address `target`
    DELETE = "delete"  # success, silently
    BOUNCE = "bounce"  # `report` says why (D)
    DEFER = "defer"  # `report` says why (Z)
    INSTRUCTIONS = "instructions"  # run the dot-qmail file `target`, already read: `data`


class VDelivery(NamedTuple):
    """The decision for one recipient.

    Attributes:
        kind: what is to be done.
        target: MAILDIR: the Maildir's path, ending in `/`; FORWARD: an address;
            INSTRUCTIONS: the path of the file. Relative lines of it are below `directory`.
        report: text and outcome of BOUNCE and DEFER; for a catch-all directory a K report whose
            text is printed before the delivery; else None.
        steps: the questions asked on the way.
        delivered_to: what the Delivered-To line says, `user@domain` without the prepend; empty
            for FORWARD, whose line is the recipient without the prepend.
        directory: the mailbox's directory, made (0700, with Maildir) by the delivery when missing.
        data: the content of the dot-qmail file of INSTRUCTIONS.
        quota: the mailbox's quota as written in vpasswd, empty for none.
        flags: the mailbox's flags; 0 where no mailbox decides.
    """

    kind: VKind
    target: bytes
    report: Report | None
    steps: Trail
    delivered_to: bytes = b""
    directory: bytes = b""
    data: bytes = b""
    quota: bytes = b""
    flags: int = 0


class _DotQmail(NamedTuple):
    """A mailbox's dot-qmail file: found (data is not None), none, or unreadable (problem)."""

    path: bytes
    data: bytes | None
    problem: str
    step: Step


def vdelivermail(
    user_home: bytes,
    ext: bytes,
    host: bytes,
    argument: bytes,
    break_character: bytes = mailbox.BREAK,
) -> VDelivery:
    """Decide what `vdelivermail '' ARGUMENT` does for EXT at HOST, reading with our own rights.

    Args:
        user_home: HOME, the virtual domain's directory.
        ext: EXT, the local part without prepend.
        host: HOST, the domain of the recipient.
        argument: what to do with mail for nobody.
        break_character: what parts mailbox and extension.
    """
    local, domain = ext.lower(), host.lower()
    if not mailbox.is_valid_name(local):
        return _refuse_name(local, b"invalid username\n")
    if not mailbox.is_valid_domain(domain):
        return _refuse_name(domain, b"invalid domain name\n")
    extension = b""
    found = _MAILBOXES.find(user_home, local)
    steps: Trail = (Step("account.exists", local + b"@" + domain, found.answer, found.source),)
    if found.answer == NO:
        cut = mailbox.split_extension(local, break_character)
        if cut is not None:
            found = _MAILBOXES.find(user_home, cut.name)
            subject = cut.name + b"@" + domain
            step = Step("account.without_extension", subject, found.answer, found.source)
            steps, extension = (*steps, step), cut.extension
    if found.answer == UNKNOWN:
        return _cannot_tell(found, domain, steps)
    if found.account is None:
        return _for_nobody(user_home, local, domain, argument, steps)
    return _for_account(found.account, user_home, domain, extension, steps)


def find_mailbox(user_home: bytes, name: bytes) -> Found:
    """Look for a mailbox by its lower-case name in the domain whose directory this is."""
    return _MAILBOXES.find(user_home, name)


def vdelivermail_line(
    command: bytes,
    user_home: bytes,
    ext: bytes,
    host: bytes,
    break_character: bytes = mailbox.BREAK,
) -> VDelivery | None:
    """Decide for a program line of a dot-qmail file; None when it does not call vdelivermail."""
    arguments = mailbox.call_arguments(command)
    if arguments is None:
        return None
    if len(arguments) != 2:
        text = b"vdelivermail: invalid syntax in .qmail-default file\n"
        step = Step("account.catch_all", command, UNKNOWN, "two arguments are needed")
        return VDelivery(VKind.DEFER, b"", Report(Outcome.DEFERRAL, text), (step,))
    return vdelivermail(user_home, ext, host, arguments[1], break_character)


def _refuse_name(name: bytes, text: bytes) -> VDelivery:
    step = Step("account.name", name, NO, "vpopmail's letters for names")
    return VDelivery(VKind.BOUNCE, b"", Report(Outcome.FAILURE, text), (step,))


def _cannot_tell(found: Found, domain: bytes, steps: Trail) -> VDelivery:
    step = Step("account.domain", domain, UNKNOWN, found.source)
    text = b"Unable to read the mailboxes of " + domain + b". (#4.3.0)\n"
    return VDelivery(VKind.DEFER, b"", Report(Outcome.DEFERRAL, text), (*steps, step))


def _for_account(
    account: Account, user_home: bytes, domain: bytes, extension: bytes, steps: Trail
) -> VDelivery:
    # The real domain's name, for an alias domain's mail too (sample vpopmail-delivered.txt): the
    # last part of the directory's path, also when vpopmail spreads domains over 0/, 1/, ...
    real_domain = os.path.basename(user_home.rstrip(b"/")).lower()
    if b"." not in real_domain or not mailbox.is_valid_domain(real_domain):
        real_domain = domain
    address = account.name + b"@" + real_domain
    if account.flags & Flag.BOUNCE_MAIL:
        text = b"vdelivermail: account is locked email bounced " + address + b"\n"
        step = Step("account.takes_mail", address, NO, "flag 0x10 in vpasswd")
        return VDelivery(VKind.BOUNCE, b"", Report(Outcome.FAILURE, text), (*steps, step))
    directory = account.directory.rstrip(b"/") or os.path.join(user_home, account.name)
    dot_qmail = _find_dot_qmail(directory, extension)
    steps = (*steps, dot_qmail.step)
    if dot_qmail.problem:
        return _unreadable(dot_qmail, steps)
    if dot_qmail.data:
        return VDelivery(
            VKind.INSTRUCTIONS,
            dot_qmail.path,
            None,
            steps,
            address,
            directory,
            dot_qmail.data,
            account.quota,
            account.flags,
        )
    maildir = directory + b"/Maildir/"
    return VDelivery(
        VKind.MAILDIR,
        maildir,
        None,
        steps,
        address,
        directory,
        b"",
        account.quota,
        account.flags,
    )


def _for_nobody(
    user_home: bytes, local: bytes, domain: bytes, argument: bytes, steps: Trail
) -> VDelivery:
    kind = mailbox.catch_all(argument)
    source = "the last word of vdelivermail" if argument else "vdelivermail's last word is empty"
    steps = (*steps, Step("account.catch_all", argument, kind.value, source))
    if kind is CatchAll.DELETE:
        return VDelivery(VKind.DELETE, b"", None, steps)
    if kind is CatchAll.BOUNCE:
        return VDelivery(VKind.BOUNCE, b"", Report(Outcome.FAILURE, _no_user(user_home)), steps)
    if kind is CatchAll.ADDRESS:
        if not argument:
            text = b"vdelivermail: no address in .qmail-default file\n"
            return VDelivery(VKind.DEFER, b"", Report(Outcome.DEFERRAL, text), steps)
        return VDelivery(VKind.FORWARD, argument.removeprefix(b"&"), None, steps)
    directory = argument.rstrip(b"/")
    text = b"user does not exist, but will deliver to " + directory + b"/\n"
    report = Report(Outcome.SUCCESS, text)
    address = local + b"@" + domain
    dot_qmail = _find_dot_qmail(directory, b"")
    steps = (*steps, dot_qmail.step)
    if dot_qmail.problem:
        return _unreadable(dot_qmail, steps)
    if dot_qmail.data:
        return VDelivery(
            VKind.INSTRUCTIONS, dot_qmail.path, report, steps, address, directory, dot_qmail.data
        )
    return VDelivery(
        VKind.MAILDIR, directory + b"/Maildir/", report, steps, address, directory
    )


def _unreadable(dot_qmail: _DotQmail, steps: Trail) -> VDelivery:
    reason = dot_qmail.problem.encode()
    text = b"Unable to open " + dot_qmail.path + b": " + reason + b". (#4.3.0)\n"
    return VDelivery(VKind.DEFER, b"", Report(Outcome.DEFERRAL, text), steps)


def _find_dot_qmail(directory: bytes, extension: bytes) -> _DotQmail:
    """Look for the mailbox's instructions; a file without lines counts as none."""
    names = mailbox.dot_qmail_names(extension)
    path = b""
    for name in names:
        path = directory + b"/" + name
        try:
            data = _read(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            reason = words_of(error).lower()
            source = f"{os.fsdecode(path)}: {reason}"
            step = Step("account.dot_qmail", path, UNKNOWN, source)
            return _DotQmail(path, None, reason, step)
        if data:
            step = Step("account.dot_qmail", path, YES, os.fsdecode(path))
            return _DotQmail(path, data, "", step)
        # vdelivermail takes the first file it can open; an empty one means the Maildir.
        step = Step("account.dot_qmail", path, NO, f"{os.fsdecode(path)} (empty)")
        return _DotQmail(path, b"", "", step)
    return _DotQmail(path, None, "", Step("account.dot_qmail", path, NO, "no such file"))


def _read(path: bytes) -> bytes:
    # O_NONBLOCK: a named pipe of that name must not stop a daemon.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):  # a directory, pipe or device holds no instructions
            raise FileNotFoundError(errno.ENOENT, "not a regular file")
        if status.st_size > DOT_QMAIL_BYTES_MAX:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return os.read(number, DOT_QMAIL_BYTES_MAX)
    finally:
        os.close(number)


def _no_user(user_home: bytes) -> bytes:
    """Return the text of .no-user.msg: the domain's, else that of the directory above it."""
    for directory in (user_home, os.path.dirname(user_home.rstrip(b"/"))):
        try:
            with open(os.path.join(directory, NO_USER_FILE), "rb") as file:
                text = file.read(_MESSAGE_FILE_BYTES_MAX)
        except OSError:
            continue  # an unreadable text is no reason to keep a message from bouncing
        if text:
            return text
    return NO_USER_TEXT
