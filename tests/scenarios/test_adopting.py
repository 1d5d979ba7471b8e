"""A site that uses the files of another one where they are, served by the real processes."""

import os

from glassmail.settings.place import Place
from tests.scenarios.site import ONE_USER, TAMMY
from tests.scenarios.waiting import until


def test_mail_through_the_files_of_an_old_site(make_site):
    site = make_site(ONE_USER)
    old, new = site.root, site.base / "new"
    before = {name: (old / name).read_bytes() for name in ("users/assign", "control/rcpthosts")}
    words = ["--root", str(new), "--from", str(old), "--one-user"]
    done = site.runner.run(site.runner.glass("init", *words))
    assert done.returncode == 0, done.stderr
    assert f"linked users to {old}/users" in done.stdout.decode()
    site.root, site.place = new, Place(str(new))
    site.start()
    site.send(TAMMY)
    inbox = old / "domains" / "example.test" / "tammy" / "Maildir" / "new"
    until(lambda: len(os.listdir(inbox)) == 1, "the message is in the old mailbox")
    assert {name: (old / name).read_bytes() for name in before} == before
    assert os.listdir(old / "history") == []
    words = ["carl@example.test", "--password", "secret", "--root", str(new)]
    done = site.runner.run(site.runner.glass("user", "add", *words))
    assert done.returncode == 0, done.stderr
    assert b"\ncarl:" in (old / "domains" / "example.test" / "vpasswd").read_bytes()
    site.root, site.place = old, Place(str(old))
