import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.address import safe_for_log
from glassmail.explain.remedies import REMEDIES, in_general
from glassmail.explain.said import OURS, SESSION, THEIRS, advice_of_text, cause_of, cause_of_reply

SAID = b"192.0.2.1 does not like recipient.\nRemote host said: %b\nGiving up on 192.0.2.1.\n"
AFTER = b"192.0.2.1 failed after I sent the message.\nRemote host said: %b\n"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (b"550 5.1.1 <x@y.test>: user unknown", "their_no_mailbox"),
        (b"550-no such user\n550 5.1.1 really not", "their_no_mailbox"),
        (b"550 Requested action not taken: mailbox unavailable", "their_no_mailbox"),
        (b"554 5.7.1 <x@y.test>: Relay access denied", "their_relay"),
        (b"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
                     "their_relay"),
        (b"550 relay not permitted", "their_relay"),
        (b"452 4.2.2 The email account is over quota", "their_mailbox_full"),
        (b"552 5.2.2 Mailbox full", "their_mailbox_full"),
        (b"450 4.2.0 <x@y>: Recipient address rejected: Greylisted, see http://x",
                     "their_greylist"),
        (b"451 4.7.1 Please try again later", "their_greylist"),
        (b"451 please retry in 300 seconds", "their_greylist"),
        (b"552 5.3.4 Message size exceeds fixed limit", "their_too_large"),
        (b"552 sorry, that message size exceeds my databytes limit (#5.3.4)",
                     "their_too_large"),
        (b"554 5.7.1 Service unavailable; blocked using zen.spamhaus.org",
                     "their_blocklist"),
        (b"421 4.3.2 too many connections", "their_slots"),
        (b"421 out of connection slots", "their_slots"),
        (b"421 4.7.28 rate limit exceeded", "their_rate"),
        (b"550 5.7.26 This mail is unauthenticated", "their_policy"),
        (b"554 this is spam", "their_policy"),
        (b"454 4.7.5 certificate verification failed", "certificate"),
        (b"550 5.7.1 <a@src.test>: Sender address rejected: not logged in", "their_sender"),
        (b"450 4.1.8 <a@src.test>: Domain not found", "their_sender"),
        (b"550 Sender verify failed", "their_sender"),
        (b"451 4.7.1 Resources temporarily unavailable - Please try again later", "their_words"),
        (b"550 no", "their_words"),
    ],
)  # fmt: skip
@pytest.mark.covers("fault/certificate")
def test_why_another_server_said_no(words, cause):
    for report in (SAID % words, AFTER % words, safe_for_log(SAID % words)):
        found = cause_of(report, address="x@y.test", domain="y.test")
        assert found.id == cause
        assert "{" not in found.fault + found.sentence
    assert "192.0.2.1" in cause_of(SAID % words).fault or "{server}" not in REMEDIES[cause].fault


