"""qmail-local against a slow one that walks byte by byte, as its C does.

Random homes: which files there are, of what kind and mode, with which content; random extensions.
"""

import os
import shutil
import stat
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassmail.core.formats import dot_qmail
from glassmail.core.model.outcome import Outcome
from glassmail.core.route.delivery_environment import delivery_environment
from glassmail.core.route.users import User
from glassmail.stations.resolve import find_dot_qmail

PIECES = [b"a", b"B", b".", b"-", b"default", b"Default"]
EXT = st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join)
DASH = st.sampled_from([b"-", b"", b"-x-"])
CONTENT = st.sampled_from([b"./m/\n", b"", b"\n./m/\n", b" \t\n./m/", b"&a@b\n|true\n", b"#\n"])
MODE = st.sampled_from([0o600, 0o644, 0o664, 0o666, 0o700, 0o602])
KIND = st.sampled_from(["file", "file", "file", "directory", "fifo", "dangling"])
HOME_MODE = st.sampled_from([0o755, 0o755, 0o755, 0o775, 0o757, 0o1755, 0o1757])
DEFAULT = b"./Maildir/\n"


def names_of(dash, ext):
    """Every name that could matter, so that random choices of them often do."""
    safe = bytearray(ext.lower())
    for place, byte in enumerate(safe):
        if byte == ord("."):
            safe[place] = ord(":")
    safe = bytes(safe)
    cuts = [place for place in range(len(safe) + 1) if not place or safe[place - 1 : place] == b"-"]
    base = b".qmail" + dash
    return [base + safe] + [base + safe[:place] + b"default" for place in cuts]


def walk(home, dash, ext, files, home_mode):
    """qmail-local.c main() and qmesearch(): (exit code, text) or (name, DEFAULT, x bit)."""
    if home_mode & 0o002:
        return 111, b"Uh-oh: home directory is writable. (#4.7.0)\n"
    if home_mode & 0o1000:
        return 111, b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"
    safe = b"".join(
        b":" if ext[i : i + 1] == b"." else ext[i : i + 1].lower() for i in range(len(ext))
    )
    found = None
    base = b".qmail" + dash
    if is_regular(files, base + safe):
        tail = len(safe) - 7
        default = ext[tail:] if tail >= 0 and safe[tail:] == b"default" else None
        found = base + safe, default
    else:
        i = len(safe)
        while i >= 0:
            if i == 0 or safe[i - 1 : i] == b"-":
                name = base + safe[:i] + b"default"
                if is_regular(files, name):
                    found = name, ext[i:]
                    break
            i -= 1
    if found is None:
        if dash:
            return 100, b"Sorry, no mailbox here by that name. (#5.1.1)\n"
        return b"control/defaultdelivery", None, False
    name, default = found
    _kind, mode, content = files[name]
    if mode & 0o002:
        return 111, b"Uh-oh: .qmail file is writable. (#4.7.0)\n"
    if not content:
        return b"control/defaultdelivery", default, False
    if not content.split(b"\n")[0].strip(b" \t"):
        return 111, b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"
    return name, default, bool(mode & stat.S_IXUSR)


def is_regular(files, name):
    return name in files and files[name][0] == "file"


def furnish(home, files):
    for name, (kind, mode, content) in files.items():
        path = home + b"/" + name
        if kind == "directory":
            os.mkdir(path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "dangling":
            os.symlink(b"nowhere", path)
        else:
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, mode)


@settings(max_examples=300, deadline=None)
@given(DASH, EXT, st.data(), HOME_MODE)
@pytest.mark.covers(
    "local/file_writable",
    "local/first_line_blank",
    "local/home_sticky",
    "local/home_writable",
    "local/no_mailbox",
)
def test_search(dash, ext, data, home_mode):
    names = sorted(set(names_of(dash, ext)))
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    files = {name: data.draw(st.tuples(KIND, MODE, CONTENT)) for name in chosen}
    home = os.fsencode(tempfile.mkdtemp())
    try:
        furnish(home, files)
        os.chmod(home, home_mode)
        user = User(b"joe", os.getuid(), os.getgid(), home, dash, ext)
        found = find_dot_qmail(user, False, DEFAULT)
    finally:
        shutil.rmtree(home)
    expected = walk(home, dash, ext, files, home_mode)
    if found.report is not None:
        codes = {Outcome.DEFERRAL: 111, Outcome.FAILURE: 100}
        assert (codes[found.report.outcome], found.report.text) == expected
    else:
        assert (found.name, found.default, found.is_executable) == expected


