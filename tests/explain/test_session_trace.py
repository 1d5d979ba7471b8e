"""`glass trace --client` and `glass policy list`: the server's own checks, without a client."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.core.formats import cdb
from glassmail.core.model.questions import QUESTIONS
from glassmail.core.policy.pipeline import PIPELINE
from glassmail.explain import session as session_module
from glassmail.explain.session import SessionQuestion, trace_session
from glassmail.faces.cli.policy import policy
from glassmail.faces.cli.trace import trace
from glassmail.net.dns import Answer, MxRecord, Status
from glassmail.store.control import ControlError
from tests.explain.test_trace import Site

RULES = """\
10.9.:deny
127.:allow,RELAYCLIENT=""
192.0.2.:allow,RCPTCHECK="{program}"
:allow
"""


class FakeDns:
    """The MX of ours.example leads to this host, that of far.example elsewhere."""

    async def ask(self, name, kind):
        records = {
            (b"ours.example", "MX"): (MxRecord(10, b"mx.ours.example"),),
            (b"mx.ours.example", "A"): ("127.0.0.1",),
            (b"far.example", "MX"): (MxRecord(10, b"mx.far.example"),),
            (b"mx.far.example", "A"): ("192.0.2.99",),
            (b"7.100.51.198.in-addr.arpa", "PTR"): (b"mx.src.test",),
            (b"mx.src.test", "A"): ("198.51.100.7",),
        }.get((name, kind), ())
        return Answer(Status.FOUND if records else Status.NO_DATA, records, 0.0, "told by a test")


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho ran >>$0.log\nexit 100\n")
    program.chmod(0o755)
    made.log = tmp_path / "program.log"
    with open(made.place.tcp_rules, "w", encoding="ascii") as file:
        file.write(RULES.format(program=program))
    made.control("badmailfrom", "@spam.example")
    made.control("checkrecipients", "1")
    home = made.user("joe")
    (home / ".qmail").write_text("./Maildir/\n")
    monkeypatch.setattr(session_module._DryAsk, "resolver", lambda _self: FakeDns())
    return made


def ask(site, client, **more):
    return asyncio.run(trace_session(site.place, SessionQuestion(client, **more)))


def run(site, *words):
    return CliRunner().invoke(trace, [*words, "--root", site.place.root])


def test_a_session_that_is_accepted(site):
    stages = ask(
        site, b"198.51.100.7", helo=b"mx.example", sender=b"a@b", recipients=(b"joe@local.test",)
    )  # fmt: skip
    assert [(stage.name, stage.code) for stage in stages] == [
        ("connect", 220), ("helo", 250), ("mail", 250), ("rcpt", 250), ("data", 354)
    ]  # fmt: skip
    assert stages[0].steps[-1].source == "control/tcp.smtp:4 :allow"
    assert {s.question for stage in stages for s in stage.steps} <= set(QUESTIONS)


def test_a_client_that_is_denied_gets_no_further(site):
    (stage,) = ask(site, b"10.9.1.1", sender=b"", recipients=(b"joe@local.test",))
    assert (stage.reply, stage.decided_by, stage.is_refused) == (b"", "client_rule", True)
    assert stage.advice.id == "client_denied"


@pytest.mark.parametrize(
    ("domain", "answer"), [(b"ours.example", "yes"), (b"far.example", "no"), (b"no.example", "no")]
)
def test_relaying_and_whose_fault_it_is(site, domain, answer):
    stages = ask(site, b"198.51.100.7", sender=b"a@b", recipients=(b"x@" + domain,))
    assert (stages[-1].code, stages[-1].decided_by) == (553, "relay")
    here = [step for step in stages[-1].steps if step.question == "session.leads_here"]
    assert [(step.subject, step.answer) for step in here] == [(domain, answer)]
    assert ask(site, b"127.0.0.1", sender=b"a@b", recipients=(b"x@" + domain,))[-1].code == 354


def test_one_recipient_of_two(site):
    words = ("--client", "198.51.100.7", "--rcpt", "joe@local.test", "--rcpt", "joe-x@local.test")
    done = run(site, *words)
    assert done.exit_code == 1
    assert done.output.endswith("\ndecision: accepted, but not for joe-x@local.test\n")
    assert "  decided by: the check recipient_exists\n" in done.output


def test_badmailfrom_is_answered_at_rcpt(site):
    stages = ask(site, b"198.51.100.7", sender=b"x@spam.example", recipients=(b"joe@local.test",))
    assert [(stage.name, stage.code) for stage in stages][1:] == [("mail", 250), ("rcpt", 553)]
    assert stages[-1].advice.id == "badmailfrom"


def test_programs_run_only_when_asked(site):
    words = ("--client", "192.0.2.5", "--rcpt", "joe@local.test")
    done = run(site, *words)
    assert (done.exit_code, site.log.exists()) == (3, False)
    assert done.output.endswith("\ndecision: cannot tell: ask with --run-programs\n")
    done = run(site, *words, "--run-programs")
    assert (done.exit_code, site.log.read_text()) == (1, "ran\n")
    assert "  decided by: the check rcptcheck\n" in done.output


def test_programs_run_in_the_sites_directory(site):
    program = Path(site.place.root) / "check"
    program.write_text("#!/bin/sh\nexit 100\n")
    program.chmod(0o755)
    for name in ("check", "./check"):
        with open(site.place.tcp_rules, "w", encoding="ascii") as file:
            file.write(f':allow,RCPTCHECK="{name}"\n')
        asked = {"sender": b"", "recipients": (b"joe@local.test",), "runs_programs": True}
        assert ask(site, b"192.0.3.7", **asked)[-1].code == 553


def test_json(site):
    done = run(site, "--client", "198.51.100.7", "--helo", "h", "--rcpt", "x@far.example", "--json")
    rows = [json.loads(line) for line in done.output.splitlines()]
    assert {row["stage"] for row in rows} == {"connect", "helo", "mail", "rcpt"}
    end = rows[-1]
    assert (end["code"], end["argument"], end["fault"]) == (553, "x@far.example", "relay")
    assert end["reply"].startswith("553 sorry, that domain isn't in my list")


def test_an_address_is_asked_about_as_the_kernel_writes_it(site):
    for written in ("2001:DB8:0:0::7", "2001:db8::7%eth0"):
        assert "connection from 2001:db8::7\n" in run(site, "--client", written).output


def test_usage(site):
    for words in (
        (), ("a@b", "--client", "::1"), ("--client", "here"), ("a@b", "--rcpt", "c@d"),
    ):  # fmt: skip
        assert run(site, *words).exit_code == 2


def test_a_broken_site_is_said(site):
    os.unlink(site.place.path("control", "me"))
    done = run(site, "--client", "::1")
    assert done.exit_code == 1
    assert "neither control/smtpgreeting nor control/me" in done.output


def test_addresses_are_read_as_the_server_reads_them(site):
    stages = ask(
        site, b"203.0.113.9", helo=b"x", sender=b"a@b.test",
        recipients=(b"@relay.test:joe@elsewhere.example", b"a\nb@here.example"),
    )  # fmt: skip
    routed, broken = stages[-2:]
    assert routed.steps[-1].subject == b"elsewhere.example"
    assert (broken.reply, broken.decided_by) == (b"555 syntax error (#5.5.4)", "syntax")
    (stage,) = ask(site, b"203.0.113.9", helo=b"x", sender=b"a\0b")[-1:]
    assert (stage.name, stage.code) == ("mail", 555)


@pytest.mark.interpreted  # the sources' docstrings are asked
@pytest.mark.covers("glass/policy list")
def test_the_order_of_the_checks():
    done = CliRunner().invoke(policy, ["list", "--json"])
    rows = [json.loads(line) for line in done.output.splitlines()]
    assert [(row["stage"], row["check"]) for row in rows] == [
        (stage, each.name) for stage, checks in PIPELINE.items() for each in checks
    ]
    assert all(len(row["about"]) > 20 for row in rows)
    text = CliRunner().invoke(policy, ["list"]).output
    assert max(map(len, text.splitlines())) <= 80
    assert "\nrcpt:\n" in text


def test_it_ends_where_the_server_hangs_up(site):
    with open(site.place.tcp_rules, "w", encoding="ascii") as file:
        file.write(':allow,VALIDRCPTTO_CDB="none",VALIDRCPTTO_LIMIT="1"\n')
    (Path(site.place.root) / "none").write_bytes(cdb.render([]))
    asked = (b"joe@local.test", b"ann@local.test")
    stages = ask(site, b"192.0.3.7", sender=b"", recipients=asked)
    assert [stage.name for stage in stages] == ["connect", "mail", "rcpt"]
    assert stages[-1].code == 421


def test_rules_that_the_server_does_not_take(site):
    with open(site.place.tcp_rules, "w", encoding="ascii") as file:
        file.write(':allow,RELAYCLIENT=" "\n')
    with pytest.raises(ControlError, match="lets everybody relay"):
        ask(site, b"192.0.3.7")
    site.control("openrelay", "1")
    assert ask(site, b"192.0.3.7")[0].code == 220


def test_a_rule_for_a_name(site):
    with open(site.place.tcp_rules, "a", encoding="ascii") as file:
        file.write("=.src.test:deny\n")
    (stage,) = ask(site, b"198.51.100.7")
    assert (stage.code, stage.decided_by) == (554, "client_rule")
    assert stage.steps[0].question == "session.remote-host"
    assert stage.steps[0].source == "PTR mx.src.test, which leads back"
    assert ask(site, b"198.51.100.8")[0].code == 220


def test_a_limit_of_connections_without_a_server(site):
    with open(site.place.tcp_rules, "w", encoding="ascii") as file:
        file.write(':allow,MAXCONNIP="3"\n')
    stage = ask(site, b"198.51.100.7")[0]
    assert stage.code == 220
    step = next(step for step in stage.steps if step.question == "session.connections")
    assert (step.answer, "gate was not asked" in step.source) == ("cannot tell", True)
