"""The classical endings of mail, each produced on a running site against real sockets: `why` names
the cause, in the words of the catalogue."""

import socket

import pytest

from glassmail.explain.why import ask_history, parse_question
from glassmail.explain.why_rows import story_rows
from glassmail.net.ping import answers_ping
from tests.explain.demo import LETTER, Demo
from tests.scenarios.peer import Peer
from tests.scenarios.site import code_of
from tests.scenarios.waiting import until

DEFERRED, FAILED, DELIVERED = ("waiting",), ("failed",), ("delivered",)

# domain -> answers of the server for it, cause, state
PEERS = {
    "nobody.test": ({"RCPT": "550 5.1.1 user unknown"}, "their_no_mailbox", FAILED),
    "norelay.test": ({"RCPT": "550 5.7.1 relaying denied"}, "their_relay", FAILED),
    "full.test": ({"RCPT": "452 4.2.2 mailbox full"}, "their_mailbox_full", DEFERRED),
    "grey.test": ({"RCPT": "451 4.7.1 greylisted, come back later"}, "their_greylist", DEFERRED),
    "big.test": ({".": "552 5.3.4 message too large"}, "their_too_large", FAILED),
    "listed2.test": ({"MAIL": "554 5.7.1 blocked using bl.test"}, "their_blocklist", FAILED),
    "busy.test": ({"greeting": "421 too many connections"}, "their_slots", DEFERRED),
    "spam.test": ({".": "554 5.7.1 this looks like spam"}, "their_policy", FAILED),
    "rate.test": ({"RCPT": "450 4.7.28 rate limit"}, "their_rate", DEFERRED),
    "odd.test": ({"RCPT": "554 no"}, "their_words", FAILED),
    "greeting.test": ({"greeting": "554 go away"}, "their_greeting", DEFERRED),
    "name.test": (
        {"EHLO": "550 who are you", "HELO": "550 who are you"},
        "their_name",
        DEFERRED,
    ),
    "sender.test": ({"MAIL": "550 no"}, "their_sender", FAILED),
    "cut.test": ({"RCPT": None}, "their_hung_up", DEFERRED),
    "mute.test": ({"RCPT": ...}, "their_silence", DEFERRED),
    "late.test": ({".": ...}, "maybe_duplicate", DEFERRED),
}


@pytest.fixture(scope="module")
def demo():
    made = Demo()
    made.peers = {domain: Peer(answers).open_in_thread()
                  for domain, (answers, _cause, _states) in PEERS.items()}  # fmt: skip
    made.silent = socket.create_server(("127.0.0.1", 0), backlog=0)
    full = socket.create_connection(made.silent.getsockname())  # further ones get no answer
    routes = [f"{domain}:{peer.route}" for domain, peer in made.peers.items()]
    routes.append(f"silent2.test:127.0.0.1:{made.silent.getsockname()[1]}")
    made.add("smtproutes", *routes)
    made.site.control("timeoutconnect", "1\n")
    made.site.control("timeoutremote", "1\n")
    made.site.stop()  # settings are looked at once a second: a new server has them at once
    made.site.start()
    try:
        yield made
    finally:
        full.close()
        made.silent.close()
        made.close()
        for peer in made.peers.values():
            peer.shut()


