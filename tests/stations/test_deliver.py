import os

import pytest

from glassmail.core.model.outcome import Outcome
from glassmail.core.model.questions import QUESTIONS
from glassmail.stations import deliver_report
from glassmail.stations.deliver import deliver, dry_run
from glassmail.stations.deliver_wants import Alone, Commit
from glassmail.stations.programs import Limits
from glassmail.store.maildir import Folders
from tests.shared import SAMPLES
from tests.stations.delivery import BODY, HEAD, Home, answers

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def said(report):
    return report.outcome, report.text


def test_default_delivery_into_the_maildir(home):
    home.maildir()
    report = home.deliver(dash=b"")
    assert said(report) == (K, b"did 1+0+0\n")
    ((name, content),) = home.new().items()
    top = b"Return-Path: <sender@src.test>\nDelivered-To: joe@virt.test\n"
    assert content == top + HEAD + BODY
    size = len(content)
    assert name == f"1795187040.M5R0C0.mx.test,S={size},W={size + content.count(10)}"
    path = os.fsdecode(home.path) + "/Maildir/new/" + name
    assert report.steps[-1].source == path
    assert all(step.question in QUESTIONS for step in report.steps)


@pytest.mark.covers(
    "dot-qmail/maildir", "dot-qmail/mbox", "dot-qmail/program", "dot-qmail/forward",
)  # fmt: skip
@pytest.mark.covers("dot-qmail rule/report")
def test_several_lines_in_order(home):
    for name in ("one", "two"):
        home.maildir(name)
    home.write(".qmail-x", b"./one/\n&a@x.test\n./two/\n|echo hi\n./box\nb@x.test\n")
    report = home.deliver(b"x")
    assert said(report) == (K, b"hi\ndid 3+2+1\nqp 901\n")
    assert list(home.new("one")) != list(home.new("two"))
    assert "P2" in next(iter(home.new("two")))
    assert (home.directory / "box").read_bytes().startswith(b"From sender@src.test ")
    line = b"Delivered-To: virt.test-x@virt.test\n"
    assert home.forwards == [(b"sender@src.test", (b"a@x.test", b"b@x.test"), line)]
    assert answers(report, "delivery.program") == [(b"echo hi", "exit 0")]
    assert answers(report, "delivery.forward") == [(b"a@x.test, b@x.test", "message 901")]


def test_a_repeated_delivery_writes_nothing_again(home):
    home.maildir()
    home.deliver(dash=b"")
    before = home.new()
    report = home.deliver(dash=b"", attempt=1)
    assert said(report) == (K, b"did 1+0+0\n")
    assert home.new() == before
    assert answers(report, "delivery.maildir") == [(b"./Maildir/", "already there")]
    assert list((home.directory / "Maildir" / "tmp").iterdir()) == []


def test_a_queue_whose_numbers_began_anew_takes_no_name_that_is_there(home):
    home.maildir()
    home.deliver(dash=b"", code=71)
    home.deliver(dash=b"", code=72)  # the same second, message and recipient number
    assert len(home.new()) == 2


@pytest.mark.covers("program-exit/0", "program-exit/99")
@pytest.mark.covers("dot-qmail rule/exit 99")
def test_exit_99_stops_with_success_and_sends_what_was_gathered(home):
    home.write(".qmail-n99", b"|echo one\n&a@x.test\n|echo two; exit 99\n|echo three\n&b@x.test\n")
    report = home.deliver(b"n99")
    assert said(report) == (K, b"one\ntwo\ndid 0+1+2\nqp 901\n")
    assert home.forwards[0][1] == (b"a@x.test",)


@pytest.mark.covers(
    "program-exit/100", "program-exit/64", "program-exit/65", "program-exit/70",
    "program-exit/76", "program-exit/77", "program-exit/78", "program-exit/112",
)  # fmt: skip
@pytest.mark.parametrize("code", [100, 64, 65, 70, 76, 77, 78, 112])
def test_hard_exit_codes(home, code):
    home.maildir()
    home.write(".qmail-x", b"./Maildir/\n&a@x.test\n|echo no; exit %d\n" % code)
    assert said(home.deliver(b"x")) == (D, b"no\n")
    assert home.forwards == []
    assert len(home.new()) == 1  # what was delivered before stays


