"""What programs see: the environment of a real delivery, and the sender of forwards."""

import pytest

from glassmail.core.route.delivery_environment import (
    delivered_to_line,
    delivery_environment,
    from_line,
    new_sender,
    return_path_line,
)
from glassmail.core.route.users import User
from tests.shared import SAMPLES

PROBE = b"""\
DEFAULT=Foo.Bar
DTLINE=Delivered-To: virt.test-prog-Foo.Bar@virt.test
EXT2=Foo.Bar
EXT3=
EXT4=
EXT=prog-Foo.Bar
HOME=/home/vpopmail/domains/virt.test
HOST2=virt
HOST3=virt
HOST4=virt
HOST=virt.test
LOCAL=virt.test-prog-Foo.Bar
NEWSENDER=quser@oracle.example.test
RECIPIENT=virt.test-prog-Foo.Bar@virt.test
RPLINE=Return-Path: <quser@oracle.example.test>
SENDER=quser@oracle.example.test
UFLINE=From quser@oracle.example.test Fri Nov 20 15:04:01 2026
USER=virt.test
"""


def made(default=b"Foo.Bar", ext=b"prog-Foo.Bar", domain=b"virt.test"):
    user = User(b"virt.test", 89, 89, b"/home/vpopmail/domains/virt.test", b"-", ext)
    sender = b"quser@oracle.example.test"
    return delivery_environment(
        user, b"virt.test-" + ext, domain, sender, sender, default, b"Fri Nov 20 15:04:01 2026"
    )


def printed(environment):
    # `env | sort` of the probe; the final newlines of the three lines print as empty lines.
    lines = [name + b"=" + value.rstrip(b"\n") for name, value in environment.items()]
    return sorted(lines)


def test_probe():
    assert printed(made()) == sorted(PROBE.splitlines())


def test_probe_is_the_sample():
    sample = SAMPLES / "program-env.txt"
    if not sample.exists():
        pytest.skip("the reference material does not lie beside the checkout")
    lines = [line for line in sample.read_bytes().splitlines() if line]
    extra = [line for line in lines if line.startswith((b"PATH=", b"PWD="))]
    assert sorted(set(lines) - set(extra)) == sorted(PROBE.splitlines())


def test_default_is_left_unset():
    assert b"DEFAULT" not in made(default=None)
    assert made(default=b"")[b"DEFAULT"] == b""


@pytest.mark.covers("dot-qmail rule/HOST2", "dot-qmail rule/EXT2")
def test_ext_and_host_shrink():
    got = made(ext=b"a-b-c-d-e", domain=b"w.x.y.z")
    assert [got[b"EXT" + n] for n in (b"", b"2", b"3", b"4")] == [
        b"a-b-c-d-e",
        b"b-c-d-e",
        b"c-d-e",
        b"d-e",
    ]
    assert [got[b"HOST" + n] for n in (b"", b"2", b"3", b"4")] == [
        b"w.x.y.z",
        b"w.x.y",
        b"w.x",
        b"w",
    ]


def test_lines():
    assert delivered_to_line(b"a\nb", b"c\nd") == b"Delivered-To: a_b@c_d\n"
    assert return_path_line(b"a b@c") == b'Return-Path: <"a b"@c>\n'
    assert return_path_line(b"") == b"Return-Path: <>\n"
    assert return_path_line(b"a\nb@c") == b'Return-Path: <"a\\_b"@c>\n'
    assert from_line(b"a b\tc\nd@e", b"D") == b"From a-b-c-d@e D\n"
    assert from_line(b"", b"D\n") == b"From MAILER-DAEMON D\n"


@pytest.mark.parametrize(
    ("sender", "owner", "owner_default", "expected"),
    [
        (b"s@t", False, False, b"s@t"),
        (b"s@t", False, True, b"s@t"),
        (b"s@t", True, False, b"list-owner@d.test"),
        (b"s@t", True, True, b"list-owner-@d.test-@[]"),
        (b"", True, True, b""),
        (b"#@[]", True, True, b"#@[]"),
    ],
)
def test_new_sender(sender, owner, owner_default, expected):
    assert new_sender(sender, b"list", b"d.test", owner, owner_default) == expected
