import os

from glassmail.stations.domain_flags import NOTHING, effective_flags, switched_off


def test_the_domains_own_limits_then_the_default(tmp_path):
    directory = tmp_path / "domains" / "example.test"
    directory.mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    path = os.fsencode(directory)
    assert switched_off(path) == NOTHING
    (tmp_path / "etc" / "vlimits.default").write_text("disable_imap\n")
    assert switched_off(path).flags == 8
    (directory / ".qmailadmin-limits").write_text("maxpopaccounts: 3\ndisable_pop\n")
    found = effective_flags(0x800, path)
    assert found.flags == 0x802
    assert found.source.endswith("/.qmailadmin-limits")
    assert effective_flags(0x2, path) == (0x2, "")
    assert effective_flags(0x2000, path) == (0x2000, "")  # not subject to domain limits
    (directory / ".qmailadmin-limits").write_text("maxpopaccounts: many\ndisable_pop\n")
    assert switched_off(path) == NOTHING
