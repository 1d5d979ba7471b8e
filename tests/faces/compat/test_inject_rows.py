"""Each option, letter and variable of qmail-inject and sendmail by itself, set and not set."""

import subprocess

import pytest

from tests.covers import row
from tests.faces.compat.command import arguments, environment, make_site, run
from tests.faces.compat.fake_queue import FakeQueue

MESSAGE = (
    b"To: to@x.test\nFrom: own@x.test\nReturn-Path: <back@x.test>\nMessage-ID: <own@id>\n\nx\n"
)
BARE = b"To: to@x.test\n\nx\n"


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def shown(root, message, words=(), **more):
    done = run("qmail_inject", root, "-n", *words, message=message, **more)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.parametrize(
    ("message", "more", "there", "not_there"),
    [
        row(
            "qmail-inject/$QMAILUSER",
            BARE,
            {"QMAILUSER": "q"},
            b"From: q@oracle",
            b"From: bob@oracle",
        ),
        row(
            "qmail-inject/$MAILUSER",
            BARE,
            {"MAILUSER": "m"},
            b"From: m@oracle",
            b"From: bob@oracle",
        ),
        row("qmail-inject/$USER", BARE, {"USER": "u"}, b"From: u@oracle", b"From: bob@oracle"),
        row(
            "qmail-inject/$QMAILHOST",
            BARE,
            {"QMAILHOST": "q.test"},
            b"bob@q.test>\n",
            b"bob@oracle",
        ),
        row(
            "qmail-inject/$MAILHOST", BARE, {"MAILHOST": "m.test"}, b"bob@m.test>\n", b"bob@oracle"
        ),
        row(
            "qmail-inject/$QMAILSUSER",
            BARE,
            {"QMAILSUSER": "s"},
            b"Return-Path: <s@oracle",
            b"<bob@",
        ),
        row(
            "qmail-inject/$QMAILSHOST",
            BARE,
            {"QMAILSHOST": "s.test"},
            b"Return-Path: <bob@s.test>",
            b"Return-Path: <bob@oracle",
        ),
        row(
            "qmail-inject/$QMAILNAME",
            BARE,
            {"QMAILNAME": "Q N", "NAME": "x"},
            b'From: "Q N" <bob@',
            b"x>",
        ),
        row(
            "qmail-inject/$MAILNAME",
            BARE,
            {"MAILNAME": "M N", "NAME": "x"},
            b'From: "M N" <bob@',
            b"x>",
        ),
        row("qmail-inject/$NAME", BARE, {"NAME": "N N"}, b'From: "N N" <bob@', b"From: bob@"),
        row(
            "qmail-inject/$QMAILINJECT",
            MESSAGE,
            {"QMAILINJECT": "fi"},
            b"From: bob@",
            b"own@x.test",
        ),
        row(
            "qmail-inject/$QMAILDEFAULTHOST",
            b"To: a\n\n",
            {"QMAILDEFAULTHOST": "h.test"},
            b"To: a@h.test",
            b"To: a@oracle",
        ),
        row(
            "qmail-inject/$QMAILDEFAULTDOMAIN",
            b"To: a@b\n\n",
            {"QMAILDEFAULTDOMAIN": "d.test"},
            b"To: a@b.d.test",
            b"To: a@b.example.test",
        ),
        row(
            "qmail-inject/$QMAILPLUSDOMAIN",
            b"To: a@b+\n\n",
            {"QMAILPLUSDOMAIN": "p.test"},
            b"To: a@b.p.test",
            b"To: a@b.example.test",
        ),
        row(
            "qmail-inject/$QMAILIDHOST",
            BARE,
            {"QMAILIDHOST": "i.test"},
            b".qmail@i.test>",
            b".qmail@oracle",
        ),
        row(
            "qmail-inject/QMAILINJECT c",
            BARE,
            {"QMAILINJECT": "c", "NAME": "N"},
            b"From: bob@oracle.example.test (N)\n",
            b'"N" <bob@',
        ),
        row(
            "qmail-inject/QMAILINJECT s",
            MESSAGE,
            {"QMAILINJECT": "s"},
            b"Return-Path: <bob@",
            b"<back@",
        ),
        row(
            "qmail-inject/QMAILINJECT f",
            MESSAGE,
            {"QMAILINJECT": "f"},
            b"From: bob@",
            b"From: own@",
        ),
        row(
            "qmail-inject/QMAILINJECT i",
            MESSAGE,
            {"QMAILINJECT": "i"},
            b".qmail@oracle",
            b"<own@id>",
        ),
        row(
            "qmail-inject/QMAILINJECT r",
            BARE,
            {"QMAILINJECT": "r"},
            b'Return-Path: <"bob-@oracle.example.test-"@[]>',
            b"Return-Path: <bob@",
        ),
        row("qmail-inject/Date", BARE, {}, b"\nDate: ", b"Resent-Date"),
        row("qmail-inject/Message-ID", BARE, {}, b"\nMessage-ID: <", b"Resent-Message-ID"),
        row("qmail-inject/From", BARE, {}, b"\nFrom: bob@oracle.example.test\n", b"Resent-From"),
        row(
            "qmail-inject/recipient list not shown",
            b"Bcc: a@x.test\n\n",
            {},
            b"\nCc: recipient list not shown: ;\n",
            b"a@x.test",
        ),
        row(
            "qmail-inject/Resent-",
            b"Resent-To: a@x.test\nFrom: b@x.test\n\n",
            {},
            b"Resent-From: bob@",
            b"\nDate: ",
        ),
        row(
            "qmail-inject/Bcc",
            b"To: a@x.test\nBcc: secret@x.test\n\n",
            {},
            b"To: a@x.test",
            b"secret",
        ),
        row(
            "qmail-inject/Return-Path",
            MESSAGE,
            {},
            b"Return-Path: <back@x.test>\n",
            b"\nReturn-Path",
        ),
        row(
            "qmail-inject/Content-Length",
            b"Content-Length: 9\n" + BARE,
            {},
            b"To: to@",
            b"Content-Length",
        ),
        row(
            "qmail-inject/MBOX-Line",
            b"From x Fri\n" + BARE,
            {},
            b"MBOX-Line: From x Fri\n",
            b"\nFrom x",
        ),
        row(
            "qmail-inject/line without colon",
            b"Subject: s\nno field\nTo: a@x.test\n",
            {},
            b"Subject: s\n\nno field\nTo: a@x.test\n",
            b"\nno field\n\n",
        ),
        row(
            "qmail-inject/defaulthost", b"To: a\n\n", {}, b"To: a@oracle.example.test\n", b"To: a\n"
        ),
        row(
            "qmail-inject/defaultdomain",
            b"To: a@b\n\n",
            {},
            b"To: a@b.example.test\n",
            b"To: a@b\n",
        ),
        row("qmail-inject/plusdomain", b"To: a@b+\n\n", {}, b"To: a@b.example.test\n", b"To: a@b+"),
        row("qmail-inject/unable to parse", b"To: (open\n\n", {}, b"\nTo: (open\n", b"unable"),
    ],
)
def test_inject(root, message, more, there, not_there):
    output = shown(root, message, **more)
    assert there in output
    assert not_there not in output
    if more:  # not set: the difference comes from the variable
        assert there not in shown(root, message)