@pytest.mark.parametrize(
    ("report", "cause"),
    [
        (b"Connected to 192.0.2.1 but greeting failed.\nRemote host said: 554 no\n",
                     "their_greeting"),
        (b"Connected to 192.0.2.1 but my name was rejected.\nRemote host said: 550 no\n",
                     "their_name"),
        (b"Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 550 no\n",
                     "their_sender"),
        (b"Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 550 joe unknown\n",
         "their_sender"),
        (b"Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 554 5.7.1 spam\n",
         "their_policy"),
        (b"Connected to 192.0.2.1 but connection died. (#4.4.2)\n", "their_hung_up"),
        (b"Connected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n",
                     "maybe_duplicate"),
        (b"SMTP cannot transfer messages with partial final lines. (#5.6.2)\n", "partial_line"),
        (b"Sorry, I couldn't find any host named x.test. (#5.1.2)\n", "no_such_host"),
        (b"CNAME lookup failed temporarily. (#4.4.3)\n", "mx_unknown"),
        (b"450 x\nI'm not going to try again; this message has been in the queue too long.\n",
         "too_old"),
        (b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n", "loop_here"),
        (b"user is over quota\n", "mailbox_full"),
        (b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n", "dot_qmail_blank"),
        (b"Unable to open .qmail-x: access denied. (#4.3.0)\n", "dot_qmail_closed"),
        (b"Unable to switch to /home/joe: file does not exist. (#4.3.0)\n", "home_missing"),
        (b"Unable to switch to /home/joe: access denied. (#4.3.0)\n", "home_closed"),
        (b"Unable to chdir to maildir. (#4.2.1)\n", "mailbox_closed"),
        (b"Temporary error on maildir delivery. (#4.3.0)\n", "mailbox_broken"),
        (b"Unable to open ./box: is a directory. (#4.2.1)\n", "mbox_closed"),
        (b"Unable to write ./box: disk full. (#4.3.0)\n", "mbox_closed"),
        (b"File has been locked for 30 seconds straight. (#4.3.0)\n", "mbox_closed"),
        (b"some words\nAack, child crashed. (#4.3.0)\n", "program_crashed"),
        (b"The program ran longer than 5 seconds and was killed. (#4.3.0)\n", "program_slow"),
        (b"This server runs as uid 7 and cannot deliver as uid 8. (#4.3.5)\n", "one_user"),
        (b"Not allowed to perform deliveries as root.\n", "as_root"),
        (b"Unable to find alias user!\n", "no_alias_user"),
        (b"Trouble reading users/cdb in qmail-lspawn.\n", "assign_broken"),
        (b"Uh-oh:_.qmail_has_prog_delivery_but_has_x_bit_set._(#4.7.0)/", "dot_qmail_x_bit"),
    ],
)  # fmt: skip
@pytest.mark.covers("fault/partial_line")
def test_reports_of_qmail(report, cause):
    assert cause_of(report).id == cause
    assert cause_of(safe_for_log(report)).id == cause


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (b"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay_denied"),
        (b"552 sorry, that message size exceeds my databytes limit (#5.3.4)", "too_large"),
        (b"554 too many hops, this message is looping (#5.4.6)", "too_many_hops"),
        (b"451 See https://cr.yp.to/docs/smtplf.html.", "line_ends"),
        (b"421 too many connections, try again later (#4.3.2)", "our_slots"),
        (b"451 timeout (#4.4.2)", "client_silent"),
        (b"554 we do not accept SPAM (#5.3.0)", "scanner_refused"),
        (b"451 greylisted, try again in 5 minutes", "greylisted"),
        (b"535 authorization failed (#5.7.0)", "login_failed"),
        (b"554 SMTP protocol violation", "pre_greet"),
        (b"421 too many errors (#4.7.0)", "too_many_errors"),
    ],
)  # fmt: skip
@pytest.mark.covers(
    "fault/our_slots", "fault/greylisted", "fault/login_failed", "fault/pre_greet"
)
def test_replies_of_a_session_here(reply, cause):
    assert cause_of_reply(reply).id == cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"X-Qmail-Scanner-2.08:[mx.here.test17] cleanup: parent process died",
                     "scanner_orphaned"),
        (b"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
                     "relay_denied"),
        (b"qmail_has_prog_delivery_but_has_x_bit_set", "dot_qmail_x_bit"),
        (b"deferral: Connected_to_192.0.2.1_but_connection_died._(#4.4.2)/", "their_hung_up"),
        (b"<joe@there.test>: host mx.there.test[192.0.2.1] said: 550 5.1.1 No such user",
         "their_no_mailbox"),
        (b"Diagnostic-Code: smtp; 552 5.2.2 over quota", "their_mailbox_full"),
        (b"connect to mx.there.test[192.0.2.1]:25: Connection refused", "connection_refused"),
        (b"connect to mx.there.test[192.0.2.1]:25: Connection timed out", "connection_timed_out"),
    ],
)  # fmt: skip
@pytest.mark.covers("fault/scanner_orphaned", "fault/relay_denied")
def test_pasted_texts(text, cause):
    assert advice_of_text(text).id == cause


def test_the_name_in_an_error_text_is_used():
    found = advice_of_text(b"<joe@there.test>: host mx[192.0.2.1] said: 550 5.1.1 No such user")
    assert "joe@there.test" in found.fault


@pytest.mark.parametrize("text", [b"", b"hello", b"I sent 550 letters to my user", b"250 ok"])
def test_what_means_nothing(text):
    assert advice_of_text(text).id == ""


@pytest.mark.parametrize("name", sorted(REMEDIES))
def test_a_cause_of_many_is_told_without_names(name):
    for text in (REMEDIES[name].fault, REMEDIES[name].text):
        told = in_general(text)
        assert not {"{", "}", "()", "  "} & {*told, *(told[n : n + 2] for n in range(len(told)))}
        assert "the home the home" not in told
        assert not told.endswith((":", " "))
    known = in_general("{server} ({source}): {source}", {"server": "mx.test", "source": "x:1"})
    assert known == "mx.test (x:1): x:1"


def test_every_ending_has_its_remedy():
    for ending in (*THEIRS, *OURS, *SESSION):
        assert ending.id in REMEDIES


@given(st.binary(max_size=500))
def test_any_bytes(text):
    for read in (advice_of_text, cause_of, cause_of_reply):
        found = read(text)
        assert "{" not in found.fault or b"{" in text
