import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from glassmail.core.model.limits import RECIPIENTS_MAX
from glassmail.settings.control_files import SETTINGS
from glassmail.settings.registry import Kind
from tests.faces.compat.command import arguments, environment, make_site, run
from tests.faces.compat.fake_queue import FakeQueue
from tests.shared import SAMPLES

pytestmark = pytest.mark.covers("command/qmail-inject")

CASES = Path(__file__).resolve().parents[2] / "data" / "compat" / "inject.txt"


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def cases():
    for block in re.split(r"(?m)^(?=\[)", CASES.read_text())[1:]:
        head, text = block.split("\n", 1)
        given, expected = text.split("===\n")
        yield head[1:-1].split(), given, expected.rstrip("\n") + "\n"


def blind(output):
    """Replace what differs from run to run."""
    output = re.sub(r"bob-\d+\.\d+-", "bob-SECONDS.PID-", output)
    output = re.sub(r"<\d{14}\.\d+\.qmail@", "<STAMP.PID.qmail@", output)
    return re.sub(r"(?m)^((?:Resent-)?Date): .* -0000$", r"\1: TIME -0000", output)


@pytest.mark.parametrize(("words", "given", "expected"), list(cases()))
def test_answers_of_qmail(root, words, given, expected):
    more = dict(w.replace("_", " ").split("=") for w in words if "=" in w)
    options = [w for w in words if "=" not in w]
    done = run("qmail_inject", root, "-n", *options, message=given.encode(), **more)
    assert (done.returncode, done.stderr) == (0, b"")
    assert blind(done.stdout.decode()) == expected


def test_own_sample_holds_what_was_seen():
    if not SAMPLES.is_dir():
        pytest.skip("the reference samples are not beside this checkout")
    seen = blind((SAMPLES / "probe-inject.txt").read_text())
    for _words, _given, expected in cases():
        assert expected in seen


@pytest.mark.parametrize(
    ("words", "given", "exit_code", "text"),
    [
        (["-Z"], b"", 100, b"qmail-inject: illegal option -- Z\n"),
        (["-f"], b"", 100, b"qmail-inject: option requires an argument -- f\n"),
        (["-n"], b"From: (unclosed\n", 100,
         b"qmail-inject: fatal: unable to parse this line:\nFrom: (unclosed\n"),
        (["-n"], b"Reply-To: a:b\n", 100,
         b"qmail-inject: fatal: unable to parse this line:\nReply-To: a:b\n"),
        (["-n", "-f", "a@)"], b"", 100,
         b"qmail-inject: fatal: unable to parse this line:\na@)"),
        (["-n", "a@["], b"", 100, b"qmail-inject: fatal: unable to parse address: a@[\n"),
    ],
)  # fmt: skip
@pytest.mark.covers("qmail-inject/exit 100")
def test_what_it_refuses(root, words, given, exit_code, text):
    done = run("qmail_inject", root, *words, message=given)
    assert (done.returncode, done.stderr, done.stdout) == (exit_code, text, b"")


def queued(root, *words, message=b"To: a, b\nCc: c@d.test\nBcc: e\n\nx\n", module="qmail_inject",
           **more):  # fmt: skip
    with FakeQueue(root) as queue:
        done = run(module, root, *words, message=message, **more)
    assert (done.returncode, done.stderr) == (0, b"")
    ((enqueue, body),) = queue.taken
    return enqueue.sender, list(enqueue.recipients), body


HEADER = [b"b@oracle.example.test", b"a@oracle.example.test", b"c@d.test", b"e@oracle.example.test"]
ARGUMENT = [b"arg@oracle.example.test"]


@pytest.mark.parametrize(
    ("words", "recipients"),
    [
        ([], HEADER),
        (["arg"], ARGUMENT),
        (["-A", "arg"], ARGUMENT),
        (["-a", "arg"], ARGUMENT),
        (["-a"], []),
        (["-h", "arg"], HEADER),
        (["-H", "arg"], ARGUMENT + HEADER),
        (["-H"], HEADER),
        (["-aA"], HEADER),
        (["-nN", "arg"], ARGUMENT),
        (["--", "arg"], ARGUMENT),
    ],
)
def test_whom_it_sends_to(root, words, recipients):
    sender, found, body = queued(root, *words)
    assert sender == b"bob@oracle.example.test"
    assert found == recipients
    assert b"Bcc" not in body


def test_resent_recipients_replace_the_others(root):
    message = b"To: a\nResent-Bcc: x@y.test\nResent-To: z@y.test\n\n"
    _sender, recipients, body = queued(root, message=message)
    assert recipients == [b"x@y.test", b"z@y.test"]
    assert b"Resent-Bcc" not in body


