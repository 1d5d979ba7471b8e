import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.route.autoreply import Reply, find_named, make_reply, read_fields, why_silent

OWN = [b"tammy@example.test"]
SENDER = b"ann@src.test"
HEADER = b"""Received: by x
From: Ann <ann@src.test>
To: "Tammy" <Tammy@Example.test>, other@x.test
Subject: lunch
 today
Message-ID: <1@src.test>

body
"""


def silent(more=b"", sender=SENDER, own=OWN, **options):
    return why_silent(read_fields(more + HEADER), sender, own, **options)


def test_a_person_s_mail_is_answered():
    assert silent() == ""
    assert silent(b"Auto-Submitted: no\n") == ""
    assert silent(b"Precedence: first-class\n") == ""


@pytest.mark.parametrize(
    "sender",
    [b"", b"#@[]", b"list-@x.test-@[]", b"MAILER-DAEMON@src.test", b"owner-list@src.test",
     b"list-owner@src.test", b"list-request@src.test", b"no-reply@src.test", b"Tammy@Example.TEST",
     b"list-return-5-tammy=example.test@src.test", b"list-bounces+tammy=example.test@src.test",
     b"list-bounces@src.test", b"a b@src.test", b"a" * 320 + b"@src.test", b"\xe9@src.test"],
)  # fmt: skip
def test_senders_that_are_no_persons(sender):
    assert silent(sender=sender)


@pytest.mark.parametrize(
    "field",
    [b"Auto-Submitted: auto-replied", b"Auto-submitted: auto-generated; x=y", b"List-Id: <l.x>",
     b"List-Unsubscribe: <mailto:x>", b"Mailing-List: contact x", b"Precedence: bulk",
     b"Precedence: LIST", b"X-Auto-Response-Suppress: DR, OOF", b"X-Spam-Flag: YES"],
)  # fmt: skip
def test_fields_that_forbid_an_answer(field):
    assert silent(field + b"\n")


def test_our_address_must_be_named_by_a_person_s_program():
    assert silent(own=[b"mmy@example.test"])
    assert silent(own=[b"tammy@example.te"])
    assert silent(own=[b"x@example.test"], must_be_named=False) == ""
    assert find_named(read_fields(HEADER), [b"other@x.test"]) == b"other@x.test"


def reply(text, header=HEADER):
    fields = read_fields(header)
    return make_reply(fields, Reply(SENDER, OWN[0], text, 1_795_187_040, b"9@mx"))


def test_the_reply():
    assert reply(b"I am away.\r\nReally.") == (
        b"Date: 20 Nov 2026 15:04:00 -0000\nMessage-ID: <9@mx>\nFrom: tammy@example.test\n"
        b"To: ann@src.test\nSubject: Auto: lunch today\nIn-Reply-To: <1@src.test>\n"
        b"References: <1@src.test>\nAuto-Submitted: auto-replied\n\nI am away.\nReally.\n"
    )


def test_fields_of_the_text_replace_ours():
    text = b"From: T <t@x.test>\nSubject: away ($SUBJECT)\nTo: evil@x.test\n\nI got %S.\n"
    made = reply(text)
    assert b"\nTo: ann@src.test\n" in made
    assert b"evil" not in made
    assert b"\nFrom: T <t@x.test>\nSubject: away (lunch today)\n\nI got lunch today.\n" in made
    assert made.count(b"\nSubject:") == made.count(b"From:") == 1


def test_other_letters_are_declared():
    made = reply("\u00fcber".encode())
    assert b"\nContent-Type: text/plain; charset=utf-8\n" in made


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_nothing_of_a_message_makes_a_field(subject, message_id):
    header = b"Subject: " + subject + b"\nMessage-ID: <" + message_id + b">\n"
    made = reply(b"text", header.replace(b"\n\n", b"\n"))
    head = made.partition(b"\n\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\n")]
    assert set(names) <= {
        b"Date", b"Message-ID", b"From", b"To", b"Subject", b"In-Reply-To", b"References",
        b"Auto-Submitted",
    }  # fmt: skip
    assert len(set(names)) == len(names)
    assert not set(made) & set(b"\r\0\x1b")
