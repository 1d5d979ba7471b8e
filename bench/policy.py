"""What the checks of the front door cost: CPU a message, with nothing set and with everything.

    .venv/bin/python -m bench.policy [MESSAGES]

One client sends one message to one recipient: connect, HELO, MAIL, RCPT, DATA and the message's
end go through the pipeline with answers that are at hand (DNS cached, a cdb in memory, no
programs). The budget is 60 us a message with all settings on.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from glassmail.core.ask import CdbFact, DnsFact, Existence
from glassmail.core.formats import tcp_rules
from glassmail.core.model.trail import YES
from glassmail.core.policy import pipeline
from glassmail.core.policy.facts import Client, Facts, MessageFacts
from glassmail.core.route.tcp_rules import match
from glassmail.settings.place import Place
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import Controls

BUDGET_US = 60.0
_RULE = (
    ':allow,MFCHECK="3",MAXRCPT="100",RELAYREJ="1",QMAILSMTPD_LOG_MAIL="1",'
    'QMAILSMTPD_LOG_RCPT="1",HELOCHECK="A",MFDNSCHECK="",TARPITCOUNT="5",TARPITDELAY="1",'
    'VALIDRCPTTO_CDB="v.cdb",VALIDRCPTTO_LOG="1",DATABYTES="1000000"\n'
)
_LISTS = {
    "badmailfrom": "@spam.test\n?a@good.test\nb@x.test=\n*@*.casino.test\n/^bulk[0-9]+@/\n",
    "badmailfromnorelay": "@here.example\n",
    "badrcptto": "old@here.example\ntrap-*@here.example\n",
    "badrcpttonorelay": "inside@here.example\n",
    "badhelo": "bad.test\n*.dyn.test\n/^dsl-[0-9]+/\n",
    "recipients": "!here.example\n",
}


class _Ask:
    """Answers that are at hand."""

    async def dns(self, name: bytes, kind: str) -> DnsFact:
        del name
        return DnsFact(YES, (b"10 mx.b.test" if kind == "MX" else b"192.0.2.2",), "TTL 60 s")

    def find_in_cdb(self, path: bytes, keys: tuple[bytes, ...]) -> CdbFact:
        del path
        return CdbFact(YES, keys[0], b"")

    async def account_exists(self, recipient: bytes) -> Existence:
        del recipient
        return Existence(YES, ())

    def block_of(self, ip: bytes) -> None:
        del ip

    async def leads_here(self, domain: bytes) -> None:
        del domain


def _drive(coroutine) -> None:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        verdict = stop.value
        if verdict.reply is not None:
            raise SystemExit(f"refused: {verdict}") from None


def _message(facts: Facts, ask: _Ask, sender: bytes) -> None:
    _drive(pipeline.run("connect", facts, ask))
    facts.helo = b"mx.b.test"
    _drive(pipeline.run("helo", facts, ask))
    facts.sender = sender
    _drive(pipeline.run("mail", facts, ask))
    facts.recipient = b"joe@here.example"
    facts.recipients_asked = 1
    _drive(pipeline.run("rcpt", facts, ask))
    _drive(pipeline.run("data", facts, ask))
    facts.message = MessageFacts(4_000, 3)
    _drive(pipeline.run("message", facts, ask))
    facts.message = None


def measure(rule: str, lists: dict[str, str], messages: int) -> float:
    """Return microseconds of CPU a message, the match of the rule and a new Facts included."""
    with TemporaryDirectory() as root:
        control = Path(root) / "control"
        control.mkdir()
        for name, text in {"me": "mx\n", "rcpthosts": "here.example\n", **lists}.items():
            (control / name).write_text(text)
        settings = SettingsReader(Controls(str(control)), Place(root), lambda: 0.0).now()
        if settings.problem:
            raise SystemExit(settings.problem)
    rules = tcp_rules.parse(rule.encode(), "control/tcp.smtp")
    client = Client(b"192.0.2.1", 4_321, b"mx.b.test")
    found = match(rules, client.ip, client.host, None)
    ask = _Ask()
    senders = [b"a%d@b.test" % number for number in range(messages)]  # each asked for anew
    best = float("inf")
    for _ in range(5):
        before = time.process_time()
        for sender in senders:
            _message(Facts(client, "smtp", found, settings.policy), ask, sender)
        best = min(best, time.process_time() - before)
    return best / messages * 1e6


def main() -> int:
    """Print the figures; 1 when the budget is passed."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    plain = measure(":allow\n", {}, messages)
    full = measure(_RULE, _LISTS, messages)
    print(f"nothing set: {plain:6.1f} us a message")
    print(f"all set:     {full:6.1f} us a message, {full - plain:.1f} more; budget {BUDGET_US:.0f}")
    return full - plain > BUDGET_US


if __name__ == "__main__":
    sys.exit(main())