@pytest.mark.covers(
    "program-exit/71", "program-exit/74", "program-exit/75", "program-exit/111",
)  # fmt: skip
@pytest.mark.parametrize("code", [1, 71, 74, 75, 101, 111, 127, 255])
def test_other_exit_codes_are_tried_again(home, code):
    home.write(".qmail-x", b"|echo later; exit %d\n|echo never\n" % code)
    assert said(home.deliver(b"x")) == (Z, b"later\n")


@pytest.mark.covers("local/crashed")
@pytest.mark.covers("dot-qmail rule/program crash")
def test_a_crashed_program(home):
    home.write(".qmail-x", b"|echo ouch; kill -9 $$\n")
    assert said(home.deliver(b"x")) == (Z, b"ouch\nAack, child crashed. (#4.3.0)\n")


@pytest.mark.covers("local/timed_out")
def test_a_program_that_runs_too_long(home):
    home.terms = home.terms._replace(limits=Limits(0))
    home.write(".qmail-x", b"|sleep 60\n")
    text = b"The program ran longer than 0 seconds and was killed. (#4.3.0)\n"
    assert said(home.deliver(b"x")) == (Z, text)


@pytest.mark.covers("dot-qmail rule/program again")
def test_a_program_gets_the_message_each_time_from_its_start(home):
    home.write(".qmail-x", b"|cat >one\n|head -c 5 >/dev/null\n|cat >two; pwd\n")
    report = home.deliver(b"x")
    assert said(report) == (K, os.fsencode(os.path.realpath(home.path)) + b"\ndid 0+0+3\n")
    assert (home.directory / "one").read_bytes() == HEAD + BODY
    assert (home.directory / "two").read_bytes() == HEAD + BODY


def test_the_environment_of_programs(home):
    sample = SAMPLES / "program-env.txt"
    if not sample.exists():
        pytest.skip("the reference samples are not beside the checkout")
    home.write(".qmail-prog-default", b"|env -u _ -u SHLVL -u OLDPWD >env\n")
    report = home.deliver(
        b"prog-Foo.Bar", local=b"virt.test-prog-Foo.Bar", sender=b"quser@oracle.example.test"
    )
    assert report.outcome is K
    seen = variables((home.directory / "env").read_bytes())
    wanted = variables(sample.read_bytes())
    assert seen.pop(b"UFLINE").startswith(b"From quser@oracle.example.test ")
    wanted.pop(b"UFLINE")
    for name, value in ((b"HOME", home.path), (b"PWD", home.path), (b"USER", b"joe"),
                        (b"PATH", b"/usr/bin:/bin")):  # fmt: skip
        wanted[name] = value
    assert seen == wanted


def variables(text):
    lines = [line for line in text.split(b"\n") if b"=" in line]
    return dict(line.split(b"=", 1) for line in lines)


def test_data_reaches_programs_by_the_environment_only(home):
    hostile = b'a"$(touch marker)`touch marker`;touch marker\x01\xff'
    home.write(".qmail-default", b'|printf %s "$EXT" >ext; printf %s "$SENDER" >sender\n')
    assert home.deliver(hostile, sender=hostile + b"@x").outcome is K
    assert (home.directory / "ext").read_bytes() == hostile
    assert (home.directory / "sender").read_bytes() == hostile + b"@x"
    assert not (home.directory / "marker").exists()


@pytest.mark.covers("local/too_long")
def test_long_output_is_cut(home):
    home.write(".qmail-x", b"|head -c 100000 /dev/zero | tr '\\0' a\n")
    report = home.deliver(b"x")
    assert len(report.text) == 2_997
    assert report.text.endswith(b"aaa\nError report too long, sorry.\n")
    home.write(".qmail-x", b"|printf 'a\\0b'\n")
    assert home.deliver(b"x").text == b"a"


