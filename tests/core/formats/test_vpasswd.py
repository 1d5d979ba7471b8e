import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Account, Flag, RecordError

# Two lines as vpopmail 5.6 writes them (reference/samples/vpopmail-commands.txt), hashes shortened.
ANN = b"ann:$6$xeIJ3x05$/KF9gQ:1:0:Ann Quota:/home/vpopmail/domains/example.com/ann:20000S:annpw"
PM = b"postmaster:$6$tShuBrPP$qAWY:1:0:Postmaster:/home/vpopmail/domains/example.com/pm:NOQUOTA"

FIELD = st.binary(max_size=12).map(
    lambda b: b.replace(b":", b"").replace(b"\n", b"").replace(b"\0", b"")
)
ACCOUNTS = st.builds(
    Account,
    name=FIELD.filter(bool),
    crypted=FIELD,
    uid_field=FIELD,
    flags=st.integers(0, 2**31),
    gecos=FIELD,
    directory=FIELD,
    quota=FIELD,
    clear=FIELD,
)


def test_reads_vpopmails_lines():
    table = vpasswd.parse(ANN + b"\n" + PM + b"\n")
    ann = table.accounts[b"ann"]
    assert ann.gecos == b"Ann Quota"
    assert ann.directory == b"/home/vpopmail/domains/example.com/ann"
    assert (ann.quota, ann.clear, ann.flags) == (b"20000S", b"annpw", 0)
    assert table.accounts[b"postmaster"].clear == b""
    assert vpasswd.render(table.accounts.values()) == ANN + b"\n" + PM + b"\n"


def test_a_broken_line_spoils_no_other():
    data = ANN + b"\nbob:only:three\ncarl:x:1:many:c:/d:NOQUOTA\n\n" + PM + b"\n"
    table = vpasswd.parse(data, "example.com/vpasswd")
    assert set(table.accounts) == {b"ann", b"postmaster"}
    assert table.broken[b"bob"].startswith("example.com/vpasswd:2: 3 fields, there must be 7 or 8")
    assert table.broken[b"carl"].startswith("example.com/vpasswd:3: the fourth field, the flags")
    assert set(table.broken) == {b"bob", b"carl"}


def test_the_first_of_two_lines_counts():
    table = vpasswd.parse(b"a:1:1:0:g:/one:NOQUOTA\na:1:1:0:g:/two:NOQUOTA\n")
    assert table.accounts[b"a"].directory == b"/one"


@pytest.mark.parametrize("flags", [b"", b"+1", b"1_0", "\u0661".encode(), b" 1", b"9" * 11])
def test_flags_are_plain_digits(flags):
    with pytest.raises(RecordError):
        vpasswd.parse_record(b"a", b"c:1:" + flags + b":g:/d:NOQUOTA")


def test_a_clear_password_may_hold_colons():
    account = vpasswd.parse_record(b"a", b"c:1:0:g:/d:NOQUOTA:a:b")
    assert account.clear == b"a:b"


def test_flag_bits():
    assert Flag.BOUNCE_MAIL == 0x10
    assert Flag.NO_MAILDROP == 0x40000


@given(st.lists(ACCOUNTS, unique_by=lambda account: account.name))
def test_what_is_rendered_is_read_again(accounts):
    table = vpasswd.parse(vpasswd.render(accounts))
    assert sorted(table.accounts.values()) == sorted(accounts)
    assert not table.broken


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data):
    table = vpasswd.parse(data)
    assert all(isinstance(text, str) for text in table.broken.values())
