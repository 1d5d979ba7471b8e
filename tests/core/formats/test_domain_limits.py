import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import dir_control, domain_limits
from glassmail.core.formats.domain_limits import Limits, LimitsError
from glassmail.core.formats.vpasswd import Flag

WRITTEN = (  # vpopmail-commands.txt, .qmailadmin-limits
    b"maxpopaccounts: 11\nmaxaliases: -1\nmaxforwards: -1\nmaxautoresponders: -1\n"
    b"maxmailinglists: -1\nquota: 0\nmaxmsgcount: 0\ndefault_quota: 10485760\n"
    b"default_maxmsgcount: 0\nperm_account: 0\nperm_alias: 0\nperm_forward: 0\n"
    b"perm_autoresponder: 0\nperm_maillist: 0\nperm_quota: 0\nperm_defaultquota: 0\n"
)
SERVICES = list(domain_limits.SERVICES.values())


def test_as_vpopmail_writes_it():
    limits = domain_limits.parse(WRITTEN)
    assert limits == Limits(maxpopaccounts=11, default_quota=10_485_760)
    assert domain_limits.render(limits) == WRITTEN


def test_other_ways_to_write_it():
    text = b"# ours\n\nmaxpopaccounts 3\nmaxforwards:\t4\r\ndisable_pop\nwhatever: x\nmaxaliases\n"
    limits = domain_limits.parse(text)
    assert limits == Limits(maxpopaccounts=3, maxforwards=4, disabled=Flag.NO_POP)
    assert domain_limits.parse(b"") == Limits()


def test_what_is_no_number_is_told_with_its_line():
    with pytest.raises(LimitsError, match=r"file:2: many is no number"):
        domain_limits.parse(b"quota: 1\nmaxaliases: many\n", "file")


number = st.integers(-1, 10**12)
rights = st.integers(0, 7)


@given(
    st.builds(
        Limits, maxpopaccounts=number, maxaliases=number, maxforwards=number, quota=number,
        default_quota=number, perm_account=rights, perm_maillist=rights, perm_quota=rights,
        perm_maillist_users=rights, perm_maillist_moderators=rights,
        disabled=st.lists(st.sampled_from(SERVICES)).map(
            lambda flags: domain_limits.flags_of(sum({int(f) for f in flags}))
        ),
    )
)  # fmt: skip
def test_what_is_written_is_read_again(limits):
    assert domain_limits.parse(domain_limits.render(limits)) == limits


@given(st.binary(max_size=200))
def test_any_bytes(data):
    try:
        domain_limits.parse(data)
    except LimitsError as error:
        assert "is no number" in str(error)  # noqa: PT017 (most inputs do not raise)


def test_the_count_of_a_domains_mailboxes():
    fresh = b"3\n0 3\n0 0 0\n61 61 61\n0 2 4\n0 0 0\n\n"
    assert dir_control.with_count(b"", 3) == fresh
    assert len(fresh) == 34  # as vpopmail's own (vpopmail-commands.txt)
    assert dir_control.with_count(b"7\n1 3\n5 0 0\n", 8) == b"8\n1 3\n5 0 0\n"