@pytest.mark.covers(
    "fault/their_no_mailbox", "fault/their_relay", "fault/their_mailbox_full",
    "fault/their_greylist", "fault/their_too_large", "fault/their_blocklist", "fault/their_slots",
    "fault/their_policy", "fault/their_rate", "fault/their_words", "fault/their_greeting",
    "fault/their_name", "fault/their_sender", "fault/their_hung_up", "fault/their_silence",
    "fault/maybe_duplicate", "fault/connection_timed_out", "fault/port_25_closed",
)  # fmt: skip
def test_what_other_servers_do(demo):
    for domain in (*PEERS, "silent2.test"):
        demo.hand_in(f"x@{domain}")
    for domain, (_answers, cause, states) in PEERS.items():
        row = demo.why(f"x@{domain}", states)
        assert row["fault"] == cause, row
        assert "127.0.0.1" in row["fault_text"] or domain in row["fault_text"], row
        assert "{" not in row["fault_text"] + row["remedy"]
        assert row["turn"]
        assert bool(row["next_at"]) == (states == DEFERRED)
    row = demo.why("x@silent2.test", DEFERRED)
    assert row["fault"] == "connection_timed_out"
    _found, (case, *_more) = ask_history(demo.place, parse_question("x@silent2.test"))
    for ping, cause in (
        (answers_ping, "port_25_closed" if answers_ping("127.0.0.1") else "connection_timed_out"),
        (lambda _ip: False, "connection_timed_out"),
    ):
        assert [*story_rows(case, ping)][-1]["fault"] == cause


@pytest.mark.covers("fault/mx_partly_dead")
def test_one_of_several_hosts_is_dead(demo):
    peer = Peer(host="127.0.0.2").open_in_thread()
    try:
        demo.add("smtproutes", f"pair.test:two.test:{peer.port}")
        demo.site.stop()
        demo.site.start()
        causes = set()
        for number in range(40):  # equal hosts are drawn by lot: soon the dead one comes first
            demo.hand_in(f"x{number}@pair.test")
            row = demo.why(f"x{number}@pair.test", DELIVERED)
            causes.add(row["fault"])
            if row["fault"]:
                assert "pair.test is dead: 127.0.0.1 port" in row["fault_text"]
                break
        assert "mx_partly_dead" in causes
    finally:
        peer.shut()


@pytest.mark.covers("fault/too_old")
def test_a_message_that_grows_too_old(demo):
    demo.site.control("queuelifetime", "0\n")
    demo.site.control("smtproutes", (demo.site.root / "control" / "smtproutes").read_text()
                      + f"old.test:{demo.peers['grey.test'].route}\n")  # fmt: skip
    demo.site.stop()
    demo.site.start()
    try:
        until(lambda: demo.send("fred@local.test") == 250, "it serves again")
        demo.hand_in("x@old.test")
        number = demo.why("x@old.test", DEFERRED)["message"]

        def is_failed():
            demo.site.glass("queue", "retry", str(number), code=None)
            return demo.site.json("why", f"#{number}")[-1]["state"] == "failed"

        until(is_failed, "it is older than a second")
        row = demo.why("x@old.test", FAILED)
        assert row["fault"] == "too_old"
        assert "greylisted" in row["text"]
    finally:
        demo.site.control("queuelifetime", None)
        demo.site.stop()
        demo.site.start()


@pytest.mark.covers("fault/bounce_undeliverable")
def test_a_bounce_to_a_dead_sender(demo):
    demo.site.historical(
        "qmail-inject", "-a", "-fdead@nobody.test", "fred-none@local.test", input=LETTER
    )
    row = demo.why("dead@nobody.test", FAILED)
    assert row["fault"] == "bounce_undeliverable"
    assert "see that control/checkrecipients is 1" in row["remedy"]  # it may be so already
    assert "postmaster" in row["turn"]


@pytest.mark.covers("fault/loop_here")
def test_a_loop(demo):
    demo.put(".qmail-circle", "./Maildir/\n")
    letter = b"Delivered-To: fred-circle@local.test\nSubject: x\n\nx\n"
    demo.site.historical("qmail-inject", "-a", "-fsender@src.test", "fred-circle@local.test",
                         input=letter)  # fmt: skip
    row = demo.why("fred-circle@local.test", FAILED)
    assert row["fault"] == "loop_here"


