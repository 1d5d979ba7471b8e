"""Trails and what they mean, where no running site is needed."""

import pytest

from glassmail.core.model import remote_texts
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.explain.advice import of_delivery, of_refusal
from glassmail.explain.connections import of_detour, silent_addresses
from tests.covers import row

ADDRESS = b"x@far.test"


def connect(ip, answer, source):
    return Step("remote.connect", f"{ip} port 25 (mx.far.test)".encode(), answer, source)


REFUSED = connect("192.0.2.1", NO, "Connection refused")
SILENT = connect("192.0.2.2", NO, "no answer within 60 s")
NO_WAY = connect("2001:db8::1", NO, "Network is unreachable")
PASSED = Step("remote.timed_out", b"192.0.2.3", YES, "3 times, last 9 seconds ago: passed over")
TAKEN = connect("192.0.2.4", YES, "a new connection")


@pytest.mark.covers("fault/no_connection", "fault/network_unreachable")
@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ((REFUSED,), "connection_refused"),
        ((REFUSED, REFUSED), "connection_refused"),
        ((SILENT,), "connection_timed_out"),
        ((SILENT, PASSED), "connection_timed_out"),
        ((PASSED,), "connection_timed_out"),
        ((NO_WAY,), "network_unreachable"),
        ((REFUSED, SILENT), "no_connection"),
        ((REFUSED, PASSED), "no_connection"),
        ((), "no_connection"),
    ],
)
def test_why_no_server_was_reached(steps, cause):
    found = of_delivery(steps, remote_texts.NO_CONNECTION.text, ADDRESS)
    assert found.id == cause
    if steps and cause != "no_connection":
        assert steps[0].subject.decode().split(" ")[0] in found.fault


def test_a_detour_is_named():
    assert of_detour((SILENT, TAKEN), "x@far.test", "far.test").id == "mx_partly_dead"
    assert of_detour((PASSED, TAKEN), "x@far.test", "far.test").id == "mx_partly_dead"
    assert of_detour((TAKEN,), "x@far.test", "far.test").id == ""
    assert of_detour((SILENT,), "x@far.test", "far.test").id == ""
    assert silent_addresses((REFUSED, SILENT, TAKEN)) == ["192.0.2.2"]


@pytest.mark.covers(
    "fault/client_denied", "fault/badmailfrom", "fault/badrcptto", "fault/badhelo",
    "fault/sender_domain", "fault/dns_soft", "fault/rcptcheck", "fault/rcptcheck_broken",
    "fault/validrcptto", "fault/recipients_list", "fault/too_many_recipients",
    "fault/local_sender", "fault/relay_forms", "fault/tarpitted", "fault/guessing",
)  # fmt: skip
@pytest.mark.parametrize(
    ("question", "answer", "cause"),
    [
        ("session.client-rule", NO, "client_denied"),
        ("session.badmailfrom", YES, "badmailfrom"),
        ("session.badrcptto", YES, "badrcptto"),
        ("session.badhelo", YES, "badhelo"),
        ("session.mfcheck", NO, "sender_domain"),
        ("session.mfcheck", UNKNOWN, "dns_soft"),
        ("session.helocheck", UNKNOWN, "dns_soft"),
        ("session.rcptcheck", NO, "rcptcheck"),
        ("session.rcptcheck", UNKNOWN, "rcptcheck_broken"),
        ("session.validrcptto", NO, "validrcptto"),
        ("session.recipients", NO, "recipients_list"),
        ("session.databytes", NO, "too_large"),
        ("session.declared-size", NO, "too_large"),
        ("session.hops", NO, "too_many_hops"),
        ("session.greetdelay", NO, "pre_greet"),
        ("session.maxrcpt", NO, "too_many_recipients"),
        ("session.localmfcheck", NO, "local_sender"),
        row("fault/refused_by_rule", "session.rblsmtpd", YES, "refused_by_rule"),
        row("fault/tls_first", "session.force_tls", NO, "tls_first"),
        row("fault/login_first", "session.authorization", NO, "login_first"),
        row("fault/security_variables", "session.security", NO, "security_variables"),
        row("fault/tls_failed", "session.tls", NO, "tls_failed"),
        row("fault/login_unknown", "session.login", UNKNOWN, "login_unknown"),
        ("session.relayrej", YES, "relay_forms"),
        ("session.tarpit", NO, "tarpitted"),
        ("session.invalid-recipients", NO, "guessing"),
        ("session.line-ends", NO, "line_ends"),
        ("session.patience", NO, "client_silent"),
        ("session.queue-program", NO, "scanner_refused"),
    ],
)
def test_what_a_refusal_rests_on(question, answer, cause):
    step = Step(question, b"joe@here.test", answer, "control/list:3 joe@here.test")
    found = of_refusal((step,), b"joe@here.test", 553)
    assert found.id == cause
    assert "{" not in found.fault + found.sentence


@pytest.mark.parametrize(
    ("steps", "user"),
    [
        ((Step("routing.assign", b"joe-x", YES, "users/cdb +joe-"),), "the user of +joe-"),
        ((Step("routing.account", b"joe", YES, "password database"),), "joe"),
        ((Step("routing.alias", b"x", "alias", "users/daemons"),), "the alias user"),
        ((), "its user"),
    ],
)
def test_who_a_delivery_runs_as(steps, user):
    closed = (*steps, Step("routing.home", b"/home/joe", UNKNOWN, "access denied"))
    text = b"Unable to switch to /home/joe: access denied. (#4.3.0)\n"
    assert of_delivery(closed, text, ADDRESS).fault.startswith(f"{user} may not enter")
    assert of_delivery(closed, text, ADDRESS, user="bob").fault.startswith("bob may not enter")


HOME = Step("routing.home", b"/home/joe", YES, "owner 7:7, mode 0755")


@pytest.mark.parametrize(
    ("question", "source", "text", "fault"),
    [
        ("delivery.maildir", "no such file or directory", "Unable to chdir to maildir. (#4.2.1)",
         "mailbox_closed"),
        ("delivery.maildir", "not a directory", "Unable to chdir to maildir. (#4.2.1)",
         "mailbox_broken"),
        ("delivery.maildir", "no space left on device: /home/joe/box/tmp",
         "Temporary error on maildir delivery. (#4.3.0)", "mailbox_broken"),
        ("delivery.mbox", "Unable to open ./box: is a directory. (#4.2.1)",
         "Unable to open ./box: is a directory. (#4.2.1)", "mbox_closed"),
    ],
)  # fmt: skip
def test_mailboxes_that_took_no_mail(question, source, text, fault):
    steps = (HOME, Step(question, b"./box", NO, source))
    found = of_delivery(steps, text.encode() + b"\n", ADDRESS, "Z")
    assert found.id == fault
    assert found.fault.startswith(("the mailbox /home/joe/box", "the mbox /home/joe/box"))
    assert "Unable" not in found.fault
    assert "(#" not in found.fault


def test_without_steps_the_words_decide():
    report = b"192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n"
    assert of_delivery((), report, ADDRESS).id == "their_no_mailbox"
    assert of_delivery((), b"Sorry, no mailbox here by that name. (#5.1.1)\n", ADDRESS).id == (
        "no_mailbox"
    )
    assert of_delivery((), b"hello\n", ADDRESS).id == ""
    reply = b"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"
    assert of_refusal((), ADDRESS, 553, reply).id == "relay_denied"
