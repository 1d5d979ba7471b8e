import fnmatch
import time

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import control, wildmat
from glassmail.core.formats.patterns import PatternError, compile_list
from glassmail.core.policy.lists import sender_list


def table_of(text):
    return control.parse_list("control/badhelo", text)


def patterns(*lines, is_regex=False):
    text = "\n".join(lines).encode()
    return compile_list(control.parse_list("control/badhelo", text), is_regex=is_regex)


@pytest.mark.parametrize(
    ("lines", "name", "unwanted"),
    [
        (("a.test",), b"a.test", True),
        (("a.test",), b"b.a.test", None),
        (("@a.test",), b"joe@a.test", True),
        (("*.a.test",), b"x.y.a.test", True),
        (("*.a.test",), b"a.test", None),
        (("x?[0-9]z",), b"xq7z", True),
        (("x[^0-9]z",), b"x7z", None),
        ((r"a\*b",), b"a*b", True),
        ((r"a\*b*",), b"a*bc", True),
        (("*@x", "!joe@x*"), b"joe@x", False),
        (("!joe@x*", "*@x"), b"joe@x", True),  # the last that matches decides
        (("/^dsl-[0-9]+/",), b"dsl-7.x", True),
        (("^dsl",), b"xdsl", None),
        (("/DSL/",), b"a-dsl-b", True),
    ],
)
def test_lists(lines, name, unwanted):
    hit = patterns(*lines).find(name)
    assert (hit.is_unwanted if hit else None) is unwanted
    if hit:
        assert hit.entry.source.startswith("control/badhelo:")


def test_qregex_lines_are_all_expressions():
    found = patterns(r".*@spam\.test", "!^good@", is_regex=True)
    assert found.find(b"a@spam.test").is_unwanted
    assert not found.find(b"good@spam.test").is_unwanted
    assert found.find(b"a@spamxtest") is None


@pytest.mark.parametrize("line", ["/(?=a)b/", r"/(a)\1/", "/[/", "/" + "a" * 5_000 + "/"])
def test_what_re2_cannot_express_is_named_with_its_line(line):
    with pytest.raises(PatternError, match=r"^control/badhelo:2 "):
        patterns("ok.test", line)


def test_evil_patterns_cost_little():
    evil = ["/(a+)+$/", "/(a|aa)+b/", "/(.*){1,32}[bc]/", "*a*a*a*a*a*a*a*b"]
    found = patterns(*evil)
    before = time.process_time()
    found.find(b"a" * 900)
    assert time.process_time() - before < 0.5


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildmat_agrees_with_fnmatch(pattern, text):
    ours = re2.search(wildmat.expression(pattern.encode()), text.encode()) is not None
    assert ours is fnmatch.fnmatchcase(text, pattern)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_wildmat_never_fails(pattern, text):
    compile_list(table_of(b"*" + pattern.translate(None, b"\n\0")))
    re2.search(wildmat.expression(pattern), text)


@pytest.mark.parametrize(
    ("line", "sender", "host", "may_relay", "unwanted"),
    [
        ("?a@x.test", b"a@x.test", None, False, False),
        ("a@x.test+", b"a@x.test", None, False, True),
        ("@x.test+", b"a@x.test", None, True, None),
        ("@x.test-", b"a@x.test", None, True, True),
        ("@x.test-", b"a@x.test", b"mx.x.test", True, None),
        ("@x.test=", b"a@x.test", b"mx.x.test", False, None),
        ("@x.test=", b"a@x.test", b"mx.y.test", False, True),
        ("~x.test", b"a@x.test", b"mx.X.test", False, None),
        ("~x.test", b"a@x.test", b"notx.test", False, True),
        ("~x.test", b"a@y.test", b"mx.y.test", False, None),
    ],
)
def test_signs_of_senders(line, sender, host, may_relay, unwanted):
    made = sender_list(control.parse_list("control/badmailfrom", line.encode()))
    hit = made.find(sender, host, may_relay=may_relay)
    assert (hit.is_unwanted if hit else None) is unwanted
