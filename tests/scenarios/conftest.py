import os

import pytest

from tests.scenarios.namespace import why_not
from tests.scenarios.peer import Peer
from tests.scenarios.program import forget_copy
from tests.scenarios.site import ONE_USER, USERS, Site


@pytest.fixture(scope="session", autouse=True)
def _no_copy_stays():
    yield
    forget_copy()


def need_users():
    """Skip without root; fail as root when this machine cannot do it."""
    if os.geteuid() != 0:
        pytest.skip("a server with a user for each daemon needs root")
    reason = why_not()
    assert not reason, reason


@pytest.fixture
def make_site():
    """Make sites that end with the test."""
    made = []

    def make(*arguments, **options):
        if arguments and arguments[0] == USERS:
            need_users()
        site = Site(*arguments, **options)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture(scope="module")
def site():
    """A running site of one user for the tests of a module."""
    made = Site(ONE_USER)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def peer():
    """Another mail server."""
    made = Peer().open_in_thread()
    yield made
    made.shut()