@pytest.mark.covers("fault/program_crashed", "fault/program_slow")
def test_programs_that_are_killed_are_not_quoted(demo):
    demo.site.control("timeoutprogram", "1\n")
    demo.reload()
    try:
        for name, line, cause in (
            ("crash", "| echo some words; kill -9 $$", "program_crashed"),
            ("slow", "| echo some words; sleep 60", "program_slow"),
        ):
            demo.put(f".qmail-{name}", f"{line}\n")
            assert demo.send(f"fred-{name}@local.test") == 250
            row = demo.why(f"fred-{name}@local.test", DEFERRED)
            assert row["fault"] == cause, row
            assert f".qmail-{name}" in row["fault_text"]
            assert "some words" in row["text"]
    finally:
        demo.site.control("timeoutprogram", None)
        demo.reload()


@pytest.mark.covers("fault/program_said", "fault/program_deferred", "fault/program_refused")
def test_programs_that_fail_are_told_with_their_output(demo):
    for name, line, states, cause in (
        ("no", "| echo the cat says no; exit 100", FAILED, "program_said"),
        ("later", "| echo the database sleeps; exit 111", DEFERRED, "program_deferred"),
        ("dumb", "| exit 100", FAILED, "program_refused"),
    ):
        demo.put(f".qmail-{name}", f"{line}\n")
        assert demo.send(f"fred-{name}@local.test") == 250
        row = demo.why(f"fred-{name}@local.test", states, is_tried=name != "dumb")
        assert row["fault"] == cause, row
        assert f".qmail-{name}" in row["fault_text"]
        words = {"no": "the cat says no", "later": "the database sleeps", "dumb": ""}[name]
        assert words in row["fault_text"]


def refusal(demo, sender):
    """The fault of the one refusal of a sender's mail."""

    def ask():
        rows = demo.site.json("why", "--no-dns", sender, code=None)
        return [row["fault"] for row in rows if row.get("state", "").startswith("refused")]

    return until(ask, f"a refusal of {sender}")[0]


@pytest.mark.covers("fault/too_large", "fault/line_ends", "fault/too_many_hops")
def test_what_sessions_refuse(demo):
    demo.site.control("databytes", "10\n")
    try:
        until(lambda: demo.send("fred@local.test") == 552, "the setting is seen")
        assert demo.why("fred@local.test", ("refused",))["fault"] == "too_large"
    finally:
        demo.site.control("databytes", None)
    until(lambda: demo.send("fred@local.test") == 250, "the setting is seen")
    with demo.site.client() as client:
        client.ehlo()
        client.mail("hops@src.test")
        client.rcpt("fred@local.test")
        assert client.data(b"Received: x\r\n" * 100 + b"\r\nx\r\n")[0] == 554
    assert refusal(demo, "hops@src.test") == "too_many_hops"
    with socket.create_connection(("127.0.0.1", demo.site.smtp_port), 20) as sock:
        for line in (b"", b"HELO x\r\n", b"MAIL FROM:<lf@src.test>\r\n",
                     b"RCPT TO:<fred@local.test>\r\n", b"DATA\r\n", b"a\nb\r\n.\r\n"):  # fmt: skip
            sock.sendall(line)
            said = sock.recv(1_000)
        assert said.startswith(b"451 See https://cr.yp.to")
    assert refusal(demo, "lf@src.test") == "line_ends"


def timed_out(demo, address):
    """Connect and say nothing; return the address when the server has hung up within 4 s."""
    with socket.create_connection(("127.0.0.1", demo.site.smtp_port), 4,
                                  source_address=(address, 0)) as sock:  # fmt: skip
        sock.recv(1_000)
        try:
            return address if sock.recv(1_000).startswith(b"451 timeout") else ""
        except TimeoutError:
            return ""  # a session that began before the setting was seen


