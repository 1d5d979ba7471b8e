"""`glass trace --client --tls --auth`: TLS and logins of a session, without client and password."""

import asyncio
import json
import os

import pytest
from click.testing import CliRunner

from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Flag
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.explain import session as session_module
from glassmail.explain.session import SessionQuestion, trace_session
from glassmail.faces.cli.trace import trace
from tests.admin.site import make

TAMMY = b"tammy@example.test"
ELSEWHERE = (b"x@elsewhere.test",)


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def control(place, name, text):
    with open(os.path.join(place.control, name), "w", encoding="ascii") as file:
        file.write(text)


def ask(place, **more):
    question = SessionQuestion(b"192.0.2.7", **more)
    return asyncio.run(trace_session(place, question))


def login_of(place, user=TAMMY, **more):
    stages = ask(place, login=user, is_tls=True, **more)
    return next(stage for stage in stages if stage.name == "auth")


def test_a_login_opens_every_domain(place):
    stages = ask(
        place, service="submission", helo=b"x", is_tls=True, login=TAMMY, sender=TAMMY,
        recipients=ELSEWHERE,
    )  # fmt: skip
    assert [stage.name for stage in stages] == [
        "connect", "tls", "helo", "auth", "mail", "rcpt", "data",
    ]  # fmt: skip
    assert not any(stage.is_refused for stage in stages)
    auth = stages[3]
    assert (auth.code, auth.steps[-1].answer) == (235, YES)
    assert auth.steps[-1].source.endswith("the password is taken as right")
    assert stages[5].steps[-1].source.startswith("login tammy@example.test (LOGIN, ")


@pytest.mark.parametrize("service", ["smtps", "submissions"])
def test_listeners_that_begin_with_tls(place, service):
    stages = ask(place, service=service, login=TAMMY, sender=TAMMY)
    assert [(stage.name, stage.is_refused) for stage in stages] == [
        ("tls", False), ("connect", False), ("auth", False), ("mail", False),
    ]  # fmt: skip
    assert stages[0].reply == b""  # as a session there: the greeting comes behind the handshake
    os.unlink(place.server_certificate)
    (stage,) = ask(place, service=service, login=TAMMY)
    assert (stage.name, stage.is_refused, stage.reply) == ("tls", True, b"")


def test_without_a_certificate(place):
    os.unlink(place.server_certificate)
    stages = ask(place, is_tls=True, login=TAMMY)
    assert (stages[-1].name, stages[-1].code, stages[-1].decided_by) == ("tls", 454, "tls")
    assert stages[-1].steps[-1].source == "control/servercert.pem (no such file)"


def test_where_tls_is_denied(place):
    control(place, "tcp.smtp", ':allow,DENY_TLS="1"\n')
    stage = ask(place, is_tls=True)[-1]
    assert (stage.code, stage.steps[-1].source) == (
        502, 'control/tcp.smtp:1 :allow,DENY_TLS="1": STARTTLS is not offered',
    )  # fmt: skip


def test_no_password_in_the_clear(place):
    stage = ask(place, login=TAMMY)[-1]
    assert (stage.name, stage.code) == ("auth", 538)
    assert stage.steps[-1].question == "session.force_tls"
    assert "in the clear" in stage.steps[-1].source
    assert stage.advice.id == "tls_first"


@pytest.mark.parametrize(
    ("rules", "smtpauth", "reason"),
    [
        (":allow\n", "", "control/smtpauth names no source"),
        (':allow,SMTPAUTH="-"\n', "vpopmail\n", "SMTPAUTH"),
    ],
)
def test_where_nobody_can_log_in(place, rules, smtpauth, reason):
    control(place, "tcp.smtp", rules)
    control(place, "smtpauth", smtpauth)
    stage = login_of(place)
    assert stage.code == 503
    assert reason in stage.steps[-1].source


def test_who_is_not_there(place):
    stage = login_of(place, b"nobody@example.test", sender=TAMMY)
    assert (stage.code, stage.steps[-1].answer, stage.decided_by) == (535, NO, "login")


def test_after_too_many_wrong_passwords(place, monkeypatch):
    row = {"address": 0, "network": 0, "total": 0, "block": None, "login": [False, "told"]}
    asked = []

    def counts(_place, ip, account=b""):
        asked.append((ip, account))
        return row

    monkeypatch.setattr(session_module, "gate_counts", counts)
    stage = login_of(place, b"Tammy%example.test", sender=TAMMY)
    assert (stage.code, stage.decided_by) == (454, "too_many_logins")
    assert asked[-1] == (b"192.0.2.7", TAMMY)
    row["login"] = [True, "control/maxbadlogins 10"]
    stage = login_of(place)
    assert (stage.code, stage.steps[0].source) == (235, "control/maxbadlogins 10")


def test_a_mailbox_that_may_not(place):
    path = os.path.join(place.domains, "example.test", "vpasswd")
    with open(path, "rb") as file:
        accounts = vpasswd.parse(file.read()).accounts.values()
    with open(path, "wb") as file:
        file.write(vpasswd.render([a._replace(flags=Flag.NO_SMTP) for a in accounts]))
    os.unlink(path + ".cdb")
    stage = login_of(place)
    assert stage.code == 535
    assert stage.steps[-1].source.endswith("; not allowed")


def test_what_only_a_program_can_tell(place):
    control(place, "smtpauth", "checkpassword\n")
    stages = ask(place, login=b"joe", is_tls=True, sender=TAMMY)
    assert stages[-1].name == "auth"
    assert stages[-1].is_open
    assert stages[-1].steps[-1].answer == UNKNOWN


def test_the_command(place):
    words = ["--root", place.root, "--client", "192.0.2.7", "--service", "submission"]
    words += ["--helo", "x", "--from", "tammy@example.test", "--rcpt", "x@elsewhere.test"]
    done = CliRunner().invoke(trace, [*words, "--tls", "--auth", "tammy@example.test"])
    assert done.exit_code == 0, done.output
    assert "AUTH tammy@example.test\n" in done.output
    assert done.output.endswith("decision: accepted\n")
    refused = CliRunner().invoke(trace, words)
    assert refused.exit_code == 1
    assert "reply: 530 Authorization required" in refused.output
    rows = CliRunner().invoke(trace, [*words, "--tls", "--auth", "nobody@example.test", "--json"])
    ends = [json.loads(line) for line in rows.output.splitlines() if "code" in json.loads(line)]
    assert [(row["stage"], row["code"]) for row in ends][-1] == ("auth", 535)
    assert CliRunner().invoke(trace, ["tammy@example.test", "--auth", "x"]).exit_code == 2


def test_the_command_cannot_tell(place):
    control(place, "smtpauth", "checkpassword\n")
    words = ["--root", place.root, "--client", "127.0.0.1", "--auth", "joe"]
    done = CliRunner().invoke(trace, words)
    assert done.exit_code == 3
    assert "reply: cannot be told" in done.output
    assert done.output.endswith("decision: cannot tell\n")
