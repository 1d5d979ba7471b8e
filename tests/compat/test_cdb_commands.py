"""qmail-newu, qmail-newmrh, tcprules, tcprulescheck: files, texts, exit codes."""

import io
import os
import sys

import pytest

from glassmail.core.formats import cdb
from glassmail.faces.compat import qmail_newmrh, qmail_newu, tcprules, tcprulescheck
from tests.shared import SAMPLES


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("users", "control"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GLASSMAIL_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


class Standard:
    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)


@pytest.fixture
def run(monkeypatch, capfdbinary):
    def call(main, *arguments, data=b""):
        monkeypatch.setattr(sys, "stdin", Standard(data))
        code = main(["program", *arguments])
        out = capfdbinary.readouterr()
        return code, out.out, out.err

    return call


@pytest.mark.covers("command/qmail-newu")
@pytest.mark.covers("qmail-newu/exit 0")
def test_newu(root, run):
    (root / "users/assign").write_bytes(b"=joe:joe:1:2:/h:::\n+joe-:joe:1:2:/h:-::\n.\n")
    assert run(qmail_newu.main) == (0, b"", b"")
    found = (root / "users/cdb").read_bytes()
    assert list(cdb.records(found)) == [
        (b"!joe\0", b"joe\0001\0002\0/h\0\0"),
        (b"!joe-", b"joe\0001\0002\0/h\0-\0"),
        (b"", b"-"),
    ]
    assert (root / "users/cdb").stat().st_mode & 0o777 == 0o644
    assert not (root / "users/cdb.tmp").exists()


@pytest.mark.covers("qmail-newu/exit 111", "qmail-newu/bad format in users/assign")
def test_newu_keeps_the_old_file_on_a_fault(root, run):
    (root / "users/cdb").write_bytes(b"old")
    (root / "users/assign").write_bytes(b"=joe\n.\n")
    assert run(qmail_newu.main) == (
        111,
        b"",
        b"qmail-newu: fatal: bad format in users/assign\n",
    )
    assert (root / "users/cdb").read_bytes() == b"old"


@pytest.mark.covers(
    "qmail-newu/unable to chdir",
    "qmail-newu/unable to open users/assign",
    "qmail-newu/unable to open users/cdb.tmp",
    "qmail-newu/unable to move users/cdb.tmp to users/cdb",
)
def test_newu_texts(root, run, monkeypatch):
    assert run(qmail_newu.main)[::2] == (111, b"qmail-newu: fatal: unable to open users/assign\n")
    (root / "users/assign").write_bytes(b".\n")
    (root / "users/cdb.tmp").mkdir()
    assert run(qmail_newu.main)[::2] == (111, b"qmail-newu: fatal: unable to open users/cdb.tmp\n")
    (root / "users/cdb.tmp").rmdir()
    (root / "users/cdb").mkdir()
    assert run(qmail_newu.main)[::2] == (
        111,
        b"qmail-newu: fatal: unable to move users/cdb.tmp to users/cdb\n",
    )
    (root / "users/assign").unlink()
    (root / "users/assign").mkdir()
    assert run(qmail_newu.main)[0] == 111
    monkeypatch.setenv("GLASSMAIL_ROOT", str(root / "nowhere"))
    assert run(qmail_newu.main)[::2] == (111, b"qmail-newu: fatal: unable to chdir\n")


@pytest.mark.covers("command/qmail-newmrh")
@pytest.mark.covers("qmail-newmrh/exit 0")
def test_newmrh(root, run):
    (root / "control/morercpthosts").write_bytes(b"One.Test \t\n# no\n\n.SUB.test\nlast.test")
    assert run(qmail_newmrh.main) == (0, b"", b"")
    found = (root / "control/morercpthosts.cdb").read_bytes()
    assert list(cdb.records(found)) == [
        (b"one.test", b""),
        (b".sub.test", b""),
        (b"last.test", b""),
    ]