def test_recipients_before_the_fault_are_kept(root):
    _sender, recipients, body = queued(root, message=b"To: @route:x@y.z\n\n")
    assert recipients == [b"x@y.z"]
    assert b"\nTo: @route:x@y.z\n" in body


@pytest.mark.parametrize(
    ("more", "message", "sender", "from_line"),
    [
        ({}, b"", b"bob@oracle.example.test", b"From: bob@oracle.example.test"),
        ({"QMAILUSER": "q", "MAILUSER": "m", "QMAILHOST": "h"}, b"", b"q@h.example.test",
         b"From: q@h.example.test"),
        ({"MAILUSER": "m", "MAILHOST": "h.x"}, b"", b"m@h.x", b"From: m@h.x"),
        ({"QMAILSUSER": "s", "QMAILSHOST": "sh"}, b"", b"s@sh.example.test",
         b"From: bob@oracle.example.test"),
        ({"NAME": "N", "MAILNAME": "M", "QMAILNAME": 'Q, "x"'}, b"", b"bob@oracle.example.test",
         b'From: "Q, \\"x\\"" <bob@oracle.example.test>'),
        ({"USER": "a b"}, b"", b"a b@oracle.example.test", b'From: "a b"@oracle.example.test'),
        ({"USER": ""}, b"", b"@oracle.example.test", b'From: ""@oracle.example.test'),
        ({"QMAILINJECT": "f"}, b"From: x@y\n", b"bob@oracle.example.test",
         b"From: bob@oracle.example.test"),
        ({"QMAILINJECT": "s"}, b"Return-Path: <x@y>\n", b"bob@oracle.example.test",
         b"From: bob@oracle.example.test"),
        ({}, b"Return-Path: <>\n", b"", b"From: bob@oracle.example.test"),
        ({}, b"Return-Path: <#@[]>\n", b"#@[]", b"From: bob@oracle.example.test"),
        ({"QMAILINJECT": "r"}, b"Return-Path: <x@y.z>\n", b"x@y.z-@[]",
         b"From: bob@oracle.example.test"),
        ({"QMAILDEFAULTHOST": "dh", "QMAILDEFAULTDOMAIN": "dd"}, b"", b"bob@dh.dd",
         b"From: bob@dh.dd"),
    ],
)  # fmt: skip
def test_who_sends(root, more, message, sender, from_line):
    found, _recipients, body = queued(root, "r@x.test", message=message + b"\n", **more)
    assert found == sender
    assert from_line + b"\n" in body


def test_without_any_user_it_is_anonymous(root):
    done = subprocess.run(
        arguments("qmail_inject", "-n"), input=b"\n", capture_output=True, timeout=30, check=True,
        env={k: v for k, v in environment(root).items() if k != "USER"},
    )  # fmt: skip
    assert done.stdout.startswith(b"Return-Path: <anonymous@oracle.example.test>\n")


def test_message_id_is_kept_or_deleted(root):
    message = b"Message-ID: <own@x>\n\n"
    assert b"Message-ID: <own@x>\n" in queued(root, "r", message=message)[2]
    body = queued_again(root, message, QMAILINJECT="i", QMAILIDHOST="id.test")
    assert b"own@x" not in body
    assert b".qmail@id.test>\n" in body


def queued_again(root, message, **more):
    (root / "run/queue.sock").unlink()
    return queued(root, "r", message=message, **more)[2]


@pytest.mark.covers("qmail-inject/$QMAILMFTFILE")
def test_mail_followup_to(root, tmp_path):
    (tmp_path / "lists").write_text("# mine\nlist@X.test  \n\n")
    message = b"To: a@b.test, LIST@x.test\nCc: c@d.test\n\n"
    body = queued(root, message=message, QMAILMFTFILE="lists")[2]
    assert b"Mail-Followup-To: c@d.test,\n  a@b.test,\n  LIST@x.test\nTo: a@b.test" in body
    body = queued_again(root, b"Mail-Followup-To: own\n" + message, QMAILMFTFILE="lists")
    assert b"Mail-Followup-To: own\n" in body
    assert body.count(b"ollowup") == 1


def test_last_line_gets_its_newline_and_an_empty_message_its_header(root):
    assert queued(root, "r", message=b"Subject: x\n\nno end")[2].endswith(b"\n\nno end\n")
    assert queued_again(root, b"Subject: x").endswith(b"\nSubject: x\n")
    assert queued_again(root, b"").endswith(b"recipient list not shown: ;\n")


def test_large_message(root):
    body = b"0123456789abcde\n" * 100_000
    taken = queued(root, message=b"To: a\n\n" + body)[2]
    assert taken.endswith(b"\nTo: a@oracle.example.test\n\n" + body)