# --- the lines ----------------------------------------------------------------------------------

LINE_PIECES = [b"|", b"&", b".", b"/", b"#", b"+", b"+list", b" ", b"\t", b"a@b", b"\n", b"\n"]


def walk_lines(cmds):
    """The loop over `cmds` in qmail-local.c: what -n prints, before and below +list."""
    if not cmds.endswith(b"\n"):
        cmds += b"\n"
    said = []
    i = 0
    forward_only = False
    for j in range(len(cmds)):
        if cmds[j : j + 1] != b"\n":
            continue
        k = j
        while k > i and cmds[k - 1 : k] in (b" ", b"\t"):
            k -= 1
        line = cmds[i:k]
        first = line[:1]
        if not first:
            if i == 0:
                return None
        elif first == b"|":
            said.append((b"program " + line[1:], forward_only))
        elif first in (b".", b"/"):
            kind = b"maildir " if line[-1:] == b"/" else b"mbox "
            said.append((kind + line, forward_only))
        elif first == b"+":
            forward_only = forward_only or line[1:] == b"list"
        elif first != b"#":
            said.append((b"forward " + (line[1:] if first == b"&" else line), forward_only))
        i = j + 1
    return said


@given(st.lists(st.sampled_from(LINE_PIECES), min_size=1, max_size=14).map(b"".join))
def test_lines(data):
    parsed = dot_qmail.parse(data)
    expected = walk_lines(data)
    assert parsed.first_line_is_blank == (expected is None)
    if expected is not None:
        assert [
            (one.kind.value.encode() + b" " + one.argument, one.list_only)
            for one in parsed.instructions
        ] == expected


# --- the environment ----------------------------------------------------------------------------

TEXT = st.lists(st.sampled_from([b"a", b"-", b".", b"B", b" ", b"\n"]), max_size=8).map(b"".join)


def after_dash(text):
    place = 0
    while place < len(text) and text[place : place + 1] != b"-":
        place += 1
    return text[place + 1 :] if place < len(text) else b""


def before_dot(text):
    place = len(text) - 1
    while place >= 0 and text[place : place + 1] != b".":
        place -= 1
    return text[:place] if place >= 0 else text


@given(TEXT, TEXT, TEXT, TEXT, st.none() | TEXT)
def test_environment(local, host, ext, sender, default):
    user = User(b"joe", 1, 1, b"/home/joe", b"-", ext)
    made = delivery_environment(user, local, host, sender, sender, default, b"DATE")
    e2, h2 = after_dash(ext), before_dot(host)
    e3, h3 = after_dash(e2), before_dot(h2)
    e4, h4 = after_dash(e3), before_dot(h3)
    assert [made[b"EXT" + n] for n in (b"", b"2", b"3", b"4")] == [ext, e2, e3, e4]
    assert [made[b"HOST" + n] for n in (b"", b"2", b"3", b"4")] == [host, h2, h3, h4]
    assert (b"DEFAULT" in made) == (default is not None)
    address = b"".join(b"_" if b == 10 else bytes([b]) for b in local + b"@" + host)
    assert made[b"DTLINE"] == b"Delivered-To: " + address + b"\n"
    from_ = b"".join(b"-" if b in b" \t\n" else bytes([b]) for b in sender) or b"MAILER-DAEMON"
    assert made[b"UFLINE"] == b"From " + from_ + b" DATE\n"
    assert made[b"RPLINE"].count(b"\n") == 1
    assert made[b"RECIPIENT"] == local + b"@" + host