@pytest.mark.covers("fault/too_many_errors", "fault/client_silent", "fault/scanner_refused")
def test_sessions_that_end_badly(demo):
    with demo.site.client() as client:
        client.ehlo()
        client.mail("junk@src.test")
        codes = []
        while codes[-1:] != [421] and len(codes) < 100:
            codes.append(client.docmd("FOO")[0])
    assert codes[-1] == 421
    rows = demo.site.json("why", "127.0.0.1", "--from", "junk@src.test", code=None)
    assert "too_many_errors" in {row.get("fault") for row in rows}, rows
    program = demo.site.base / "scanner"
    program.write_text("#!/bin/sh\nexit 31\n")
    program.chmod(0o755)
    rules = (demo.site.root / "control" / "tcp.smtp").read_text()
    demo.site.control("tcp.smtp", f'127.0.0.44:allow,QMAILQUEUE="{program}"\n{rules}')
    demo.site.control("timeoutsmtpd", "1\n")
    try:
        def send():
            with socket.create_connection(("127.0.0.1", demo.site.smtp_port), 20,
                                          source_address=("127.0.0.44", 0)) as sock:  # fmt: skip
                for line in (b"", b"HELO x\r\n", b"MAIL FROM:<virus@src.test>\r\n",
                             b"RCPT TO:<fred@local.test>\r\n", b"DATA\r\n", b"x\r\n.\r\n"):
                    sock.sendall(line)
                    said = sock.recv(1_000)
                return said

        replies = []
        until(lambda: replies.append(send()) or replies[-1].startswith(b"554"), "the rule is seen")
        row = demo.why(code_of(replies[-1].decode()), ("refused",))
        assert row["fault"] == "scanner_refused"
        addresses = (f"127.0.0.{number}" for number in range(45, 255))
        silent = until(lambda: timed_out(demo, next(addresses)), "the time limit is seen")
        rows = until(lambda: [row for row in demo.site.json("why", silent, code=None)
                              if row.get("fault") == "client_silent"], "it is told")  # fmt: skip
        assert rows
    finally:
        demo.site.control("tcp.smtp", rules)
        demo.site.control("timeoutsmtpd", None)


@pytest.mark.covers("fault/client_cut_off", "fault/client_only_asked")
@pytest.mark.parametrize(
    ("last", "fault", "stage"),
    [(b"DATA\r\nSubject: half of it\r\n", "client_cut_off", "data"),
     (b"QUIT\r\n", "client_only_asked", "rcpt")],
)  # fmt: skip
def test_a_message_that_was_begun_is_found_by_its_addresses(demo, last, fault, stage):
    sender = f"{stage}@begun.test"
    with socket.create_connection(("127.0.0.1", demo.site.smtp_port), 20) as sock:
        for line in (b"", b"HELO x\r\n", b"MAIL FROM:<%b>\r\n" % sender.encode(),
                     b"RCPT TO:<fred@local.test>\r\n", last):  # fmt: skip
            sock.sendall(line)
            assert sock.recv(1_000)[:1] in {b"2", b"3"}
    rows = until(lambda: [row for row in demo.site.json("why", "--no-dns", sender, code=None)
                          if row["kind"] == "verdict"], "it is told")  # fmt: skip
    (row,) = rows
    assert (row["recipient"], row["state"], row["fault"]) == ("fred@local.test", "no mail", fault)
    rows = demo.site.json("why", "--from", sender, "--to", "fred@local.test")
    (end,) = [row for row in rows if row["kind"] == "session_end"]
    assert (end["sender"], end["recipients"], end["stage"]) == (sender, ["fred@local.test"], stage)
    text = demo.site.glass("why", sender)
    assert f"from <{sender}> to <fred@local.test>: it " in text
    rows = demo.site.json("why", sender, "--as", "fred@local.test")
    assert [row["recipient"] for row in rows if row["kind"] == "verdict"] == ["fred@local.test"]
    assert demo.site.json("why", sender, "--as", "ann@local.test", code=1)


@pytest.mark.covers("fault/client_hung_up")
def test_a_client_that_hangs_up(demo):
    with socket.create_connection(("127.0.0.1", demo.site.smtp_port), 20) as sock:
        assert sock.recv(100).startswith(b"220")
        sock.sendall(b"EHLO gone.test\r\n")
        sock.recv(1_000)
    rows = until(lambda: [row for row in demo.site.json("why", "127.0.0.1", code=None)
                          if row.get("state") == "no mail"], "the session is told")  # fmt: skip
    assert rows
