"""Real and awkward messages arrive byte for byte, dot-stuffing and line ends aside."""

import random
import re

import pytest

from tests.scenarios.site import BOB, TAMMY
from tests.scenarios.waiting import until
from tests.shared import CORPUS

# What a delivery puts in front: qmail-local's two lines, the queue's, smtpd's.
STAMPS = re.compile(
    rb"Return-Path: <[^\n]*>\nDelivered-To: [^\n]+\n"
    rb"Received: \(qmail \d+ invoked from network\); \d\d? \w{3} \d{4} \d\d:\d\d:\d\d -0000\n"
    rb"Received: from [^\n]+\n  by mx\.example\.test with SMTP \(trace [0-9A-Z/-]+\); "
    rb"[^\n]+ -0000\n"
)
SEED = 20_261_120


def wire(data):
    return data.replace(b"\n", b"\r\n")


def kept(data):
    """What of a message must arrive: DATA always ends with a line end."""
    return data if data.endswith(b"\n") else data + b"\n"


def without_stamps(message):
    found = STAMPS.match(message)
    assert found, message[:600]
    return message[found.end() :]


def long_lines():
    line = bytes(32 + at % 95 for at in range(998)).replace(b".", b"x")
    return b"Subject: long lines\n\n" + b"".join(line[at:] + line[:at] + b"\n" for at in range(60))


def attachment():
    """About 20 MB of base64 in lines of 76, as mail programs write it."""
    generator = random.Random(SEED)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    block = b"".join(bytes(generator.choices(alphabet, k=76)) + b"\n" for _ in range(2_000))
    head = (
        b"Subject: 20 MB\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
    )
    return head + block * 130 + b"--b--\n"


GENERATED = {
    "non-ASCII header": "Subject: Grüße aus 東京\nFrom: Jürgen <j@src.test>\n\ntext\n".encode(),
    "Latin-1 header": b"Subject: Gr\xfc\xdfe\nX-Raw: \x80\xff\xfe\n\ntext\n",
    "8-bit body": b"Subject: bytes\n\n"
    + bytes(b for b in range(1, 256) if b not in (10, 13))
    + b"\n",
    "NUL": b"Subject: nul\n\na\0b\0\n",
    "no final newline": b"Subject: open end\n\nlast words",
    "leading dots": b"Subject: dots\n\n.\n..\n...\n.end\n\n.\n",
    "a dot alone last": b"Subject: dot\n\n.",
    "lines of 998 bytes": long_lines(),
    "empty body": b"Subject: empty\n\n",
    "header only": b"Subject: header only\n",
    "body only": b"\nno header at all\n",
    "blank lines last": b"Subject: blanks\n\ntext\n\n\n\n",
    "more than a row holds": b"Subject: 200 kB\n\n" + b"0123456789abcde\n" * 12_800,
    "all that a row holds": b"Subject: row\n\n" + b"x" * 60 + b"\n" + b"0123456\n" * 16_374,
    "20 MB attachment": attachment(),
}


@pytest.mark.parametrize("name", GENERATED)
def test_a_made_message_arrives(site, name):
    before = set(site.files(TAMMY))
    site.send(TAMMY, wire(GENERATED[name]), options=["BODY=8BITMIME"])
    (fresh,) = until(lambda: set(site.files(TAMMY)) - before, "it arrives")
    assert without_stamps(fresh.read_bytes()) == kept(GENERATED[name])


def test_the_null_sender_stays_null(site):
    before = set(site.files(TAMMY))
    site.send(TAMMY, b"Subject: null sender\r\n\r\nx\r\n", sender="")
    (fresh,) = until(lambda: set(site.files(TAMMY)) - before, "it arrives")
    assert fresh.read_bytes().startswith(b"Return-Path: <>\n")


def test_the_corpus_arrives(site):
    """All real-world messages, in a few sessions as a client would send them."""
    if not (CORPUS / "mime").is_dir():
        pytest.skip(f"no corpus at {CORPUS}: it is kept outside of the checkout")
    messages = {}
    for path in sorted((CORPUS / "mime").glob("*.eml")):
        data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        messages[path.name] = data
    assert len(messages) >= 30
    before = set(site.files(BOB))
    with site.client() as client:
        client.ehlo()
        for name, data in messages.items():
            assert client.mail(f"{name}@src.test", ["BODY=8BITMIME"])[0] == 250
            assert client.rcpt(BOB)[0] == 250
            assert client.data(wire(data))[0] == 250, name
    fresh = until(
        lambda: (now := set(site.files(BOB)) - before) and len(now) >= len(messages) and now,
        "the corpus arrives",
    )
    arrived = {}
    for path in fresh:
        message = path.read_bytes()
        name = re.match(rb"Return-Path: <(.+)@src\.test>\n", message)[1].decode()
        arrived[name] = without_stamps(message)
    assert {name: arrived[name] == kept(messages[name]) for name in messages} == dict.fromkeys(
        messages, True
    )


def test_a_thousand_recipients_each_get_it(site):
    names = [f"tammy-{number}@example.test" for number in range(1_000)]
    before = set(site.files(TAMMY))
    site.send(names, wire(GENERATED["8-bit body"]), options=["BODY=8BITMIME"])
    fresh = until(
        lambda: (now := set(site.files(TAMMY)) - before) and len(now) >= 1_000 and now,
        "a thousand deliveries",
        30.0,
    )
    for path in fresh:
        assert without_stamps(path.read_bytes()) == GENERATED["8-bit body"]
    site.until_empty()
    assert len(set(site.files(TAMMY)) - before) == 1_000