@pytest.mark.covers("local/looping")
def test_looping(home):
    home.maildir()
    line = b"Delivered-To: joe@virt.test\n"
    text = b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n"
    assert said(home.deliver(dash=b"", body=line + BODY)) == (D, text)
    assert said(home.deliver(dash=b"", body=b"A: b\n\n" + line))[0] is K
    assert said(home.deliver(dash=b"", body=line.lower() + BODY))[0] is K


def test_no_mailbox(home):
    text = b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    assert said(home.deliver(b"nobody")) == (D, text)


def test_a_missing_maildir(home):
    report = home.deliver(dash=b"")
    assert said(report) == (Z, b"Unable to chdir to maildir. (#4.2.1)\n")
    assert answers(report, "delivery.maildir") == [(b"./Maildir/", "no")]


@pytest.mark.covers("dot-qmail rule/failing line")
def test_a_failed_commit_defers_and_sends_no_forward(home, monkeypatch):
    home.maildir()
    home.write(".qmail-x", b"./Maildir/\n&a@x.test\n")

    def broken(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    report = home.deliver(b"x")
    assert said(report) == (Z, b"Temporary error on maildir delivery. (#4.3.0)\n")
    assert home.forwards == []
    assert home.new() == {}
    assert answers(report, "delivery.maildir") == [(b"./Maildir/", "no")]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (b"&a@x.test\n./md/\n", b"file"),
        (b"|true\n", b"prog"),
    ],
)
@pytest.mark.covers("local/has_file_and_x_bit", "local/has_program_and_x_bit")
def test_the_x_bit_means_forwards_only(home, lines, text):
    home.write(".qmail-x", lines, 0o700)
    wanted = b"Uh-oh: .qmail has %b delivery but has x bit set. (#4.7.0)\n" % text
    assert said(home.deliver(b"x")) == (Z, wanted)
    home.write(".qmail-y", b"+list\n" + lines)
    assert said(home.deliver(b"y")) == (Z, wanted)
    assert home.forwards == []


def test_the_x_bit_does_not_touch_forwards(home):
    home.write(".qmail-x", b"&a@x.test\n", 0o700)
    assert said(home.deliver(b"x")) == (K, b"did 0+1+0\nqp 901\n")


def test_forwards_that_the_queue_refuses(home):
    home.write(".qmail-x", b"&a@x.test\n")
    home.answer = ("Z", b"qq write error or disk full (#4.3.0)")
    text = b"Unable to forward message: qq write error or disk full (#4.3.0).\n"
    assert said(home.deliver(b"x")) == (Z, text)
    home.answer = ("D", b"no (#5.3.0)")
    assert said(home.deliver(b"x")) == (D, b"Unable to forward message: no (#5.3.0).\n")


@pytest.mark.parametrize(
    ("files", "sender", "wanted"),
    [
        ((), b"s@x", b"s@x"),
        (("-owner",), b"s@x", b"virt.test-l-owner@virt.test"),
        (("-owner", "-owner-default"), b"s@x", b"virt.test-l-owner-@virt.test-@[]"),
        (("-owner-default",), b"s@x", b"s@x"),
        (("-owner", "-owner-default"), b"", b""),
        (("-owner",), b"#@[]", b"#@[]"),
    ],
)
def test_owner_files_change_the_sender(home, files, sender, wanted):
    home.write(".qmail-l", b"&a@x.test\n")
    for name in files:
        home.write(".qmail-l" + name, b"#\n")
    assert home.deliver(b"l", sender=sender).outcome is K
    assert home.forwards[0][0] == wanted


@pytest.mark.covers("local/one_user")
def test_root_for_one_user_runs_nothing(home):
    home.terms = home.terms._replace(refuses_programs=True)
    home.maildir()
    for line in (b"|true\n", b"./box\n", b"|except true\n"):
        home.write(".qmail-x", b"./Maildir/\n" + line)
        assert said(home.deliver(b"x")) == (Z, deliver_report.ONE_USER)
    assert not (home.directory / "box").exists()
    home.write(".qmail-x", b"./Maildir/\n|bouncesaying no\n")
    assert said(home.deliver(b"x")) == (D, b"no\n")


