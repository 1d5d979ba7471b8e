"""`glass queue` on the files of a stopped site."""

import json

import pytest
from click.testing import CliRunner

from glassmail.core.model.envelope import Envelope
from glassmail.faces.cli.init import init
from glassmail.faces.cli.queue import queue
from glassmail.settings.place import Place
from glassmail.store.drop import DropWriter


@pytest.fixture
def run(tmp_path):
    root = str(tmp_path / "site")
    made = CliRunner().invoke(init, ["--root", root, "--one-user", "--host", "mx.example.test"])
    assert made.exit_code == 0, made.output
    return lambda verb, *words: CliRunner().invoke(queue, [verb, "--root", root, *words])


@pytest.mark.covers("glass/queue check")
def test_mail_that_waits_for_a_server_is_told(run, tmp_path):
    assert run("check").output == "the queue is whole: 0 messages\n"
    for _ in range(2):
        writer = DropWriter(Place(str(tmp_path / "site")).queue_drop)
        writer.write(b"Subject: x\n\n")
        writer.commit(Envelope(b"a@src.test", (b"tammy@example.test",)))
    done = run("check")
    assert done.exit_code == 0
    assert done.output == (
        "the queue is whole: 0 messages, and 2 handed in, waiting for a server\n"
    )
    assert json.loads(run("check", "--json").output)["handed_in"] == 2


@pytest.mark.parametrize("verb", ["hold", "release", "retry", "bounce", "drop"])
def test_a_message_is_named_as_the_list_shows_it(run, verb):
    done = run(verb, "#26")
    assert done.exit_code == 3  # while none runs, only looking is possible
    assert "is it running? (glass status)" in done.stderr
    for wrong in ("26x", "#", "-1", "9" * 19):
        assert run(verb, "--", wrong).exit_code == 2
