import os
import socket
import threading

import pytest

from glassmail.events.syslog_lines import CHUNK
from glassmail.faces.compat import splogger
from glassmail.faces.compat.splogger import Logger

AT = 1_795_187_823_123_456_789


def split(data, cut, tag=b"qmail", facility=2):
    sent = []
    logger = Logger(tag, facility, sent.append, lambda: AT)
    for at in range(0, len(data), cut):
        logger.feed(data[at : at + cut])
    logger.end()
    return [datagram.partition(b"1795187823.123456")[2] for datagram in sent]


@pytest.mark.parametrize("cut", [1, 3, 1_000_000])
def test_lines_however_they_come(cut):
    long = b"y" * (CHUNK + 1)
    assert split(b"one\n\n" + long + b"\nlast", cut) == [
        b" one", b" " + long[:CHUNK], b"+y", b" last",
    ]  # fmt: skip


def test_a_line_without_end_is_not_kept_for_ever():
    assert len(split(b"z" * 1_000_000, 65_536)) >= 1_000_000 // CHUNK


@pytest.mark.covers("command/splogger")
@pytest.mark.parametrize(
    ("words", "head"),
    [([], b"<22>"), (["qmail"], b"<22>"), (["qmail", "16"], b"<134>"), (["qmail", "x"], b"<6>")],
)
def test_the_command(tmp_path, monkeypatch, words, head):
    path = tmp_path / "log"
    monkeypatch.setattr(splogger, "SYSLOG_SOCKET", os.fsencode(path))
    reader, writer = os.pipe()
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            thread = threading.Thread(target=splogger.main, args=(words,))
            thread.start()
            os.write(writer, b"new msg 7\n")
            receiver.settimeout(10)
            said = receiver.recv(2_000)
            os.close(writer)
            thread.join()
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reader)
    assert said.startswith(head)
    tag = (words or ["splogger"])[0].encode()
    assert b" %b: " % tag in said
    assert said.endswith(b" new msg 7")
