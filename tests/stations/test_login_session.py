"""AUTH and STARTTLS in a session: each variable set, the change observed, unset again."""

import asyncio
import base64
import binascii

import pytest

from glassmail.core.ask import Existence, LoginFact
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.policy.facts import TlsFacts
from glassmail.core.protocol import sasl
from glassmail.events.smtpd import Noted, Refused
from tests.core_peer import FakeAsk
from tests.covers import row
from tests.dialogue import parse
from tests.stations.session_site import SessionSite

SITE = "certificate: self-made\ncontrol/smtpauth: vpopmail\n"
HERE = "client: 127.0.0.1\n"
LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0joe@here.example\0secret")
WRONG = b"AUTH PLAIN " + base64.b64encode(b"\0joe@here.example\0wrong")
TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "mx.example", b"", "control/servercert.pem")


class Talk:
    def __init__(self, tmp_path, text="", rule="", ask=None):
        rules = f"rule: {rule}\n" if rule else ""
        self.ask = ask or FakeAsk()
        self.site = SessionSite(tmp_path, parse("x", SITE + text + rules), self.ask)
        self.site.heard()

    def say(self, *lines):
        return asyncio.run(self._say(lines))

    async def _say(self, lines):
        heard = []
        for line in lines:
            await self.site.send(line + b"\r\n")
            heard = self.site.heard()
        return heard

    def secure(self, tls=TLS):
        self.site.session.secured(tls)

    def told(self, kind):
        return [event for event in self.site.events if isinstance(event, kind)]


def both(tmp_path, rule, *lines, text=""):
    """What is said with a variable and without it."""
    found = []
    for name, given in (("with", rule), ("without", "")):
        (tmp_path / name).mkdir()
        found.append(Talk(tmp_path / name, text, given).say(*lines))
    return found


EHLO = b"EHLO x"
MAIL = b"MAIL FROM:<a@b>"
AUTH, STARTTLS = b"250 AUTH LOGIN PLAIN", b"250-STARTTLS"


@pytest.mark.parametrize(
    ("rule", "line", "is_there"),
    [
        row("rule-variable/ALLOW_INSECURE_AUTH", ':allow,ALLOW_INSECURE_AUTH="1"', AUTH, True),
        row("rule-variable/SSL", ':allow,SSL="1"', AUTH, True),
        row("rule-variable/SSL", ':allow,SSL="1"', b"250 STARTTLS", False),
        row("rule-variable/DENY_TLS", ':allow,DENY_TLS="1"', b"250 STARTTLS", False),
        row("rule-variable/UCSPITLS", ':allow,UCSPITLS="-"', b"250 STARTTLS", False),
        row("rule-variable/ALLOW_CRAM", ':allow,ALLOW_CRAM="1"', b"250 AUTH CRAM-MD5", True),
        row("rule-variable/SMTPAUTH", ':allow,SMTPAUTH="+cram"', b"250 AUTH CRAM-MD5", True),
    ],
)
def test_what_a_variable_offers(tmp_path, rule, line, is_there):
    with_it, without = both(tmp_path, rule, EHLO)
    assert (line in with_it) is is_there
    assert (line in without) is not is_there


SMTPAUTH = [("-", None), ("cram", b"AUTH CRAM-MD5"), ("+cram", b"AUTH LOGIN PLAIN CRAM-MD5"),
            ("!", b"AUTH LOGIN PLAIN"), ("", b"AUTH LOGIN PLAIN")]  # fmt: skip


@pytest.mark.parametrize(("value", "offered"), SMTPAUTH)
def test_smtpauth_of_a_client_on_this_host(tmp_path, value, offered):
    heard = Talk(tmp_path, HERE, f':allow,SMTPAUTH="{value}"').say(EHLO)
    found = [line[4:] for line in heard if line[4:8] == b"AUTH"]
    assert found == ([offered] if offered else [])


@pytest.mark.parametrize(
    ("rule", "reply"),
    [
        row("rule-variable/REQUIRE_AUTH", ':allow,REQUIRE_AUTH="1"', b"503 AUTH first"),
        row("rule-variable/SMTPAUTH", ':allow,SMTPAUTH="!"', b"503 AUTH first"),
        row("rule-variable/FORCE_TLS", ':allow,FORCE_TLS="1"', b"503 STARTTLS first"),
        row("rule-variable/UCSPITLS", ':allow,UCSPITLS="!"', b"503 STARTTLS first"),
    ],
)
def test_what_must_come_before_mail(tmp_path, rule, reply):
    with_it, without = both(tmp_path, rule, MAIL)
    assert with_it[-1].startswith(reply)
    assert without == [b"250 ok"]


def test_force_tls_is_content_with_tls(tmp_path):
    talk = Talk(tmp_path, "", ':allow,FORCE_TLS="1"')
    talk.secure()
    assert talk.say(MAIL) == [b"250 ok"]