@pytest.mark.covers("dot-qmail rule/order")
def test_wants_come_in_order(home):
    home.maildir()
    home.write(".qmail-x", b"./Maildir/\n|true\n./Maildir/\n")
    folders = Folders()
    course = deliver(home.task(b"x"), home.terms, folders)
    alone = next(course)
    assert isinstance(alone, Alone)
    assert len(alone.files) == 1
    first = next(course)  # the line before the program is finished before it runs
    assert isinstance(first, Commit)
    first.errors = [None]
    second = next(course)
    assert isinstance(second, Commit)
    assert first.files != second.files
    second.errors = [None]
    with pytest.raises(StopIteration) as stop:
        next(course)
    assert stop.value.value.text == b"did 2+0+1\n"
    folders.close()


# --- the recorded answers of qmail-local -n ---------------------------------------------------


def probe():
    """ext -> (output, exit code) of the sample's -n runs with ext=..."""
    path = SAMPLES / "probe-dot-qmail.txt"
    if not path.exists():
        return {}
    found = {}
    for block in path.read_text().split("== ")[1:]:
        title, _, rest = block.partition("\n")
        output, _, code = rest.rpartition("rc=")
        if title.startswith("ext="):
            found[title[4:]] = (output.encode(), int(code))
    return found


def furnish(home):
    for name in ("a-b", "a-default", "default", "x:y"):
        home.write(f".qmail-{name}", f"./{name}/\n".encode())
    home.write(
        ".qmail-kinds",
        b"# comment\n&fwd@x.test\nplain@x.test\n./mb\n./md/  \n|prog arg\n+other\n\n"
        b"& space@x.test\n",
    )
    home.write(".qmail-empty", b"")
    home.write(".qmail-blankfirst", b"\n./x/\n")
    home.write(".qmail-exec", b"&a@x.test\n./mb\n", 0o700)
    home.write(".qmail-fwdexec", b"&a@x.test\n", 0o700)
    home.write(".qmail-writable", b"./w/\n", 0o602)
    (home.directory / ".qmail-dir").mkdir()
    home.write(".qmail-nonl", b"./nl")
    home.write(".qmail-grp", b"./gw/\n", 0o660)
    home.write(".qmail-noperm", b"./np/\n", 0)


@pytest.mark.covers("command/qmail-local")
@pytest.mark.skipif(not probe(), reason="the reference samples are not beside the checkout")
@pytest.mark.parametrize("ext", probe())
def test_dry_run_says_what_qmail_local_says(home, ext):
    if ext == "noperm" and os.getuid() == 0:
        pytest.skip("root may read every file; test_qmail_local asks as somebody else")
    furnish(home)
    home.terms = home.terms._replace(default_delivery=b"./DEFAULT/")
    planned = dry_run(home.task(ext.encode()), home.terms)
    codes = {K: 0, Z: 111, D: 100}
    # The sample's run had both descriptors in one file.
    printed = planned.warning + planned.said + planned.report.text
    assert (printed, codes[planned.report.outcome]) == probe()[ext]
    assert home.forwards == []


def test_dry_run_in_a_sticky_home_warns_and_goes_on(home):
    home.directory.chmod(0o1700)
    planned = dry_run(home.task(dash=b""), home.terms)
    assert planned.warning == b"Warning: home directory is sticky.\n"
    assert planned.said == b"maildir ./Maildir/\ndid 1+0+0\n"
    assert said(planned.report) == (K, b"")
    planned = dry_run(home.task(b"nobody"), home.terms)  # the home is looked at first
    assert planned.warning == b"Warning: home directory is sticky.\n"
    assert said(planned.report) == (D, b"Sorry, no mailbox here by that name. (#5.1.1)\n")
    text = b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"
    assert said(home.deliver(dash=b"")) == (Z, text)
