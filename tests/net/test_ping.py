import os

import pytest

from glassmail.net.ping import answers_ping


@pytest.mark.skipif(os.geteuid() != 0, reason="an echo needs root, or a group of the kernel's")
def test_this_host_answers():
    assert answers_ping("127.0.0.1") is True
    assert answers_ping("192.0.2.255", 0.05) in {False, None}


def test_who_may_not_ask_cannot_tell(monkeypatch):
    def refuse(*_arguments):
        raise PermissionError

    monkeypatch.setattr("glassmail.net.ping.socket.socket", refuse)
    assert answers_ping("127.0.0.1") is None
