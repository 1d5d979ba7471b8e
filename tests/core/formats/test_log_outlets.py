import pytest

from glassmail.core.formats.control import parse_list, parse_map
from glassmail.core.formats.log_outlets import (
    JOURNAL_SOCKET,
    Outlet,
    OutletError,
    parse_outlets,
    parse_processors,
)


def outlets(data):
    return parse_outlets(parse_list("control/logto", data))


def test_without_the_file_lines_go_to_files():
    assert outlets(None) == outlets(b"") == outlets(b"# none\n") == (Outlet("files"),)


def test_all_places():
    assert outlets(b"files\nsyslog\nsyslog 16 /run/two\njournal\njournal /j\n") == (
        Outlet("files"),
        Outlet("syslog", b"/dev/log", 2),
        Outlet("syslog", b"/run/two", 16),
        Outlet("journal", JOURNAL_SOCKET),
        Outlet("journal", b"/j"),
    )


@pytest.mark.parametrize(
    "line", [b"file", b"files /x", b"syslog 24", b"syslog mail", b"journal 2", b"syslog /a /b"]
)
def test_what_cannot_be_obeyed_is_named(line):
    with pytest.raises(OutletError, match="control/logto:1"):
        outlets(line)


def test_processors():
    table = parse_map("control/logprocessor", b"send: gzip -9\nrecords:./count a:b\nsmtpd:\n")
    found = parse_processors(table, ("send", "smtpd", "records"))
    assert found == {"send": b"gzip -9", "records": b"./count a:b"}


@pytest.mark.parametrize("line", [b"gzip", b"mail:gzip"])
def test_a_processor_for_no_log_is_named(line):
    with pytest.raises(OutletError, match="control/logprocessor:1"):
        parse_processors(parse_map("control/logprocessor", line), ("send",))