@pytest.mark.covers("rule-variable/AUTH_SET_x", "rule-variable/AUTH_UNSET_x")
def test_variables_change_at_a_login(tmp_path):
    rule = ':allow,DATABYTES="10",MAXRCPT="1",AUTH_SET_DATABYTES="0",AUTH_UNSET_MAXRCPT=""'
    talk = Talk(tmp_path, HERE, rule)
    assert b"250-SIZE 10" in talk.say(EHLO)
    facts = talk.site.session._facts
    assert facts.variables.recipients_max == 1
    assert talk.say(LOGIN) == [b"235 ok, go ahead (#2.0.0)"]
    assert (facts.size_max, facts.variables.recipients_max) == (0, 0)
    assert b"250-SIZE 0" in talk.say(EHLO)
    assert facts.environment == {
        b"DATABYTES": b"0", b"SMTP_AUTH_USER": b"joe@here.example",
        b"TCPREMOTEINFO": b"joe@here.example", b"RELAYCLIENT": b"",
    }  # fmt: skip
    assert facts.rule.source == "login joe@here.example (PLAIN, the test's table)"


def test_variables_of_the_account_come_last(tmp_path):
    ask = FakeAsk()
    fact = LoginFact(YES, b"joe", "AUTH_CDB users/auth.cdb", environment=((b"DATABYTES", b"7"),))
    ask.logins[b"joe@here.example", b"secret"] = fact
    rule = ':allow,AUTH_CDB="users/auth.cdb",AUTH_SET_DATABYTES="0"'
    talk = Talk(tmp_path, HERE, rule, ask)
    talk.say(EHLO, LOGIN)
    assert talk.site.session._facts.size_max == 7
    assert ask.attempts[0][2] == b"users/auth.cdb"


def test_who_may_log_in_but_not_relay(tmp_path):
    ask = FakeAsk()
    fact = LoginFact(YES, b"joe@here.example", "vpasswd", may_relay=False)
    ask.logins[b"joe@here.example", b"secret"] = fact
    talk = Talk(tmp_path, HERE + "service: submission\n", "", ask)
    assert talk.say(EHLO, LOGIN) == [b"235 ok, go ahead (#2.0.0)"]
    assert talk.say(MAIL)[0].startswith(b"530 Authorization required")


@pytest.mark.covers("reply/auth_trouble", "control/authdelay")
def test_nobody_can_tell(tmp_path):
    ask = FakeAsk()
    ask.logins[b"joe@here.example", b"secret"] = LoginFact(UNKNOWN, b"joe", "closed: vpasswd")
    talk = Talk(tmp_path, HERE, "", ask)
    assert talk.say(EHLO, LOGIN)[0].startswith(b"454 oops, passwords cannot be checked now")
    assert talk.told(Refused)[-1].steps[-1] == Step(
        "session.login", b"joe@here.example", UNKNOWN, "closed: vpasswd"
    )
    assert ask.pauses == [2]  # control/authdelay


@pytest.mark.covers("control/authdelay")
def test_wrong_passwords_wait(tmp_path):
    talk = Talk(tmp_path, HERE + "control/authdelay: 7\n")
    talk.say(EHLO, WRONG)
    assert talk.ask.pauses == [7]
    talk.say(LOGIN)
    assert talk.ask.pauses == [7]


@pytest.mark.covers("reply/too_many_logins", "rule-variable/NOLIMITS")
@pytest.mark.parametrize("rule", ["", ':allow,NOLIMITS=""'])
def test_too_many_wrong_passwords(tmp_path, rule):
    ask = FakeAsk()
    step = Step("session.logins", b"127.0.0.1", NO, "control/maxbadlogins 10")

    async def may_log_in(ip, account):
        return Existence(NO, (step,))

    ask.may_log_in = may_log_in
    talk = Talk(tmp_path, HERE, rule, ask)
    said = talk.say(EHLO, LOGIN)[0]
    if rule:
        assert said.startswith(b"235 ok")
        return
    assert said.startswith(b"454 too many wrong passwords")
    assert not ask.attempts
    assert talk.told(Refused)[-1].check == "too_many_logins"


def test_a_fault_is_no_login(tmp_path):
    ask = FakeAsk()

    async def log_in(*_arguments):
        raise RuntimeError("broken")

    ask.log_in = log_in
    talk = Talk(tmp_path, HERE, "", ask)
    assert talk.say(EHLO, LOGIN)[0].startswith(b"451 internal trouble")
    assert "broken" in talk.site.alerts[0]
    assert talk.say(MAIL, b"RCPT TO:<x@elsewhere.example>")[0].startswith(b"553 ")


