from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model import code as codes
from glassmail.explain.hops import delays, read_header
from glassmail.explain.hops_text import VOUCHED, hop_lines, hop_rows

TRACE = codes.render(12345678901).decode()
S = 1_000_000_000
HEADER = f"""Return-Path: <a@src.test>
Delivered-To: joe@here.test
Received: (qmail 17 invoked from network); 20 Nov 2026 12:05:03 -0000
Received: from mx.src.test (HELO mail) (info@192.0.2.7)
  by mx.here.test with ESMTPS (trace {TRACE}/1); 20 Nov 2026 12:05:02 -0000
Received: from pc.src.test (pc.src.test [198.51.100.9])
\tby mx.src.test (Postfix) with ESMTPSA id 4XyZ12abc
\tfor <joe@here.test>; Fri, 20 Nov 2026 13:00:02 +0100 (CET)
Received: by pc.src.test; Fri, 20 Nov 2026 11:59:58 +0000
Message-ID: <1.2@src.test>
Subject: x
"""


def test_hops_are_told_bottom_up():
    header = read_header(HEADER)
    assert [hop.by for hop in header.hops] == ["pc.src.test", "mx.src.test", "mx.here.test", ""]
    assert delays(header) == [None, 4 * S, 300 * S, S]
    postfix, ours = header.hops[1:3]
    assert (postfix.id, postfix.ip, postfix.protocol) == ("4XyZ12abc", "198.51.100.9", "ESMTPSA")
    assert (ours.code, ours.part, ours.ip) == (12345678901, 1, "192.0.2.7")
    assert (header.message_id, header.sender) == ("1.2@src.test", "a@src.test")
    assert header.delivered_to == ("joe@here.test",)


def test_the_first_line_that_this_server_vouches_for():
    assert read_header(HEADER).vouched == 2
    assert [row["is_vouched"] for row in hop_rows(read_header(HEADER))] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_forged_line_of_ours_below_another_servers_is_not_vouched_for():
    forged = HEADER.replace("by pc.src.test;", f"by mx.here.test (trace {TRACE});")
    assert read_header(forged).vouched == 2
    elsewhere = "Received: by mx.there.test; 20 Nov 2026 12:06:00 -0000\n" + HEADER
    assert read_header(elsewhere).vouched == -1
    assert read_header(elsewhere).own.code == 12345678901


def test_names_of_ours_count_without_trace_codes():
    plain = HEADER.replace(f" (trace {TRACE}/1)", "")
    assert read_header(plain).vouched == -1
    assert read_header(plain, ["MX.here.test"]).vouched == 2


def test_a_message_of_a_command_is_ours_in_our_own_file():
    text = "Received: (qmail 5 invoked by uid 7); 20 Nov 2026 12:00:00 -0000\nTo: x\n"
    assert read_header(text).vouched == -1
    assert read_header(text, is_own_file=True).vouched == 0


def test_the_table_is_80_columns_wide():
    lines = [text for text, _look in hop_lines(read_header(HEADER), 80)]
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["hop", "when", "(UTC)", "delay", "from", "by", "with"]
    assert VOUCHED in lines[3]
    assert lines[4].split()[:5] == ["3", "2026-11-20", "12:05:02", "5", "min"]


def test_clocks_that_go_backwards_are_named():
    wrong = HEADER.replace("12:05:02", "11:05:02")
    assert any("clock" in text for text, _look in hop_lines(read_header(wrong), 80))


def test_quoted_and_mbox_headers():
    quoted = "".join(f"> {line}\n" for line in HEADER.splitlines())
    assert len(read_header(quoted).hops) == 4
    assert len(read_header("From a@src.test Fri Nov 20 12:00:00 2026\n" + HEADER).hops) == 4


def test_no_header():
    assert read_header("hello\nReceived: x") is None
    assert read_header("Subject: x\n") is None
    assert list(hop_lines(read_header("Message-ID: <1@x>\n"), 80)) == []


@given(st.text(max_size=400))
def test_any_text(text):
    header = read_header("Received: " + text)
    assert header is None or bool(list(hop_lines(header, 80))) == bool(header.hops)
