"""The commands of vpopmail 5.6 as recorded on a real machine, given to this server's."""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.faces.compat.vpopmail_site import call, listing, make_home
from tests.shared import SAMPLES

SAMPLE = SAMPLES / "vpopmail-commands.txt"
COMMANDS = {
    "vadddomain", "vadduser", "vaddaliasdomain", "vuserinfo", "vdominfo", "valias", "vmoduser",
    "vsetuserquota", "vmoddomlimits", "vpasswd", "vdeluser",
}  # fmt: skip
# Sorting the lines of others is vpopmail's; here they keep their order, and nothing is told.
_NOTICE = re.compile(r"NOTICE: Out of order entries found in .*\n   Sorting...\n\n")
_HASH = re.compile(r"\$6\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{86}")
_DATE = re.compile(r"(account created: ).*")


def steps():
    """Each command of the sample with what it printed."""
    for block in SAMPLE.read_text().split("++++ ")[1:]:
        line, _newline, output = block.partition("\n")
        words = shlex.split(line)
        if words and (words[0] in COMMANDS or words[0] == "cat"):
            yield words, re.sub(r"(?m)^-- -.\n", "", output)


def expected(text):
    return _DATE.sub(r"\1DATE", _HASH.sub("HASH", _NOTICE.sub("", text)))


def actual(text, place, home):
    text = text.replace(f"{os.getuid()}:{os.getgid()}", "989:993")
    text = text.replace(str(home), "/home/vpopmail")
    return _DATE.sub(r"\1DATE", _HASH.sub("HASH", text))


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"needs {SAMPLE.name}")
def test_the_recorded_session(tmp_path, monkeypatch, capfdbinary):
    place, home = make_home(tmp_path)
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root)
    wrong, count = [], 0
    for words, output in steps():
        if words[0] == "cat":
            told = "".join(read(place, home, path) for path in words[1:])
        else:
            call(*words)
            told = capfdbinary.readouterr().out.decode()
        count += 1
        want = expected(output)
        told = owner_numbers(words, actual(told, place, home))
        if told != want and not is_our_way(words, told):
            wrong.append((words, want, told))
    assert wrong == []
    assert count > 50
    names = listing(home / "domains" / "example.com")
    wanted = {
        ".dir-control", ".qmail-default", ".qmail-prog", ".qmail-sales", ".qmailadmin-limits",
        ".vpasswd.lock", "ann", "bob", "postmaster", "vpasswd", "vpasswd.cdb",
    }  # fmt: skip
    assert set(names) == wanted
    assert {names[name] for name in ("ann", "bob", "postmaster")} == {"drwx------"}
    assert Path(home / "domains/example.com/.dir-control").stat().st_size == 34


def owner_numbers(words, text):
    """What `-u` and `-g` of vdominfo print is the owner here."""
    if words[0] == "vdominfo":
        text = re.sub(rf"(?m)^gid:    {os.getgid()}$", "gid:    993", text)
        text = re.sub(r"(?m)^uid:    \d+$", "uid:    989", text)
        if words[1:2] == ["-u"]:
            text = re.sub(r"\A\d+", "989", text)
        if words[1:2] == ["-g"]:
            text = re.sub(r"\A\d+", "993", text)
    return text


def is_our_way(words, told):
    """`bad..user` is refused here, and the cdb is made anew after `vmoduser -n`, too."""
    if words[:2] == ["vadduser", "Bad..User@example.com"]:
        return told == "Error: Illegal username\n"
    return words == ["vuserinfo", "bob@example.com"] and "pop access closed" in told


def read(place, home, path):
    path = path.replace("/var/qmail", place.root).replace("/home/vpopmail", str(home))
    return Path(path).read_text()