@pytest.mark.covers("control/authmechanisms")
def test_verifiers_of_every_account(tmp_path):
    ask = FakeAsk()
    talk = Talk(tmp_path, "", "", ask)
    assert not any(b"AUTH" in line for line in talk.say(EHLO))  # in the clear, from elsewhere
    ask.verified = frozenset((sasl.CRAM_MD5, sasl.SCRAM_SHA_256))
    assert talk.say(EHLO)[-1] == b"250 AUTH CRAM-MD5 SCRAM-SHA-256"
    (tmp_path / "control" / "authmechanisms").write_text("SCRAM-SHA-256\n")
    talk.site.now += 100
    talk.site.settings.look_again()
    talk.site.session = talk.site.meet(talk.site.wire)
    talk.site.session.begin()
    assert talk.say(EHLO)[-1] == b"250 AUTH SCRAM-SHA-256"


def test_cram(tmp_path):
    ask = FakeAsk()
    ask.verified = frozenset((sasl.CRAM_MD5,))
    talk = Talk(tmp_path, HERE, "", ask)
    (line,) = talk.say(EHLO, b"AUTH CRAM-MD5")
    challenge = binascii.a2b_base64(line[4:])
    assert challenge.startswith(b"<")
    assert challenge.endswith(b".1795187040@mx.example>")
    response = base64.b64encode(b"joe@here.example " + b"a" * 32)
    assert talk.say(response)[0].startswith(b"535 ")
    assert ask.attempts[0][0] == sasl.Attempt(
        sasl.CRAM_MD5, b"joe@here.example", challenge, b"a" * 32
    )


def test_scram(tmp_path):
    ask = FakeAsk()
    ask.verified = frozenset((sasl.SCRAM_SHA_256,))
    asked = []

    async def log_in(attempt, _client, _cdb):
        asked.append(attempt)
        data = b"4096,c2FsdA==" if attempt.mechanism == sasl.SCRAM_SALT else b"c2lnbmF0dXJl"
        return LoginFact(YES, b"joe@here.example", "vpasswd", data=data)

    ask.log_in = log_in
    talk = Talk(tmp_path, HERE, "", ask)
    first = base64.b64encode(b"n,,n=joe@here.example,r=abcdefgh")
    (line,) = talk.say(EHLO, b"AUTH SCRAM-SHA-256 " + first)
    server = binascii.a2b_base64(line[4:])
    assert server.startswith(b"r=abcdefgh")
    nonce = server.partition(b",")[0]
    final = base64.b64encode(b"c=biws," + nonce + b",p=cHJvb2Y=")
    (line,) = talk.say(final)
    assert binascii.a2b_base64(line[4:]) == b"v=c2lnbmF0dXJl"
    assert talk.say(b"") == [b"235 ok, go ahead (#2.0.0)"]
    assert [attempt.mechanism for attempt in asked] == [sasl.SCRAM_SALT, sasl.SCRAM_SHA_256]
    assert talk.site.session._facts.login == b"joe@here.example"


def test_tls_forgets_who_it_was(tmp_path):
    talk = Talk(tmp_path, HERE)
    talk.say(b"EHLO early.example", LOGIN)
    facts = talk.site.session._facts
    assert facts.may_relay
    talk.say(b"STARTTLS")
    talk.secure()
    assert (facts.login, facts.helo, facts.may_relay, facts.client.info) == (b"", None, False, None)
    assert talk.say(LOGIN)[0].startswith(b"503 auth not available")  # until EHLO
    assert talk.say(EHLO, LOGIN) == [b"235 ok, go ahead (#2.0.0)"]
    known = [step.question for step in talk.site.session._known]
    assert known == ["session.client-rule", "session.tls", "session.login"]


@pytest.mark.covers("reply/tls_unavailable")
def test_the_certificate_is_gone_at_starttls(tmp_path):
    talk = Talk(tmp_path)
    assert b"250 STARTTLS" in talk.say(EHLO)
    (tmp_path / "control" / "servercert.pem").unlink()
    talk.site.now += 100
    assert talk.say(b"STARTTLS")[0].startswith(b"454 TLS not available (#4.3.0)")


@pytest.mark.covers("reply/sq_tls_unavailable")
def test_the_same_in_words_of_sqmail(tmp_path):
    talk = Talk(tmp_path, "control/replyprofile: sqmail\n")
    talk.say(EHLO)
    (tmp_path / "control" / "servercert.pem").unlink()
    talk.site.now += 100
    assert talk.say(b"STARTTLS")[0].startswith(b"454 TLS not available due to temporary reason")


@pytest.mark.covers("reply/sq_auth_first")
def test_require_auth_in_words_of_sqmail(tmp_path):
    talk = Talk(tmp_path, "control/replyprofile: sqmail\n", ':allow,REQUIRE_AUTH="1"')
    assert talk.say(MAIL)[0].startswith(b"535 authentication required (#5.7.1)")