def test_refusals_of_the_queue(root):
    with FakeQueue(root, answer=("D", 31, b"not you (#5.7.1)")):
        done = run("qmail_inject", root, "r", message=b"\n")
    assert (done.returncode, done.stderr) == (100, b"qmail-inject: fatal: not you (#5.7.1)\n")
    (root / "run/queue.sock").unlink()
    with FakeQueue(root, answer=("Z", 53, b"")):
        done = run("qmail_inject", root, "r", message=b"\n")
    text = b"qmail-inject: fatal: qq write error or disk full (#4.3.0)\n"
    assert (done.returncode, done.stderr) == (111, text)


def test_too_long_addresses_and_too_many(root):
    done = run("qmail_inject", root, "a" * 1003 + "@b.test", message=b"\n")
    text = b"qmail-inject: fatal: envelope address too long for qq (#5.1.3)\n"
    assert (done.returncode, done.stderr) == (100, text)
    done = run("qmail_inject", root, message=b"To: " + b"a," * (RECIPIENTS_MAX + 1) + b"\n\n")
    assert done.returncode == 100
    assert done.stderr.startswith(b"qmail-inject: fatal: more than ")
    done = run("qmail_inject", root, message=b"To: a\0b@c.test\n\n")
    assert done.returncode == 100
    assert not list((root / "queue/drop").iterdir())


@pytest.mark.covers("qmail-inject/exit 111")
def test_missing_home_and_unreadable_control(root):
    (root / "control/idhost").mkdir()
    done = run("qmail_inject", root, message=b"\n")
    assert (done.returncode, done.stderr) == (111, b"qmail-inject: fatal: read error\n")
    done = run("qmail_inject", root / "nowhere", message=b"\n")
    assert (done.returncode, done.stderr) == (111, b"qmail-inject: fatal: internal bug\n")


@pytest.mark.covers(
    "control/defaultdomain", "control/defaulthost", "control/idhost", "control/plusdomain",
)  # fmt: skip
def test_defaults_are_those_of_the_registry(root):
    (root / "control/me").unlink()
    for name in ("defaultdomain", "defaulthost", "plusdomain", "idhost"):
        setting = SETTINGS[name]
        assert (setting.kind, setting.from_me, setting.default) == (Kind.LINE, True, name.encode())
    done = run("qmail_inject", root, "-n", message=b"\n")
    assert b"From: bob@defaulthost.example.test\n" in done.stdout
    assert b".qmail@idhost>\n" in done.stdout


def program(root, text):
    path = root / "filter"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"QMAILQUEUE": "./filter"}  # relative to ROOT, as in qmail


@pytest.mark.parametrize(
    ("text", "exit_code", "error"),
    [
        ("cat >message; cat <&1 >envelope", 0, b""),
        ("exit 0", 0, b""),
        ("exec 0<&-; exit 31", 100, b"mail server permanently rejected message (#5.3.0)"),
        ("cat >message; exit 71", 111, b"mail server temporarily rejected message (#4.3.0)"),
        ("echo Dmine >&6; exit 82", 100, b"mine\n"),
        ("exit 17", 100, b"qq permanent problem (#5.3.0)"),
        ("exit 99", 111, b"qq temporary problem (#4.3.0)"),
        ("kill -9 $$", 111, b"qq crashed (#4.3.0)"),
    ],
)
@pytest.mark.covers("qmail-inject/$QMAILQUEUE")
def test_another_program_in_the_queues_place(root, text, exit_code, error):
    done = run("qmail_inject", root, message=b"To: a@b.c\n\nx\n", **program(root, text))
    if text != "exit 0":  # that one may end before it is written to: then 54 is right as well
        assert done.returncode == exit_code
        assert done.stderr == (b"qmail-inject: fatal: %b\n" % error if error else b"")
    if "envelope" in text:
        assert (root / "envelope").read_bytes() == b"Fbob@oracle.example.test\0Ta@b.c\0\0"
        assert (root / "message").read_bytes().endswith(b"\nTo: a@b.c\n\nx\n")


def test_a_program_that_is_not_there(root):
    done = run("qmail_inject", root, message=b"\n", QMAILQUEUE="/nowhere/qq")
    text = b"qmail-inject: fatal: unable to exec qq (#4.3.0)\n"
    assert (done.returncode, done.stderr) == (111, text)


def test_a_reader_that_goes_away_is_trouble(root):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        arguments("qmail_inject", "-n"), input=b"\nx\n", stdout=writing, stderr=subprocess.PIPE,
        env=environment(root), timeout=30, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (111, b"qmail-inject: fatal: write error\n")
