import os

import pytest

from glassmail.core.formats import cdb, tcp_rules
from glassmail.stations import client_rules
from glassmail.stations.client_rules import ClientRules
from glassmail.store.control import ControlError


class Site:
    def __init__(self, tmp_path):
        self.path = tmp_path / "tcp.smtp"
        self.now = 0.0
        self.stamp = 1_000_000_000
        self.problems = []

    def write(self, text, name="tcp.smtp"):
        path = self.path.with_name(name)
        path.write_bytes(text)
        self.stamp += 10
        os.utime(path, (self.stamp, self.stamp))

    def build(self, text):
        self.write(cdb.render(tcp_rules.records(text, "x")), "tcp.smtp.cdb")

    def rules(self):
        rules = ClientRules(str(self.path), lambda: self.now)
        rules.tell_problems(self.problems.append)
        return rules


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_no_file_lets_everybody_in(site):
    match = site.rules().match(b"192.0.2.1", None, None)
    assert match.allow
    assert match.environment == ()
    assert match.source == "control/tcp.smtp (no such file) (no rule for it)"


def test_changes_are_seen_after_a_second(site):
    site.write(b"192.0.2.:deny\n")
    rules = site.rules()
    assert not rules.match(b"192.0.2.1", None, None).allow
    site.write(b'192.0.2.:allow,RELAYCLIENT=""\n')
    assert not rules.match(b"192.0.2.1", None, None).allow
    site.now = 1.0
    match = rules.match(b"192.0.2.1", None, None)
    assert (match.allow, match.environment) == (True, ((b"RELAYCLIENT", b""),))
    assert match.source == 'control/tcp.smtp:1 192.0.2.:allow,RELAYCLIENT=""'
    site.path.unlink()
    site.now = 2.0
    assert rules.match(b"192.0.2.1", None, None).environment == ()


def test_whoever_counts_hears_of_changed_rules(site):
    site.write(b":allow\n")
    rules = site.rules()
    seen = []
    rules.on_change = lambda: seen.append(rules.counts_connections)
    site.write(b':allow,MAXCONNIP="2"\n')
    site.now = 1.0
    rules.match(b"192.0.2.1", None, None)
    site.now = 2.0
    rules.match(b"192.0.2.1", None, None)
    assert seen == [True]


def test_a_broken_file_keeps_the_last_good_rules(site):
    site.write(b":deny\n")
    rules = site.rules()
    site.write(b":maybe\n")
    for site.now in (1.0, 2.0, 3.0):
        assert not rules.match(b"192.0.2.1", None, None).allow
    assert len(site.problems) == 1
    assert site.problems[0].startswith("control/tcp.smtp:1: unable to parse this line: :maybe")
    site.write(b":allow\n")
    rules.refresh()
    assert rules.match(b"192.0.2.1", None, None).allow


def test_a_broken_file_at_the_start_is_an_error(site):
    site.write(b":maybe\n")
    with pytest.raises(ControlError, match=r"control/tcp\.smtp:1: unable to parse"):
        site.rules()
    site.path.unlink()
    site.write(b"no cdb", "tcp.smtp.cdb")
    with pytest.raises(ControlError, match="build it anew with tcprules"):
        site.rules()


def test_a_newer_cdb_wins(site):
    site.write(b":deny\n")
    site.build(b":allow\n")
    rules = site.rules()
    match = rules.match(b"192.0.2.1", None, None)
    assert match.allow
    assert match.source.startswith("control/tcp.smtp.cdb")
    site.write(b":deny\n")
    site.now = 1.0
    assert not rules.match(b"192.0.2.1", None, None).allow


def test_matches_are_remembered_and_bounded(site, monkeypatch):
    monkeypatch.setattr(client_rules, "CACHED_MATCHES_MAX", 10)
    rules = site.rules()
    first = rules.match(b"192.0.2.1", None, None)
    assert rules.match(b"192.0.2.1", None, None) is first
    for number in range(100):
        rules.match(b"192.0.2.%d" % number, None, None)
    assert len(rules._matches) <= 10