@pytest.mark.covers("control/tlsclients")
@pytest.mark.parametrize(
    ("email", "may_relay"), [(b"Relay@Here.example", True), (b"x@y", False), (b"", False)]
)
def test_a_certificate_lets_relay(tmp_path, email, may_relay):
    talk = Talk(tmp_path, "control/tlsclients: relay@here.example\n")
    talk.secure(TLS._replace(email=email))
    talk.say(EHLO, MAIL)
    (said,) = talk.say(b"RCPT TO:<x@elsewhere.example>")
    assert (said == b"250 ok") is may_relay
    source = talk.site.session._facts.rule.source
    expected = "certificate of Relay@Here.example (control/tlsclients:1 relay@here.example)"
    assert (source == expected) is may_relay
    cert = b" cert " + email if email else b""
    assert talk.site.session._protocol() == b"ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384%b)" % cert


def test_programs_are_told_the_login_but_not_relayclient(tmp_path):
    from glassmail.core.policy.rcptcheck import environment

    talk = Talk(tmp_path, HERE)
    talk.say(EHLO, LOGIN)
    told = environment(talk.site.session._facts)
    assert told[b"SMTP_AUTH_USER"] == told[b"TCPREMOTEINFO"] == b"joe@here.example"
    assert (told[b"AUTHUSER"], told[b"AUTHPROTOCOL"]) == (b"joe@here.example", b"PLAIN")
    assert b"RELAYCLIENT" not in told


def test_every_try_is_a_line(tmp_path):
    talk = Talk(tmp_path, HERE)
    talk.say(EHLO, WRONG, LOGIN)
    assert [event.line for event in talk.told(Noted)] == [
        b"AUTH failed (bad password) [127.0.0.1] joe@here.example",
        b"AUTH successful [127.0.0.1] joe@here.example",
    ]


@pytest.mark.parametrize(
    ("typed", "account"),
    [(b"joe@here.example", b"joe@here.example"), (b"Joe%Here.example", b"joe@here.example"),
     (b"joe", b"joe@here.example"), (b"gone@here.example", b"gone@here.example"),
     (b"gone%here.example", b"gone@here.example"), (b"hunter2", b""), (b"hun/ter.2x", b"")],
)  # fmt: skip
def test_a_refused_login_names_its_account(tmp_path, typed, account):
    ask = FakeAsk()
    for name in (b"joe@here.example", b"Joe%Here.example", b"joe"):
        ask.logins[name, b"wrong"] = LoginFact(
            NO, b"joe@here.example", "vpasswd", "bad password", exists=True
        )
    talk = Talk(tmp_path, ask=ask, rule=':allow,ALLOW_INSECURE_AUTH="1"')
    talk.say(EHLO, b"AUTH PLAIN " + base64.b64encode(b"\0%b\0wrong" % typed), MAIL, b"RCPT")
    events = talk.told(Refused)
    assert (events[0].stage, events[0].login) == ("auth", account)
    assert all(not event.login for event in events[1:])  # nobody has logged in


@pytest.mark.covers("rule-variable/LOCALMFCHECK")
@pytest.mark.parametrize(
    ("value", "sender", "is_good"),
    [
        ("?", b"Relay@here.example", True),
        ("?", b"other@here.example", False),
        ("=", b"joe@here.example", True),
        ("=", b"relay@here.example", False),
    ],
)
def test_senders_are_bound_to_certificate_or_login(tmp_path, value, sender, is_good):
    rule = f':allow,RELAYCLIENT="",LOCALMFCHECK="{value}"'
    talk = Talk(tmp_path, HERE, rule)
    talk.secure(TLS._replace(email=b"relay@here.example"))
    talk.say(EHLO, LOGIN, b"MAIL FROM:<" + sender + b">")
    (said,) = talk.say(b"RCPT TO:<x@elsewhere.example>")
    assert said.startswith(b"250 ok" if is_good else b"553 sorry, invalid sender")


def test_limits_count_one_account_by_all_its_names(tmp_path):
    ask = FakeAsk()
    asked = []

    async def may_log_in(_ip, account):
        asked.append(account)
        return Existence(YES, ())

    ask.may_log_in = may_log_in
    talk = Talk(tmp_path, HERE, "", ask)
    talk.say(EHLO)
    for user in (b"Joe@Here.example", b"joe%here.example", b"joe/here.example", b"JOE"):
        talk.say(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0wrong"))
    assert asked == [b"joe@here.example"] * 3 + [b"joe"]


def test_logins_leave_nothing_behind(tmp_path):
    talk = Talk(tmp_path, HERE)
    talk.say(EHLO)
    kept = len(talk.site.session._facts.settings.prepared)
    talk.say(LOGIN)
    assert len(talk.site.session._facts.settings.prepared) == kept
