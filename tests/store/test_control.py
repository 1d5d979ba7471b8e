"""Control files: what keeps a process from starting is told while it runs, and changes nothing."""

import pytest

from glassmail.core.protocol.replies import EHLO_WORDS
from glassmail.core.protocol.sasl import MECHANISMS
from glassmail.settings.control_files import SETTINGS
from glassmail.store.control import ControlError, Controls, take_snapshot

WRONG = [
    ("smtpauth", "vpopmail\nvpopmial\n", "control/smtpauth:2 vpopmial"),
    ("ehlo", "PIPELINING, SIZE\n", "control/ehlo:1: PIPELINING,"),
    ("authmechanisms", "plain ntlm\n", "control/authmechanisms:1: NTLM"),
    ("remotehost", "off\n", "control/remotehost:1: off"),
    ("smtpdlog", "on\n", "control/smtpdlog:1: on"),
    ("relayreply", "foo\n", "control/relayreply:1: foo"),
    ("replyprofile", "postfix\n", "control/replyprofile:1: postfix"),
]


@pytest.mark.parametrize(("name", "text", "where"), WRONG)
def test_a_word_that_means_nothing(tmp_path, name, text, where):
    (tmp_path / name).write_text(text)
    known = ", ".join(word.decode() for word in SETTINGS[name].words)
    said = f"{where}: no such word: write one of {known}, or remove the file"
    with pytest.raises(ControlError) as refused:
        take_snapshot(str(tmp_path))
    assert str(refused.value) == said


@pytest.mark.parametrize(("name", "text", "where"), WRONG)
def test_it_keeps_the_last_good_value_while_running(tmp_path, name, text, where):
    told = []
    controls = Controls(str(tmp_path), told.append)
    before = controls.snapshot()
    (tmp_path / name).write_text(text)
    assert not controls.refresh()
    assert controls.snapshot() is before
    assert [problem.partition(": no such word")[0] for problem in told] == [where]


def test_the_words_are_those_of_the_protocol():
    assert SETTINGS["ehlo"].words == EHLO_WORDS
    assert SETTINGS["authmechanisms"].words == MECHANISMS


def test_every_default_is_a_word():
    for setting in SETTINGS.values():
        if setting.words and isinstance(setting.default, bytes):
            values = setting.default.split() if setting.is_many else [setting.default]
            assert set(values) <= set(setting.words)
