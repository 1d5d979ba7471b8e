"""`glass why` with what a person has in hand, taken from a site that really worked."""

import json
import re

import pytest

from tests.scenarios.peer import Peer
from tests.scenarios.site import ONE_USER, TAMMY, Site, code_of
from tests.scenarios.waiting import until

LETTER = (
    b"Message-ID: <hand.1@src.test>\r\nFrom: boss@src.test\r\nSubject: hello\r\n"
    b"Received: from pc.src.test (10.0.0.9) by mx.src.test with ESMTP id Zz1aB2c3; "
    b"20 Nov 2026 11:00:00 -0000\r\n\r\nbody\r\n"
)


@pytest.fixture(scope="module")
def site():
    peer = Peer({"RCPT": lambda line: b"550 5.1.1 no such user\r\n" if b"gone@" in line
                 else "250 ok"}).open_in_thread()  # fmt: skip
    made = Site(ONE_USER)
    try:
        made.control("smtproutes", f"far.test:{peer.route}\n")
        made.control("tcp.smtp", ":allow\n")  # nobody may relay
        made.start()
        yield made
    finally:
        made.close()
        peer.shut()


@pytest.fixture(scope="module")
def told(site):
    """What is in hand after a delivery here, one elsewhere, one that fails, and a refusal."""
    with site.client() as client:
        client.ehlo()
        client.mail("boss@src.test")
        client.rcpt(TAMMY)
        code, said = client.data(LETTER)
        assert code == 250
    (letter,) = site.arrived(TAMMY)
    site.historical("qmail-inject", "-a", f"-f{TAMMY}", "joe@far.test", input=b"Subject: x\n\nx\n")
    site.historical("qmail-inject", "-a", f"-f{TAMMY}", "gone@far.test", input=b"Subject: y\n\ny\n")
    bounce = until(lambda: [text for text in site.messages(TAMMY) if b"gone@far.test" in text],
                   "the bounce is there")[0]  # fmt: skip
    with site.client() as client:
        client.ehlo()
        client.mail("boss@src.test")
        refusal = client.rcpt("x@elsewhere.test")
        assert refusal[0] == 553
    path = next(path for path in site.files(TAMMY) if path.read_bytes() == letter)
    until(lambda: len([line for line in site.log_lines() if line.startswith("end msg")]) >= 4,
          "all is logged")  # fmt: skip
    log = "".join(file.read_text() for file in (site.root / "log" / "send").glob("current"))
    until(lambda: ask(site, f"{refusal[0]} {refusal[1].decode()}")[0]["kind"] == "reading",
          "the refusal is known")  # fmt: skip
    return {
        "said": f"250 {said.decode()}", "letter": letter.decode(), "bounce": bounce.decode(),
        "refusal": f"553 {refusal[1].decode()}", "path": str(path), "log": log.splitlines(),
        "number": int(re.search(r"\(qmail ([0-9]+) invoked", letter.decode())[1]),
    }  # fmt: skip


def ask(site, text, *more):
    """Paste a text into `glass why -`; return its objects."""
    words = site.runner.glass("why", "-", "--json", "--no-dns", "--root", str(site.root), *more)
    done = site.runner.run(words, input=text.encode())
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def verdict(rows):
    return [(row["recipient"], row["state"]) for row in rows if row["kind"] == "verdict"]


DELIVERED = [(TAMMY, "delivered")]


def test_the_reply_and_names_of_a_message(site, told):
    for text in (told["said"], code_of(told["said"]), f"#{told['number']}", str(told["number"]),
                 "<hand.1@src.test>", "Message-ID: <hand.1@src.test>"):  # fmt: skip
        assert verdict(ask(site, text)) == DELIVERED, text


def test_the_file_and_its_header(site, told):
    rows = site.json("why", told["path"])
    assert verdict(rows) == DELIVERED
    hops = [row for row in rows if row["kind"] == "hop"]
    assert [hop["by"] for hop in hops] == ["mx.src.test", "mx.example.test", ""]
    assert [hop["is_vouched"] for hop in hops] == [False, True, True]
    assert hops[1]["delay_s"] > 0
    rows = ask(site, told["letter"])
    assert verdict(rows) == DELIVERED
    assert [row["is_vouched"] for row in rows if row["kind"] == "hop"] == [False, True, True]
    text = site.glass("why", told["path"])
    assert "can vouch for" in text
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80  # paths are whole


def test_log_lines(site, told):
    number = told["number"]
    for pattern, expected in (
        (rf"starting delivery [0-9]+: msg {number} ", DELIVERED),
        (rf"info msg {number}:", DELIVERED),
        (rf"end msg {number}$", DELIVERED),
        (r"to remote joe@far.test", [("joe@far.test", "delivered")]),
        (r"queued_as_ABC123", [("joe@far.test", "delivered")]),
    ):
        line = next(line for line in told["log"] if re.search(pattern, line))
        assert verdict(ask(site, line)) == expected, line
    failed = next(line for line in told["log"] if "failure:" in line)
    assert ("gone@far.test", "failed") in verdict(ask(site, failed))
    refused = next(line for line in site.log_lines("smtpd") if line.startswith("refused"))
    assert verdict(ask(site, refused)) == [("x@elsewhere.test", "refused")]


def test_another_servers_id_and_error(site, told):
    assert verdict(ask(site, "ABC123")) == [("joe@far.test", "delivered")]
    assert verdict(ask(site, "250 2.0.0 queued as ABC123")) == [("joe@far.test", "delivered")]
    rows = ask(site, told["bounce"])
    assert ("gone@far.test", "failed") in verdict(rows)
    assert verdict(ask(site, told["refusal"])) == [("x@elsewhere.test", "refused")]
    rows = ask(site, "550 5.1.1 <gone@far.test>: no such user")
    assert ("gone@far.test", "failed") in verdict(rows)


def test_filters(site, told):
    del told
    rows = site.json("why", "--from", TAMMY, "--to", "gone@far.test")
    assert ("gone@far.test", "failed") in verdict(rows)
    rows = site.json("why", "127.0.0.1", "--to", "@elsewhere.test")
    assert verdict(rows) == [("x@elsewhere.test", "refused")]
    assert site.json("why", "--no-dns", "--from", "boss@src.test", "--to", "nobody@x.test",
                     code=1)[0]["kind"] == "nothing"  # fmt: skip