@pytest.mark.covers("qmail-newmrh/exit 111")
def test_newmrh_texts(root, run):
    assert run(qmail_newmrh.main)[::2] == (
        111,
        b"qmail-newmrh: fatal: unable to read control/morercpthosts: file does not exist\n",
    )
    (root / "control/morercpthosts").write_bytes(b"a\n")
    (root / "control/morercpthosts.cdb").mkdir()
    text = (
        b"qmail-newmrh: fatal: unable to move control/morercpthosts.tmp to "
        b"control/morercpthosts.cdbis a directory\n"
    )
    assert run(qmail_newmrh.main) == (111, b"", text)


@pytest.mark.covers("command/tcprules", "command/tcprulescheck")
def test_tcprules_and_check_as_in_the_sample(root, run, monkeypatch):
    sample = SAMPLES / "tcprules-samples.txt"
    if not sample.exists():
        pytest.skip("the reference material does not lie beside the checkout")
    head, _, rest = sample.read_bytes().partition(b"rc=0\n")
    rules = head.removeprefix(b"## rules\n")
    assert run(tcprules.main, "r.cdb", "r.tmp", data=rules) == (0, b"", b"")
    *blocks, last = rest.split(b"-- ")[1:]
    tail = last[last.index(b"tcprules: fatal") :]
    for block in [*blocks, last.removesuffix(tail)]:
        asked, _, expected = block.partition(b"\n")
        for pair, name in zip(asked.split(b" "), ("IP", "HOST", "INFO"), strict=True):
            value = pair.partition(b"=")[2].decode()
            if value:
                monkeypatch.setenv(f"TCPREMOTE{name}", value)
            else:
                monkeypatch.delenv(f"TCPREMOTE{name}", raising=False)
        assert run(tcprulescheck.main, "r.cdb") == (0, expected, b"")
    for line in (b"1.2.3.4:permit", b"1.2.3.4:allow,X"):
        text = b"tcprules: fatal: unable to parse this line: " + line + b"\n"
        assert text in tail
        assert run(tcprules.main, "r.cdb", "r.tmp", data=line + b"\n") == (100, b"", text)


def test_tcprules_texts(root, run):
    usage = b"tcprules: usage: tcprules rules.cdb rules.tmp\n"
    assert run(tcprules.main, "r.cdb") == (100, b"", usage)
    assert run(tcprules.main, "r.cdb", "no/r.tmp") == (
        111,
        b"",
        b"tcprules: fatal: unable to create no/r.tmp: file does not exist\n",
    )
    assert run(tcprules.main, "no/r.cdb", "r.tmp") == (
        111,
        b"",
        b"tcprules: fatal: unable to move r.tmp to no/r.cdb: file does not exist\n",
    )


def test_tcprulescheck_texts(root, run, monkeypatch):
    for name in ("IP", "HOST", "INFO"):
        monkeypatch.delenv(f"TCPREMOTE{name}", raising=False)
    usage = b"tcprulescheck: usage: tcprulescheck rules.cdb\n"
    assert run(tcprulescheck.main) == (100, b"", usage)
    fatal = b"tcprulescheck: fatal: unable to read r.cdb: "
    assert run(tcprulescheck.main, "r.cdb") == (111, b"", fatal + b"file does not exist\n")
    (root / "r.cdb").write_bytes(b"")
    assert run(tcprulescheck.main, "r.cdb") == (111, b"", fatal + b"invalid argument\n")
    (root / "r.cdb").write_bytes(b"junk")
    assert run(tcprulescheck.main, "r.cdb") == (111, b"", fatal + b"protocol error\n")
    (root / "r.cdb").write_bytes(cdb.render([]))
    assert run(tcprulescheck.main, "r.cdb") == (0, b"default:\nallow connection\n", b"")


def test_tcprulescheck_shows_networks(root, run, monkeypatch):
    run(tcprules.main, "r.cdb", "r.tmp", data=b"10.0.0.0/8:deny\nfe80::/10:allow\n")
    monkeypatch.setenv("TCPREMOTEIP", "10.1.1.1")
    assert run(tcprulescheck.main, "r.cdb")[1] == b"rule 10.0.0.0/8:\ndeny connection\n"
    monkeypatch.setenv("TCPREMOTEIP", "fe80::1")
    assert run(tcprulescheck.main, "r.cdb")[1] == b"rule fe80::/10:\nallow connection\n"
