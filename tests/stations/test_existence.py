import os

import pytest

from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.route.rewrite import RoutingTables
from glassmail.stations.existence import Sources, account_exists
from glassmail.stations.resolve import sources_of
from glassmail.store.control import Controls
from tests.admin.site import make


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make(tmp_path_factory.mktemp("existence"))


@pytest.fixture
def ask(place):
    settings = Controls(place.control).snapshot()
    tables = RoutingTables(
        settings.line("envnoathost"),
        settings.table("percenthack"),
        settings.table("locals"),
        settings.table("virtualdomains"),
    )
    sources = Sources(tables, sources_of(place), settings.line("defaultdelivery"))

    def account(recipient):
        found = account_exists(recipient, sources)
        assert {step.question for step in found.steps} <= QUESTIONS.keys()
        assert found.steps[-1].answer == found.answer
        return found

    return account


@pytest.mark.parametrize(
    ("recipient", "answer", "because"),
    [
        (b"tammy@example.test", YES, "vdelivermail: maildir"),
        (b"TAMMY@EXAMPLE.TEST", YES, "vdelivermail: maildir"),
        (b"tammy-news@example.test", YES, "vdelivermail: maildir"),
        (b"sales@example.test", YES, ".qmail-sales:1 forward"),
        (b"postmaster@example2.test", YES, ".qmail-postmaster:1 forward"),
        (b"whoever@example2.test", YES, "vdelivermail: forward"),
        (b"nobody@example.test", NO, "Sorry, no mailbox here by that name. (#5.1.1)"),
        (b"a:b@example.test", NO, "invalid username"),
        (b"postmaster@mx.example.test", YES, ".qmail-postmaster:1 forward"),
        (b"no-such-alias@mx.example.test", NO, "Sorry, no mailbox here by that name. (#5.1.1)"),
        (b"abuse", YES, ".qmail-abuse:1 forward"),
        (b"x@elsewhere.test", YES, "it goes to another server, which judges itself"),
        (b"a\0b@example.test", NO, "a NUL byte, which no name has"),
        (b"@mx.example.test", NO, "Sorry, no mailbox here by that name. (#5.1.1)"),
    ],
)
def test_answers(ask, recipient, answer, because):
    found = ask(recipient)
    assert (found.answer, found.steps[-1].source) == (answer, because)


def test_a_program_is_somebody(ask, place):
    path = os.path.join(place.alias, ".qmail-prog")
    with open(path, "wb") as file:
        file.write(b"|exit 100\n")
    assert ask(b"prog@mx.example.test").steps[-1].source == ".qmail-prog:1 program"
    os.chmod(path, 0o744)
    found = ask(b"prog@mx.example.test")
    assert found.answer == UNKNOWN
    assert found.steps[-1].source.startswith("Uh-oh: .qmail has prog delivery but has x bit set")


def test_comments_alone_take_mail(ask, place):
    with open(os.path.join(place.alias, ".qmail-none"), "wb") as file:
        file.write(b"# thrown away\n")
    assert ask(b"none@mx.example.test").answer == YES


def test_disorder_is_never_no(ask, place):
    with open(os.path.join(place.alias, ".qmail-blank"), "wb") as file:
        file.write(b"\n&x@y.test\n")
    assert ask(b"blank@mx.example.test").answer == UNKNOWN
