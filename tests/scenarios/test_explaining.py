"""What `trace` says before is what `why` tells after: questions, answers, sources, verdict.

A site runs; between examples its control lines, aliases and mailboxes' files change. For a sender
and a recipient the test asks `glass trace`, sends the message through the server, and asks
`glass why`.

What is compared, hop by hop (an address that was forwarded to is a hop of its own):
    - the steps of routing (which channel), of finding the user, the home, the dot-qmail file and
      the account. These are the questions of QUESTIONS_OF_BOTH, in their order, with subject,
      answer and source.
    - the verdict: delivered, forwarded, failed, waiting; for a refusal at RCPT: refused.
What only one of them can ask is left out, and only that:
    - `trace` alone: the directories above a home (the delivery just goes there), the lines of a
      file before they are obeyed (routing.instruction, routing.mailbox), where a forward leads
      (routing.forward: `why` shows the forwarded message instead), rcpthosts (relaying clients,
      as this test's, are not asked it), and how a mailbox may log in (account.login).
    - `why` alone: the session's own questions, and what the effects were (delivery.*).
"""

import itertools
import json
import re
import smtplib

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.scenarios.site import HOST, ONE_USER, TAMMY, Site, code_of
from tests.scenarios.waiting import until

EXAMPLES = 15
ONLY_TRACE = {
    "routing.cdb_fresh",  # deliveries say only that users/cdb is older
    "queueing.tables",
    "routing.directory",
    "routing.instruction",
    "routing.mailbox",
    "routing.forward",
    "routing.rcpthosts",
    "account.login",
}
AREAS = ("routing.", "account.")
BY_CDB = re.compile(r"^users/assign:\d+ (\S+), by (\S+)$")  # trace also finds the line
ONLY_SESSION = {"account.recipient"}  # smtpd's question to the keeper, whose steps stand before it
ANY = "what the program says"
SENTENCES = {  # the first that the decision holds
    "run the program": ANY,
    "bounce it": "failed",
    "keep it and try again later": "waiting",
    "deliver it to the Maildir": "delivered",
    "delete it silently": "delivered",
    "take it and throw it away": "delivered",
    "forward it to": "forwarded",
    "send ": "delivered",  # to the peer, which takes everything
}


def compared(steps):
    """Steps of the questions that both ask, as tuples, in order."""
    return [
        (s["question"], s["subject"], s["answer"], BY_CDB.sub(r"\2 \1", s["source"]))
        for s in steps
        if s["question"].startswith(AREAS) and s["question"] not in ONLY_TRACE | ONLY_SESSION
    ]


def hops_of_trace(rows):
    """Address -> (steps, state by the decision's words), of the first walk through it."""
    hops, steps = {}, []
    for row in rows:
        if "decision" not in row:
            steps.append(row)
            continue
        sentence = row["decision"]["sentence"]
        found = [state for words, state in SENTENCES.items() if words in sentence]
        assert found, sentence
        hops.setdefault(row["decision"]["address"], (compared(steps), found[0]))
        steps = []
    return hops


def hops_of_why(rows):
    """Recipient -> (steps of its last attempt, state); refused ones with the session's steps.

    Mail that comes back to a recipient is another message; trace walks each address once and
    tells the loop, so the first message counts.
    """
    hops, refused, current = {}, {}, []
    ours = forwards_of(rows)
    first = {}
    for row in rows:
        if row["kind"] == "attempt" and row["message"] in ours:
            first.setdefault(row["recipient"], row["message"])
    for row in rows:
        if row["kind"] == "attempt":
            is_first = first.get(row["recipient"]) == row["message"]
            current = hops.setdefault(row["recipient"], []) if is_first else []
        elif row["kind"] == "refused":
            current = refused.setdefault(row["recipient"], [])
        elif row["kind"] == "step":
            current.append(row)
        else:
            current = []
    states = {r["recipient"]: r["state"] for r in rows if r["kind"] == "verdict"
              and r["message"] == first.get(r["recipient"], 0)}  # fmt: skip
    both = {**refused, **hops}
    return {address: (compared(steps), states[address]) for address, steps in both.items()}


def forwards_of(rows):
    """The message that was sent and what it was forwarded as; 0 stands for refusals."""
    ours = {0}
    for row in rows:
        if row["kind"] == "accepted" and row["how"] != "bounce" and row["origin"] in ours:
            ours.add(row["message"])
    return ours


LOCALS = ["tammy", "bob", "tammy-sales", "nobody", "Tammy", "list", "gone", "odd"]
DOMAINS = ["example.test", HOST, "virt.test", "a.sub.test", "far.test", "EXAMPLE.test", "hack.test"]
LINES = st.sampled_from(
    [f"&{TAMMY}\n", f"&far@far.test\n&{TAMMY}\n", "./Maildir/\n", "# nothing\n", "| exit 100\n",
     "| exit 111\n", "|cat >/dev/null\n", "", f"&list@{HOST}\n"]
)  # fmt: skip
WORLD = st.fixed_dictionaries(
    {
        "virtualdomains": st.lists(
            st.sampled_from(["virt.test:virt", ".sub.test:virt", "far.test:", ":virt",
                             "tammy@far.test:virt", "# none"]), max_size=3, unique=True,
        ),
        "locals": st.lists(
            st.sampled_from([HOST, "far.test", "virt.test"]), min_size=1, unique=True
        ),
        "percenthack": st.sampled_from(["", "hack.test\n"]),
        "checkrecipients": st.sampled_from(["0\n", "1\n"]),
        "aliases": st.dictionaries(
            st.sampled_from([".qmail-list", ".qmail-odd", ".qmail-virt-default", ".qmail-default"]),
            LINES, max_size=3,
        ),
        "mailbox": st.none() | st.sampled_from(["&bob@example.test\n", "./Maildir/\n", "# none\n"]),
        "mode": st.sampled_from([0o644, 0o600, 0o646]),
    }
)  # fmt: skip
ADDRESS = st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS)) | (
    st.sampled_from(["tammy%example.test@hack.test", "x@virt.test", f"odd@{HOST}", f"list@{HOST}"])
)