@pytest.mark.covers("qmail-inject/$LOGNAME")
def test_logname_is_the_last_resort(root):
    assert b"From: bob@" in shown(root, BARE, LOGNAME="log")
    assert b'From: ""@' in shown(root, BARE, LOGNAME="log", USER="")  # empty is set, too
    without = {k: v for k, v in environment(root, LOGNAME="log").items() if k != "USER"}
    done = subprocess.run(
        arguments("qmail_inject", "-n"), input=BARE, capture_output=True, timeout=30, check=True,
        env=without,
    )  # fmt: skip
    assert b"\nFrom: log@oracle" in done.stdout


@pytest.mark.covers("qmail-inject/QMAILINJECT m")
def test_a_sender_for_each_message(root):
    first, second = (shown(root, BARE, QMAILINJECT="m").split(b"\n")[0] for _ in range(2))
    assert first.startswith(b"Return-Path: <bob-")
    assert first != second
    both = shown(root, BARE, QMAILINJECT="mr").split(b"\n")[0]
    assert both.endswith(b'-@oracle.example.test-"@[]>')


def queued(root, module, *words, message=MESSAGE, **more):
    with FakeQueue(root) as queue:
        done = run(module, root, *words, message=message, **more)
    assert (done.returncode, done.stderr) == (0, b"")
    ((enqueue, body),) = queue.taken
    return enqueue.sender, list(enqueue.recipients), body


