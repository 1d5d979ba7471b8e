"""`glass queue check` with a user for each daemon: owners and modes are as `init` makes them."""

import os

import pytest

from tests.scenarios.conftest import need_users
from tests.scenarios.site import TAMMY, USERS, Site


@pytest.fixture
def site():
    need_users()
    made = Site(USERS)
    yield made
    made.close()


def test_a_new_site_is_whole(site):
    site.start()
    site.send(TAMMY, b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 20_000)
    site.arrived(TAMMY)
    site.stop()
    assert site.glass("queue", "check") == "the queue is whole: 0 messages\n"


def test_repair_gives_files_back(site):
    site.start()
    site.send(TAMMY)
    site.arrived(TAMMY)
    site.stop()
    database = site.root / "queue" / "queue.db"
    owner = database.stat().st_uid
    database.write_bytes(b"no database any more" * 1_000)
    os.chown(database, 0, 0)
    os.chown(site.root / "queue" / "drop", 0, 0)
    said = site.glass("queue", "check", code=1)
    assert f"instead of {owner}" in said
    site.glass("queue", "check", "--repair", "--yes", code=1)  # what was set aside stays a finding
    assert database.stat().st_uid == owner
    site.start()
    site.send(TAMMY)
    site.arrived(TAMMY, 2)