@pytest.fixture(scope="module")
def world(request):
    """A server that is changed between examples."""
    from tests.scenarios.peer import Peer

    peer = Peer().open_in_thread()
    site = Site(ONE_USER)
    site.control("smtproutes", f":{peer.route}\n")
    try:
        yield site.start()
    finally:
        site.close()
        peer.shut()


def arrange(site, chosen):
    """Make the site what an example says, and wait until every process has read it."""
    lines = ["example.test:example.test", *chosen["virtualdomains"]]
    site.control("virtualdomains", "".join(line + "\n" for line in lines))
    site.control("locals", "".join(name + "\n" for name in chosen["locals"]))
    site.control("percenthack", chosen["percenthack"])
    site.control("checkrecipients", chosen["checkrecipients"])
    for path in (site.root / "alias").glob(".qmail-*"):
        if path.name in (".qmail-list", ".qmail-odd", ".qmail-virt-default", ".qmail-default"):
            path.unlink()
    for name, text in chosen["aliases"].items():
        site.write(site.root / "alias" / name, text, chosen["mode"])
    own = site.maildir(TAMMY).parent / ".qmail"
    own.unlink(missing_ok=True)
    if chosen["mailbox"] is not None:
        site.write(own, chosen["mailbox"], 0o600)
    site.server.send_signal(1)


NUMBER = itertools.count()


@given(chosen=WORLD, address=ADDRESS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # an example takes most of a second: none is shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_trace_before_is_why_after(world, chosen, address):
    site = world
    arrange(site, chosen)
    rows = until(lambda: in_use(site, address), "the server uses the new settings")
    before = hops_of_trace(rows)
    code, is_refused = send(site, address)
    story = until(lambda: ended(site, code, is_refused), "why knows the end")
    after = hops_of_why(story)
    assert address in after, story
    for hop, (steps, state) in after.items():
        asked, foreseen = before[hop]
        verdict = state
        if state == "refused":
            assert foreseen == "failed", (hop, foreseen)
            verdict = foreseen  # the client was told what a bounce would have said
        assert steps == asked, difference(hop, steps, asked, story)
        assert foreseen in (verdict, ANY), (hop, state, foreseen)
    clear(site)


def difference(hop, steps, asked, story):
    """Show where `why` and `trace` part."""
    lines = [f"{hop}: why and trace part here"]
    for left, right in itertools.zip_longest(steps, asked):
        mark = " " if left == right else "!"
        lines += [f"{mark} why   {left}", f"{mark} trace {right}"]
    return "\n".join([*lines, *map(json.dumps, story)])


def in_use(site, address):
    """Trace the address; empty while the server still uses other settings."""
    rows = site.json("trace", address, code=None)
    stale = [r for r in rows if r.get("question") == "queueing.tables" and r["answer"] == "no"]
    return [] if stale else rows


def send(site, address):
    """Send through the server once it has looked at the files; return (trace code, refused)."""
    subject = f"Subject: example {next(NUMBER)}\r\n\r\n"
    try:
        return code_of(site.send(address, subject.encode(), sender=f"sender@{HOST}")), False
    except smtplib.SMTPResponseException as error:
        return code_of(error.smtp_error.decode()), True


def ended(site, code, is_refused):
    """The story of a code, once nothing is under way any more."""
    rows = site.json("why", code, code=None)
    verdicts = [row for row in rows if row["kind"] == "verdict"]
    if is_refused:
        return rows if [row for row in verdicts if row["state"] == "refused"] else []
    open_states = {"under way"}
    is_over = verdicts and all(
        row["state"] not in open_states and not row["turn"].startswith("the queue's")
        for row in verdicts
    )
    return rows if is_over and forwards_are_known(rows) else []


def forwards_are_known(rows):
    """Whether every `qp N` of a forward has its story here."""
    known = {row["message"] for row in rows if row["kind"] == "accepted"}
    for row in rows:
        if row["kind"] == "verdict" and row["state"] == "forwarded":
            number = int(row["text"].split("qp ")[1].split()[0])
            if number not in known:
                return False
    return True


def clear(site):
    """Take what is deferred out of the queue."""
    for row in site.queued():
        site.glass("queue", "drop", str(row["message"]), code=None)
    site.until_empty()


def test_rows_are_single_json_objects(world):
    for words in (("trace", TAMMY), ("why", TAMMY), ("queue", "list"), ("status",)):
        text = world.glass(*words, "--json", code=None)
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