@pytest.mark.parametrize(
    ("words", "recipients"),
    [
        row("qmail-inject/-a", ["-a", "arg@x.test"], [b"arg@x.test"]),
        row("qmail-inject/-h", ["-h", "arg@x.test"], [b"to@x.test"]),
        row("qmail-inject/-A", ["-h", "-A", "arg@x.test"], [b"arg@x.test"]),
        row("qmail-inject/-H", ["-H", "arg@x.test"], [b"arg@x.test", b"to@x.test"]),
        row("qmail-inject/-N", ["-n", "-N", "arg@x.test"], [b"arg@x.test"]),
        row("qmail-inject/exit 0", ["arg@x.test"], [b"arg@x.test"]),
    ],
)
def test_whom_inject_sends_to(root, words, recipients):
    sender, found, _body = queued(root, "qmail_inject", *words)
    assert (sender, found) == (b"back@x.test", recipients)


@pytest.mark.covers("qmail-inject/-n")
def test_n_queues_nothing(root):
    with FakeQueue(root) as queue:
        assert shown(root, MESSAGE).endswith(b"\n\nx\n")
    assert queue.taken == []


@pytest.mark.covers("qmail-inject/-f")
def test_f_names_the_sender(root):
    sender, _found, body = queued(root, "qmail_inject", "-fme@y.test", message=BARE)
    assert sender == b"me@y.test"
    assert b"From: bob@oracle" in body


@pytest.mark.parametrize(
    ("words", "sender", "recipients", "there"),
    [
        row(
            "sendmail/-t", ["-t", "arg@x.test"], b"back@x.test", [b"arg@x.test", b"to@x.test"], b""
        ),
        row("sendmail/-f", ["-fme@y.test", "arg@x.test"], b"me@y.test", [b"arg@x.test"], b""),
        row("sendmail/-bm", ["-bm", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/exit 0", ["arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-B", ["-B8BITMIME", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-p", ["-p", "proto", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-v", ["-v", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-i", ["-i", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-x", ["-x", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-m", ["-m", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-e", ["-e", "m", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-o", ["-oi", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-E", ["-E", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
        row("sendmail/-J", ["-Jx", "arg@x.test"], b"back@x.test", [b"arg@x.test"], b""),
    ],
)
def test_sendmail(root, words, sender, recipients, there):
    found_sender, found, body = queued(root, "sendmail", *words)
    assert (found_sender, found) == (sender, recipients)
    assert there in body


@pytest.mark.covers("sendmail/-F")
def test_sendmail_names_the_sender(root):
    _sender, _found, body = queued(root, "sendmail", "-FA B", "arg@x.test", message=b"\nx\n")
    assert b'From: "A B" <bob@oracle.example.test>\n' in body


@pytest.mark.covers("sendmail/-b", "sendmail/exit 100")
def test_sendmail_refuses_other_modes(root):
    for word in ("-bz", "-bd", "-bt", "-Z"):
        done = run("sendmail", root, word, "arg@x.test", message=BARE)
        assert done.returncode == 100
        assert done.stderr.endswith(b"[ -bp ] [ -bs ] [ arg ... ]\n")


@pytest.mark.covers("sendmail/exit 111")
def test_sendmail_without_a_home(root):
    done = run("sendmail", root / "nowhere", "arg@x.test", message=BARE)
    assert done.returncode == 111
