"""What `glass trace` tells: the same questions as the daemons', decisions, remedies, exit codes."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.core.formats import assign, cdb
from glassmail.core.model.limits import TRAIL_STEPS_MAX
from glassmail.core.model.questions import QUESTIONS
from glassmail.explain.instructions import State
from glassmail.explain.trace import trace_address
from glassmail.faces.cli.trace import trace
from glassmail.settings.place import Place

UID = os.getuid() or 65_533


class Site:
    def __init__(self, directory):
        self.place = Place(str(directory / "root"))
        self.homes = directory / "homes"
        for name in ("control", "users", "alias"):
            os.makedirs(self.place.path(name))
        self.homes.mkdir()
        self.control("me", "mx.test")
        self.control("locals", "local.test")
        self.control("rcpthosts", "local.test\ntommy.gov")
        self.control("virtualdomains", "tommy.gov:fred")
        self.lines = []

    def control(self, name, text):
        Path(self.place.path("control", name)).write_text(text + "\n")

    def user(self, name):
        home = self.homes / name
        home.mkdir()
        own(home)
        self.lines += [
            f"={name}:{name}:{UID}:{UID}:{home}:::",
            f"+{name}-:{name}:{UID}:{UID}:{home}:-::",
        ]
        text = "\n".join([*self.lines, ".\n"]).encode()
        Path(self.place.assign).write_bytes(text)
        Path(self.place.assign_cdb).write_bytes(cdb.render(assign.records(assign.parse(text))))
        return home

    def trace(self, address):
        return trace_address(self.place, address)

    def run(self, *arguments):
        return CliRunner().invoke(trace, [*arguments, "--no-dns", "--root", self.place.root])


def own(path):
    if os.geteuid() == 0:
        os.chown(path, UID, UID)


def maildir(path):
    for part in (path, *(path / name for name in ("new", "cur", "tmp"))):
        part.mkdir(mode=0o700)
        own(part)


def put(home, name, text, mode=0o644):
    path = home / name
    path.write_text(text)
    path.chmod(mode)
    own(path)
    return path


@pytest.fixture
def site():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Site(Path(directory))


def test_remote(site):
    found = site.trace(b"x@far.test")
    (hop,) = found.hops
    assert found.state is State.FINE
    assert hop.decision == "send x@far.test by SMTP to the mail exchangers of far.test"
    assert hop.steps[0].question == "routing.rcpthosts"
    site.control("smtproutes", "far.test:relay.test:26")
    assert site.trace(b"x@far.test").hops[0].decision.endswith("to the relay relay.test, port 26")


def test_a_maildir(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    put(home, ".qmail-default", "./Maildir/\n")
    found = site.trace(b"dude@tommy.gov")
    (hop,) = found.hops
    assert found.state is State.FINE
    assert hop.decision == (
        f"deliver locally to fred-dude@tommy.gov as fred: deliver it to the Maildir {home}/Maildir/"
    )
    asked = [step.question for step in hop.steps if step.question != "routing.directory"]
    assert asked == [
        "routing.rcpthosts",
        "routing.locals",
        "routing.virtualdomains",
        "routing.virtualdomains",
        "routing.cdb_fresh",
        "routing.assign",
        "routing.home",
        "routing.dot_qmail",
        "routing.dot_qmail",
        "routing.instruction",
        "routing.mailbox",
    ]
    assert {step.question for step in hop.steps} <= set(QUESTIONS)


def test_a_maildir_that_is_missing(site):
    home = site.user("fred")
    put(home, ".qmail", "./Maildir/\n")
    found = site.trace(b"fred@local.test")
    assert found.state is State.PROBLEM
    assert "keep it and try again later" in found.hops[0].decision
    assert "file does not exist" in found.hops[0].advice.fault
    assert found.hops[0].remedy.endswith(f": maildirmake {home}/Maildir/")


def test_no_mailbox(site):
    home = site.user("fred")
    hop = site.trace(b"fred-a.b@local.test").hops[0]
    assert hop.state is State.PROBLEM
    assert "bounce it: Sorry, no mailbox here by that name. (#5.1.1)" in hop.decision
    assert hop.remedy == f"create {home}/.qmail-a:b, or write the address as it exists"


def test_other_servers_cannot_send_it(site):
    site.control("locals", "local.test\ninner.test")
    home = site.user("fred")
    maildir(home / "Maildir")
    found = site.trace(b"fred@inner.test")
    assert found.state is State.PROBLEM
    assert found.hops[0].advice.id == "rcpthosts"
    assert found.hops[0].advice.command == "echo inner.test >>control/rcpthosts"


def test_forwards_are_followed_and_told_once_each(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    put(home, ".qmail-list", "&fred@local.test\nx@far.test\n|cat >/dev/null\n")
    put(home, ".qmail-list-owner", "")
    found = site.trace(b"list@tommy.gov")
    assert found.state is State.FINE
    assert [hop.address for hop in found.hops] == [
        b"list@tommy.gov",
        b"fred@local.test",
        b"x@far.test",
    ]
    assert found.hops[0].decision.endswith(
        "forward it to fred@local.test; forward it to x@far.test; "
        "run the program cat >/dev/null as fred"
    )
    owners = [s.answer for s in found.hops[0].steps if s.question == "routing.owner"]
    assert owners == ["yes", "no"]
    assert found.hops[1].chain == (b"list@tommy.gov",)
    assert found.hops[1].steps[0].source == f"{home}/.qmail-list:1"
    assert "routing.rcpthosts" not in {step.question for step in found.hops[1].steps}


def test_a_circle_ends(site):
    home = site.user("fred")
    put(home, ".qmail-a", "&fred-B@local.test\n")
    put(home, ".qmail-b", "&FRED-a@local.test\n")
    found = site.trace(b"fred-a@local.test")
    assert found.state is State.PROBLEM
    assert found.hops[-1].decision == "bounce it: mail for FRED-a@local.test comes back to it"


def test_two_ways_to_one_address_are_no_circle(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    put(home, ".qmail-a", "&fred@local.test\n&fred-b@local.test\n")
    put(home, ".qmail-b", "&fred@local.test\n")
    assert site.trace(b"fred-a@local.test").state is State.FINE


def test_a_way_without_end_is_cut(site):
    home = site.user("fred")
    put(home, ".qmail-default", "".join(f"&fred-x{n}@local.test\n" for n in range(30)))
    found = site.trace(b"fred-a@local.test")
    assert sum(len(hop.steps) for hop in found.hops) < TRAIL_STEPS_MAX * 2
    assert found.hops[-1].state is State.UNKNOWN


def test_the_x_bit_stops_a_file_line_and_its_forwards(site):
    home = site.user("fred")
    put(home, ".qmail", "&x@far.test\n./Maildir/\n", 0o755)
    found = site.trace(b"fred@local.test")
    assert len(found.hops) == 1
    assert "x bit set. (#4.7.0)" in found.hops[0].decision
    assert found.state is State.PROBLEM


@pytest.mark.parametrize(
    ("mode", "words"), [(0o757, "home directory is writable"), (0o1755, "sticky")]
)
def test_homes(site, mode, words):
    site.user("fred").chmod(mode)
    hop = site.trace(b"fred@local.test").hops[0]
    assert hop.state is State.PROBLEM
    assert words in hop.decision
    assert f"{mode:04o}" in hop.advice.fault


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees more than the user")
def test_a_closed_parent_is_named(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    site.homes.chmod(0o700)
    hop = site.trace(b"fred@local.test").hops[0]
    assert hop.state is State.PROBLEM
    assert "access denied" in hop.decision
    assert hop.advice.id == "parent_closed"
    assert hop.advice.fault.endswith(f"pass through {site.homes} (owner 0:0, mode 0700)")
    assert hop.advice.command == f"chmod a+x {site.homes}"
    assert os.geteuid() == 0


def test_a_parent_that_others_may_write_to_is_a_warning(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    site.homes.chmod(0o777)
    found = site.trace(b"fred@local.test")
    assert found.state is State.FINE
    (warning,) = found.hops[0].warnings
    assert warning.id == "directory_writable"
    assert warning.fault == f"{site.homes} (mode 0777) lets others replace what lies below it"
    assert warning.command == f"chmod go-w {site.homes}"


def test_mbox(site):
    home = site.user("fred")
    put(home, ".qmail", "./box\n")
    assert site.trace(b"fred@local.test").state is State.FINE
    (home / "box").mkdir()
    hop = site.trace(b"fred@local.test").hops[0]
    assert hop.state is State.PROBLEM
    assert "ends in a slash" in hop.advice.fault


def test_a_virtual_mailbox(site):
    home = site.user("fred")
    put(home, ".qmail-default", "| /home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n")
    put(home, "vpasswd", f"joe:x:1:0:Joe:{home}/joe:NOQUOTA\n")
    (home / "joe").mkdir()
    own(home / "joe")
    maildir(home / "joe" / "Maildir")
    hop = site.trace(b"joe@tommy.gov").hops[0]
    assert hop.state is State.FINE
    assert hop.decision.endswith(f"deliver it to the Maildir {home}/joe/Maildir/")
    hop = site.trace(b"nobody@tommy.gov").hops[0]
    assert hop.state is State.PROBLEM
    assert "no mailbox here by that name" in hop.decision


@pytest.mark.covers("fault/mailbox_full")
def test_a_full_mailbox(site):
    home = site.user("fred")
    put(home, ".qmail-default", "| vdelivermail '' bounce-no-mailbox\n")
    put(home, "vpasswd", f"joe:x:1:2:Joe:{home}/joe:1000S\n")
    (home / "joe").mkdir()
    own(home / "joe")
    maildir(home / "joe" / "Maildir")
    assert site.trace(b"joe@tommy.gov").hops[0].state is State.FINE
    put(home, "joe/Maildir/new/1,S=1000", "x")
    hop = site.trace(b"joe@tommy.gov").hops[0]
    assert hop.state is State.PROBLEM
    assert hop.advice.id == "mailbox_full"
    told = {step.question: step.answer for step in hop.steps}
    assert told["account.login"] == "IMAP, SMTP, webmail"
    assert told["account.quota"] == "no"


def test_an_automatic_reply(site):
    home = site.user("fred")
    put(home, ".qmail-away", "./Maildir/\n|vacation fred\n")
    maildir(home / "Maildir")
    hop = site.trace(b"away@tommy.gov").hops[0]
    assert "answer it by vacation, unless it is a list's" in hop.decision


def test_an_empty_local_part(site):
    hop = site.trace(b"@local.test").hops[0]
    assert hop.state is State.PROBLEM
    assert "bounce it" in hop.decision
    assert hop.advice.id == "nobodys"


@pytest.mark.covers("glass/trace")
def test_text(site):
    home = site.user("fred")
    put(home, ".qmail-a", "&x@far.test\n")
    result = site.run("a@tommy.gov")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    expected = "is tommy.gov in rcpthosts? yes control/rcpthosts:2 tommy.gov"
    assert " ".join(lines[0].split()) == expected
    assert (
        "decision: deliver locally to fred-a@tommy.gov as fred: forward it to x@far.test" in lines
    )
    assert "forwarded by a@tommy.gov to x@far.test:" in lines
    assert site.run(" <a@tommy.gov> ").output == result.output  # as it was pasted
    assert site.run("nobody@tommy.gov").exit_code == 1


def test_json(site):
    result = site.run("x@far.test", "--json")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert set(rows[0]) == {"question", "sentence", "subject", "answer", "source"}
    assert rows[-1] == {
        "decision": {
            "address": "x@far.test",
            "forwarded_by": [],
            "sentence": "send x@far.test by SMTP to the mail exchangers of far.test",
            "state": "fine",
            "fault": "",
            "remedy": "",
            "command": "",
            "warnings": [],
        }
    }


def test_hostile_bytes_are_shown_printable(site):
    for arguments in (["a\x1b[31m\n@far.test"], ["\udcff@far.test"], ["\udcff@far.test", "--json"]):
        result = site.run(*arguments)
        assert result.exit_code == 0
        assert "\x1b" not in result.output


def test_no_site_and_broken_files(site, tmp_path):
    result = CliRunner().invoke(trace, ["a@b", "--root", str(tmp_path)])
    assert result.exit_code == 3
    assert "name the site by --root" in result.output
    Path(site.place.path("control", "locals")).write_bytes(b"a\0b\n")
    result = site.run("a@b")
    assert result.exit_code == 1
    assert "control/locals:1: holds a NUL byte" in result.output


def test_our_own_programs_are_followed(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    put(home, ".qmail-a", "|forward fred@local.test x@far.test\n")
    found = site.trace(b"fred-a@local.test")
    assert [hop.address for hop in found.hops[1:]] == [b"fred@local.test", b"x@far.test"]
    assert found.hops[0].decision.endswith("forward it to fred@local.test, x@far.test")
    assert found.hops[1].steps[0].source == f"{home}/.qmail-a:1"
    put(home, ".qmail-b", "|condredirect fred-c@local.test grep -q spam\n./Maildir/\n")
    put(home, ".qmail-c", "|/var/qmail/bin/bouncesaying 'no spam here'\n")
    found = site.trace(b"fred-b@local.test")
    words = found.hops[0].decision
    expected = "forward it to fred-c@local.test and stop there if grep -q spam exits 0; deliver"
    assert expected in words
    assert found.hops[1].decision.endswith("bounce it: no spam here")
    assert found.hops[1].advice.id == "program_refused"
    put(home, ".qmail-d", "|bouncesaying 'no' test -e x\n|except test -e y\n|preline cat\n")
    words = site.trace(b"fred-d@local.test").hops[0].decision
    assert words.endswith(
        "bounce it if test -e x exits 0: no; bounce it if test -e y exits 0; "
        "run the program preline cat as fred"
    )
    put(home, ".qmail-e", "|forward $SENDER\n|forward fred-e@local.test\n")
    found = site.trace(b"fred-e@local.test")
    assert "run the program forward $SENDER" in found.hops[0].decision  # the shell's to say
    assert found.hops[1].advice.id == "loop"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("./none/", "mailbox_closed"),
        ("./file/", "mailbox_broken"),
        ("./odd/", "mailbox_broken"),
        ("/", "mailbox_broken"),
        ("./none/mbox", "mbox_closed"),
        ("./odd", "mbox_closed"),
        ("|condredirect a@b.test", "program_said"),
        ("|bouncesaying", "program_said"),
        ("|except", "program_said"),
        ("|preline", "program_said"),
    ],
)
@pytest.mark.covers("fault/mailbox_broken", "fault/mbox_closed")
def test_lines_that_cannot_be_obeyed(site, line, fault):
    home = site.user("fred")
    (home / "odd").mkdir()
    put(home, "file", "")
    put(home, ".qmail-a", f"{line}\n")
    hop = site.trace(b"fred-a@local.test").hops[0]
    assert (hop.state, hop.advice.id) == (State.PROBLEM, fault)
    assert hop.advice.command == (f"maildirmake {home}/none/" if line == "./none/" else "")


def test_lines_below_a_program_depend_on_it(site):
    home = site.user("fred")
    maildir(home / "Maildir")
    put(home, ".qmail-a", "|  exit 99\n./Maildir/\n")
    hop = site.trace(b"fred-a@local.test").hops[0]
    words = "run the program exit 99 as fred, and go on if it exits 0; deliver it to the Maildir"
    assert words in hop.decision
    assert b"exit 99" in [step.subject for step in hop.steps]  # without the blanks before it


def test_long_sentences_are_broken_at_blanks(site):
    home = site.user("fred")
    put(home, ".qmail-a", "./Maildir/\n", 0o755)
    result = site.run("fred-a@local.test")
    lines = result.output.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("decision: "))
    assert lines[start + 1].startswith("  ")
    assert max(len(line) for line in lines[start:] if " " in line.strip()) <= 80
    assert f"{home}/.qmail-a" in result.output
    refused = site.trace(b"fred-a@local.test").hops[0].steps[-1]
    assert (refused.question, refused.answer) == ("routing.instruction", "refused")


def test_a_server_that_is_gone_without_a_word_is_a_note(site):
    run = Path(site.place.path("run"))
    run.mkdir()
    (run / "queue.sock").write_bytes(b"")
    hop = site.trace(b"x@far.test").hops[0]
    assert hop.state is State.FINE
    assert [warning.id for warning in hop.warnings] == ["not_running"]
    assert hop.steps[0].question == "queueing.running"


def test_bad_dnsserver(site):
    site.control("dnsserver", "nonsense")
    result = site.run("x@far.test")
    assert result.exit_code == 1
    assert "control/dnsserver:1" in result.output
