"""The mail that never came, on a running site with a DNS server of its own."""

import smtplib
import socket

import pytest

from tests.explain.demo import Demo
from tests.scenarios.waiting import until


@pytest.fixture(scope="module")
def demo():
    made = Demo()
    try:
        yield made
    finally:
        made.close()


def nearby(demo, *words):
    rows = demo.site.json("why", *words, code=1)
    return (
        next(row for row in rows if row["kind"] == "nearby"),
        [row for row in rows if row["kind"] == "visit"],
    )


@pytest.mark.covers("fault/nobody_connected", "fault/sender_unknown")
def test_nobody_connected(demo):
    head, visits = nearby(demo, "--from", "joe@far.test", "--to", "fred@local.test")
    assert (head["about"], head["fault"], visits) == ("far.test", "nobody_connected", [])
    assert {"low": "198.51.100.9", "high": "198.51.100.9", "reason": "MX mx.far.test"} in head[
        "networks"
    ]
    assert [one["address"] for one in head["alone"]] == ["joe@far.test", "fred@local.test"]
    head, _visits = nearby(demo, "nobody-wrote@local.test")
    assert head["fault"] == "sender_unknown"
    text = demo.site.glass("why", "joe@far.test", code=1)
    assert "none of them connected" in text
    assert "the history covers" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.covers("fault/name_unknown")
@pytest.mark.parametrize("asked", ["99999", "#99999", "4XyZ12zzz9"])
def test_what_only_names_a_message_is_not_asked_for_a_sender(demo, asked):
    head, visits = nearby(demo, asked)
    assert (head["about"], head["fault"], visits) == ("", "name_unknown", [])
    text = demo.site.glass("why", asked, code=1)
    assert "sessions in the days" not in text
    assert text.count("fault") == 1


@pytest.mark.covers("fault/client_unseen")
def test_a_client_that_did_not_connect(demo):
    head, visits = nearby(demo, "203.0.113.200")
    assert (head["about"], head["fault"], visits) == ("203.0.113.200", "client_unseen", [])
    assert head["command"] == "glass trace --client 203.0.113.200"


def test_a_known_error_text_is_not_followed_by_a_question(demo):
    text = demo.site.glass("why", "X-Qmail-Scanner-2.08st: [mx11234] parent process died", code=1)
    assert "the scanner's parent process died" in text
    assert text.count("fault") == 1


def test_a_span_of_time_is_part_of_the_answer(demo):
    first = demo.site.glass("why", "--no-dns", "x@far.test", "--since", "1h", code=1).split("\n")[0]
    assert first.startswith("nothing is known about x@far.test from 20")


@pytest.mark.covers("fault/only_refused", "fault/only_broken", "fault/others_came")
def test_visits_of_the_senders_networks(demo):
    """127.6.0.13 is in SPF's ip4, 127.5.0.3 in the /28 of an included a, 127.9.1.1 in the rest."""
    site = demo.site
    with socket.create_connection(
        ("127.0.0.1", site.smtp_port), 20, source_address=("127.9.1.1", 0)
    ) as sock:
        assert sock.recv(99).startswith(b"220")
    until(lambda: nearby(demo, "x@away.test")[1], "the visit is known")
    head, (visit,) = nearby(demo, "x@away.test")
    assert (visit["client"], visit["reason"]) == ("127.9.1.1", "SPF of more.test")
    assert (visit["broken"], head["fault"]) == (1, "only_broken")

    def send(source, recipient):
        with smtplib.SMTP("127.0.0.1", site.smtp_port, "h.test", 60, (source, 0)) as client:
            client.ehlo()
            client.mail("other@elsewhere.test")
            code = client.rcpt(recipient)[0]
            return code if code != 250 else client.data(b"Subject: x\r\n\r\nx\r\n")[0]

    assert send("127.6.0.13", "x@not-ours.test") == 553
    until(lambda: len(nearby(demo, "x@away.test")[1]) == 2, "the refusal is known")
    head, visits = nearby(demo, "x@away.test")
    assert (visits[0]["client"], visits[0]["reason"]) == ("127.6.0.13", "SPF of away.test")
    assert head["fault"] == "only_refused"
    assert head["command"] == "glass why 127.6.0.13"
    assert send("127.5.0.3", "fred@local.test") == 250
    until(lambda: len(nearby(demo, "x@away.test")[1]) == 3, "the message is known")
    head, visits = nearby(demo, "x@away.test")
    assert head["fault"] == "others_came"
    assert visits[0]["reason"] == "SPF mx.away.test"
    text = site.glass("why", "x@away.test", code=1)
    assert "127.6.0.13" in text
    assert "SPF of away.test" in text


def test_without_dns_past_mail_tells_the_networks(demo):
    with smtplib.SMTP("127.0.0.1", demo.site.smtp_port, "h.test", 60, ("127.0.7.7", 0)) as client:
        client.ehlo()
        client.mail("boss@past.test")
        client.rcpt("fred@local.test")
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    until(lambda: nearby(demo, "--no-dns", "clerk@past.test")[1], "the session is known")
    head, (visit,) = nearby(demo, "--no-dns", "clerk@past.test")
    assert (head["past"], visit["client"], visit["reason"]) == (1, "127.0.7.7", "past mail")


def test_a_clients_neighbours(demo):
    _head, visits = nearby(demo, "127.5.0.77")
    assert {visit["client"] for visit in visits} == {"127.5.0.3"}
