import json
import sys

import pytest

from glassmail.admin import system_users
from glassmail.admin.system_users import SystemUser, UsersError
from tests.sandbox import NEEDS, can_have_private_etc, run_in_private_etc

MAKE = """
import json, sys
from glassmail.admin.system_users import SystemUser, UsersError, make_missing
try:
    ids, made = make_missing({"smtpd": SystemUser(*sys.argv[1:3])}, {"smtpd": "/srv/none"})
    print(json.dumps([ids, made]))
except UsersError as error:
    print(json.dumps(str(error)))
"""


def make(tmp_path, user, group):
    done = run_in_private_etc([sys.executable, "-c", MAKE, user, group], tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not can_have_private_etc(), reason=NEEDS)
def test_a_user_is_made_once(tmp_path):
    ids, made = make(tmp_path, "gm-test", "gm-group")
    assert "user gm-test (group gm-group, home /srv/none)" in made
    assert "group gm-group" in made
    again, nothing = make(tmp_path, "gm-test", "gm-group")
    assert (again, nothing) == (ids, [])
    entry = next(line for line in (tmp_path / "etc" / "passwd").read_text().splitlines()
                 if line.startswith("gm-test:"))  # fmt: skip
    assert entry.endswith(":/srv/none:/usr/sbin/nologin")


@pytest.mark.skipif(not can_have_private_etc(), reason=NEEDS)
def test_what_useradd_refuses_is_told(tmp_path):
    text = make(tmp_path, "not:a:name", "nogroup")
    assert text.startswith("useradd not:a:name: ")


def test_root_is_refused(monkeypatch):
    monkeypatch.setattr(system_users, "_need_group", lambda _group, _made: None)
    with pytest.raises(UsersError, match="smtpd may not run as root"):
        system_users.make_missing({"smtpd": SystemUser("root", "root")}, {})


def test_a_missing_program_is_told(monkeypatch):
    monkeypatch.setattr(system_users, "_need_group", lambda _group, _made: None)

    def missing(*_arguments, **_options):
        raise FileNotFoundError

    monkeypatch.setattr(system_users.subprocess, "run", missing)
    with pytest.raises(UsersError, match="useradd is not installed, so gm-none cannot be made"):
        system_users.make_missing({"smtpd": SystemUser("gm-none", "x")}, {})


def test_a_name_that_nobody_has_is_no_new_user():
    system_users.refuse_misspelt({**system_users.SYSTEM_USERS, "log": SystemUser("root", "root")})
    with pytest.raises(UsersError, match="--user smtpd=gm-typo: there is no user gm-typo"):
        system_users.refuse_misspelt({"smtpd": SystemUser("gm-typo", "nofiles")})
