import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.route import mailbox
from glassmail.core.route.mailbox import CatchAll


@pytest.mark.parametrize("name", [b"bob", b"bob.b", b"a-b", b"bad..user", b"x+y", b"o'neil", b""])
def test_names_vpopmail_allows(name):
    assert mailbox.is_valid_name(name)


@pytest.mark.parametrize("name", [b"a b", b"a:b", b"a%b", b"a\0", b"a@b", b'a"', b"\xe4", b"a\n"])
def test_names_vpopmail_refuses(name):
    assert not mailbox.is_valid_name(name)


def test_domains():
    assert mailbox.is_valid_domain(b"example-1.test")
    assert not mailbox.is_valid_domain(b"exa_mple.test")
    assert not mailbox.is_valid_domain(b"../x")


def test_only_the_first_break_cuts():
    assert mailbox.split_extension(b"bob-news-2026") == (b"bob", b"news-2026")
    assert mailbox.split_extension(b"bob") is None
    assert mailbox.split_extension(b"bob+x", b"+") == (b"bob", b"x")
    assert mailbox.split_extension(b"bob-x", b"") is None


def test_dot_qmail_files_in_order():
    assert mailbox.dot_qmail_names(b"") == (b".qmail",)
    assert mailbox.dot_qmail_names(b"a.b-c") == (
        b".qmail-a:b-c",
        b".qmail-a:b-default",
        b".qmail-default",
        b".qmail",
    )


@given(st.binary(max_size=40))
def test_no_extension_leaves_the_directory(extension):
    for name in mailbox.dot_qmail_names(extension):
        assert name.startswith(b".qmail")
        assert b"/" not in name
        assert b".." not in name


def test_catch_all_kinds():
    assert mailbox.catch_all(b"delete") is CatchAll.DELETE
    assert mailbox.catch_all(b"bounce-no-mailbox") is CatchAll.BOUNCE
    assert mailbox.catch_all(b"/home/x") is CatchAll.DIRECTORY
    assert mailbox.catch_all(b"a@b.test") is CatchAll.ADDRESS


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (b" /home/vpopmail/bin/vdelivermail '' delete", (b"", b"delete")),
        (b'~vpopmail/bin/vdelivermail "" bounce-no-mailbox ', (b"", b"bounce-no-mailbox")),
        (b"vdelivermail '' 'a b@c.test'", (b"", b"a b@c.test")),
        (b"vdelivermail ''", (b"",)),
        (b"vdelivermail", ()),
        (b"/bin/cat", None),
        (b"preline vdelivermail '' delete", None),
        (b"vdelivermail '' delete; rm x", None),
        (b"vdelivermail '' $X", None),
        (b"vdelivermail '' \"$X\"", None),
        (b"vdelivermail '' 'x", None),
        (b"vdelivermail '' 'a''b'", None),
        (b"vdelivermail '' a\0b", None),
        (b"", None),
    ],
)
def test_plain_calls_are_recognised(command, arguments):
    assert mailbox.call_arguments(command) == arguments


@given(st.binary(max_size=60))
def test_any_command_line_can_be_read(command):
    arguments = mailbox.call_arguments(b"vdelivermail " + command)
    assert arguments is None or all(isinstance(word, bytes) for word in arguments)
