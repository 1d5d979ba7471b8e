"""Facts for tests of single checks."""

from glassmail.core.formats import control
from glassmail.core.formats.patterns import compile_list
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Client, Facts, PolicySettings
from glassmail.core.policy.lists import Lists, sender_list
from glassmail.core.route.rewrite import RoutingTables
from glassmail.core.route.tcp_rules import RuleMatch
from tests.core_peer import FakeAsk, drive


def table(name, text):
    return control.parse_list(f"control/{name}", text)


def make_lists(**texts):
    made = {}
    for name in Lists._fields:
        make = sender_list if name.startswith("badmailfrom") else compile_list
        made[name] = make(table(name, texts.get(name)))
    return Lists(**made)


def facts(
    *, environment=(), allow=True, service="smtp", databytes=0, badmailfrom=None,
    rcpthosts=b"here.example\n", is_checking=False, locals_=b"here.example\n",
    virtualdomains=b"virt.example:joe\n", lists=None, client=None, **more,
):  # fmt: skip
    settings = PolicySettings(
        databytes,
        table("badmailfrom", badmailfrom),
        table("rcpthosts", rcpthosts),
        None,
        is_checking,
        RoutingTables(
            b"mx.example",
            table("percenthack", None),
            table("locals", locals_),
            control.parse_map("control/virtualdomains", virtualdomains),
        ),
        make_lists(badmailfrom=badmailfrom, **(lists or {})),
        **more,
    )
    rule = RuleMatch(allow, environment, 'control/tcp.smtp:2 :allow,X="y"')
    return Facts(client or Client(b"192.0.2.1", 1234), service, rule, settings)


def ask(check, about, answers=None):
    asker = FakeAsk(answers)
    answer = check(about, asker)
    verdict = answer if isinstance(answer, Verdict) else drive(answer)
    return verdict, asker.asked
