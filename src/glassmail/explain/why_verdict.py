"""How it stands: for each recipient what decided, where that is set, and whose turn it is.

Always:
    The verdict rests on the events alone, so that it says the same while the server is down.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glassmail.core.formats.control import show
from glassmail.core.model.address import split_address
from glassmail.core.model.trail import NO, Step, Trail
from glassmail.events.case import Case, shown_number
from glassmail.events.codec import AnyEvent, decode_story
from glassmail.events.queue import (
    Accepted,
    Administered,
    Bounced,
    Discarded,
    Ended,
    Settled,
    Started,
)
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.explain.advice import of_delivery, of_refusal
from glassmail.explain.connections import of_detour, silent_addresses
from glassmail.explain.places import dot_qmail_of, place_of
from glassmail.explain.remedies import NONE, Advice, advise

DELIVERED = "delivered"
FORWARDED = "forwarded"
WAITING = "waiting"
HELD = "held"
UNDER_WAY = "under way"
FAILED = "failed"
DROPPED = "dropped"
REFUSED = "refused"
REFUSED_FOR_NOW = "refused for now"
UNKNOWN = "unknown"
NO_MAIL = "no mail"

# qmail-local.c: `did MAILBOXES+FORWARDS+PROGRAMS`, then `qp N` for each forward
_DID = re.compile(rb"did ([0-9]{1,9})\+([0-9]{1,9})\+([0-9]{1,9})")
_QP = re.compile(rb"qp ([0-9]{1,18})")

NOBODY = "nobody's: it is done"
PINGS_MAX = 4


class Verdict(NamedTuple):
    """How one recipient, or one refused attempt, stands.

    Attributes:
        message: the message's number, 0 for a refusal.
        recipient: as it was accepted or refused.
        state: one of the words above.
        text: what the other side or the delivery said, raw.
        decided: the deciding step, when there is one.
        turn: whose turn it is.
        next_at: seconds since 1970 of the next attempt, 0 when none is planned.
        at: nanoseconds since 1970 of what decided.
        advice: what is wrong and what to do about it, NONE when nothing or not recognised.
        silent: numeric addresses that did not answer at all.
        place: where it is set, empty when nothing here sets it.
    """

    message: int
    recipient: bytes
    state: str
    text: bytes
    decided: Step | None
    turn: str
    next_at: int
    at: int
    advice: Advice = NONE
    silent: tuple[str, ...] = ()
    place: str = ""


class _Message:
    """The events of one message, sorted out."""

    def __init__(self, accepted: Accepted) -> None:
        self.accepted = accepted
        self.started: dict[int, Started] = {}
        self.settled: dict[int, Settled] = {}
        self.bounce = 0
        self.discarded = ""
        self.order = ""
        self.ended = 0
        self.children: list[Accepted] = []

    def take(self, event: AnyEvent) -> None:
        """Note the newest of each kind."""
        if isinstance(event, Started):
            self.started[event.number] = event
        elif isinstance(event, Settled):
            self.settled[event.number] = event
        elif isinstance(event, Bounced):
            self.bounce = event.bounce
        elif isinstance(event, Discarded):
            self.discarded = event.kind
        elif isinstance(event, Administered):
            self.order = event.verb
        elif isinstance(event, Ended):
            self.ended = event.at


Ping = Callable[[str], bool | None]


def probed(verdicts: list[Verdict], ping: Ping | None) -> list[Verdict]:
    """Ask hosts that took no connection whether they are up at all; unchanged without a ping."""
    if ping is None:
        return verdicts
    found = []
    for verdict in verdicts:
        is_asked = verdict.advice.id == "connection_timed_out"
        up = [ip for ip in verdict.silent[:PINGS_MAX] if is_asked and ping(ip)]
        if up:
            address = show(verdict.recipient)
            found.append(verdict._replace(
                advice=advise("port_25_closed", server=up[0], address=address)))  # fmt: skip
        else:
            found.append(verdict)
    return found


def judge(case: Case, events: Sequence[AnyEvent]) -> list[Verdict]:
    """Return the verdicts of a case: each recipient of each message, then each refusal."""
    messages: dict[int, _Message] = {}
    for event in events:
        if isinstance(event, Accepted):
            messages[event.message] = _Message(event)
            if event.origin in messages:
                messages[event.origin].children.append(event)
    for event in events:
        message = messages.get(getattr(event, "message", 0))
        if message is not None:
            message.take(event)
    verdicts = [
        _of_recipient(message, number)
        for message in messages.values()
        for number in range(len(message.accepted.recipients))
    ]
    begun = _of_begun(events) if not case.message else []
    refused = [event for event in events if isinstance(event, Refused)]
    verdicts += [_of_refusal(event) for event in refused if not (begun and _is_silence(event))]
    verdicts += begun
    if not verdicts and case.message:
        verdicts.append(_without_acceptance(case, events))
    if not verdicts:
        verdicts += [_of_session(event) for event in events if isinstance(event, SessionEnded)][-1:]
    return verdicts


def _of_recipient(message: _Message, number: int) -> Verdict:
    accepted = message.accepted
    settled = message.settled.get(number)
    started = message.started.get(number)
    verdict = Verdict(
        accepted.message, accepted.recipients[number], WAITING, b"", None, "", 0, accepted.at
    )
    if started is not None and not message.ended and _runs(started, settled):
        decided = started.steps[-1] if started.steps else None
        place = decided.source if decided is not None else ""
        turn = f"the {started.channel} delivery's: it runs since then"
        return verdict._replace(
            state=UNDER_WAY, decided=decided, turn=turn, at=started.at, place=place
        )
    if settled is None:
        return _never_tried(message, verdict)
    steps = settled.steps or (started.steps if started is not None else ())
    decided = steps[-1] if steps else None
    place = place_of(decided, steps) if decided is not None else ""
    verdict = verdict._replace(text=settled.text, decided=decided, at=settled.at, place=place)
    if settled.outcome == "K":
        return _delivered(message, verdict, steps)
    asked = (*(started.steps if started is not None else ()), *settled.steps)
    advice = of_delivery(asked, settled.text, verdict.recipient, settled.outcome)
    silent = tuple(silent_addresses(settled.steps))
    verdict = verdict._replace(advice=_of_bounce(accepted, advice), silent=silent)
    if settled.outcome == "D":
        return verdict._replace(state=FAILED, turn=_after_failure(message))
    return _deferred(message, verdict, settled)


def _of_bounce(accepted: Accepted, advice: Advice) -> Advice:
    """A bounce that finds nobody: the sender of the message before was made up."""
    is_dead = advice.id in {"", "their_no_mailbox", "no_mailbox", "no_such_host", "no_mx",
                            "mx_unresolvable", "alias_missing", "extension_missing"}  # fmt: skip
    is_single = accepted.kind == "bounce" and not accepted.sender  # a double one is for postmaster
    return advise("bounce_undeliverable") if is_single and is_dead else advice


def _runs(started: Started, settled: Settled | None) -> bool:
    """Tell whether the newest attempt has no result yet."""
    if settled is None:
        return True
    return settled.delivery != started.delivery and settled.at < started.at


def _never_tried(message: _Message, verdict: Verdict) -> Verdict:
    if message.order == "hold":
        return _held(message, verdict)
    if message.ended:
        by_hand = {"drop": DROPPED, "bounce": FAILED}.get(message.order)
        turn = _after_failure(message) if by_hand == FAILED else NOBODY
        advice = advise("by_hand", verb=message.order) if by_hand else NONE
        state = by_hand or UNKNOWN
        return verdict._replace(state=state, turn=turn, at=message.ended, advice=advice)
    turn = "the queue's: the first attempt has not begun"
    return verdict._replace(turn=turn, advice=advise("not_attempted"))


def _delivered(message: _Message, verdict: Verdict, steps: Trail) -> Verdict:
    did = _DID.search(verdict.text)
    if did and not int(did[1]) and int(did[2]) and not int(did[3]):
        numbers = [int(number) for number in _QP.findall(verdict.text)]
        known = [child.message for child in message.children if child.kind == "forward"]
        shown = ", ".join(f"#{shown_number(number)}" for number in (known or numbers)[:5])
        return verdict._replace(state=FORWARDED, turn=f"see message {shown}" if shown else NOBODY)
    domain = split_address(verdict.recipient)[1]
    detour = of_detour(steps, show(verdict.recipient), show(domain))
    filed = _filed(steps)
    if filed is not None:
        verdict = verdict._replace(decided=filed, place=filed.source)
    elif did and did.groups() == (b"0", b"0", b"0"):
        file = dot_qmail_of(steps) or "its .qmail file"
        return verdict._replace(state=DELIVERED, turn=NOBODY, advice=advise("vanishes", file=file))
    return verdict._replace(state=DELIVERED, turn=NOBODY, advice=detour)


def _filed(steps: Trail) -> Step | None:
    """Return the step that names the file a message was written to."""
    files = [step for step in steps if step.question in {"delivery.maildir", "delivery.mbox"}]
    return files[-1] if files else None


def _deferred(message: _Message, verdict: Verdict, settled: Settled) -> Verdict:
    if message.ended:
        if message.order in _ENDING_ORDERS:
            # The last deferral did not end it: the timeline tells that, the verdict the order.
            advice = advise("by_hand", verb=message.order)
            verdict = verdict._replace(text=b"", decided=None, advice=advice, silent=(), place="")
        if message.order == "drop":
            return verdict._replace(state=DROPPED, turn=NOBODY, at=message.ended)
        return verdict._replace(state=FAILED, turn=_after_failure(message), at=message.ended)
    if message.order == "hold":
        return _held(message, verdict)
    is_theirs = settled.channel == "remote" and verdict.advice.id not in _OURS
    who = "the other server's" if is_theirs else "this server's"
    turn = f"{who}, or its administrator's; the queue tries again by itself"
    return verdict._replace(state=WAITING, turn=turn, next_at=settled.retry_at)


_ENDING_ORDERS = frozenset({"drop", "bounce"})
# Remote deliveries that fail because of something here.
_OURS = frozenset({"route_broken", "mx_is_us", "mx_unknown", "network_unreachable"})


def _held(message: _Message, verdict: Verdict) -> Verdict:
    advice = advise("held", message=message.accepted.message)
    account = _held_account(message.accepted)
    if account:
        advice = advise("account_held", message=message.accepted.message, account=account)
    turn = f"an administrator's: {advice.command}"
    return verdict._replace(state=HELD, turn=turn, advice=advice)


def _held_account(accepted: Accepted) -> str:
    """Return the account that sent more than it may, empty when that is not why it is held."""
    try:
        steps = decode_story(accepted.story).steps if accepted.story else ()
    except ValueError:  # msgspec's errors: a story of another version
        return ""
    found = [step for step in steps if step.question == "session.account-rate"]
    return show(found[-1].subject) if found and found[-1].answer == NO else ""


def _after_failure(message: _Message) -> str:
    accepted = message.accepted
    sender = accepted.sender.decode("utf-8", "backslashreplace")
    bounce = shown_number(message.bounce)
    if message.bounce and not sender:
        return f"the postmaster's: message #{bounce}, a double bounce, tells them"
    if message.bounce:
        return f"the sender's: message #{bounce} tells <{sender}>"
    if message.discarded:
        return f"nobody's: the {message.discarded} bounce was thrown away"
    if message.ended:
        return NOBODY
    return f"the queue's: a bounce to <{sender}> follows when all recipients are settled"


def _of_refusal(event: Refused) -> Verdict:
    decided = event.steps[-1] if event.steps else None
    if event.check == "tls" and not event.reply_code:
        state, turn = NO_MAIL, "the client's: nothing could be said to it, the connection ended"
    elif not event.reply_code:
        state, turn = REFUSED, "the client's: it was hung up on without a word"
    elif event.reply_code < 500:
        state, turn = REFUSED_FOR_NOW, "the client's: it was asked to come again"
    else:
        state, turn = REFUSED, "the sender's: the client was told and has to tell them"
    address = event.recipient or b", ".join(event.recipients) or event.sender
    advice = of_refusal(event.steps, address, event.reply_code, event.reply)
    place = place_of(decided, event.steps) if decided is not None else ""
    return Verdict(0, address, state, event.reply, decided, turn, 0, event.at, advice, (), place)


def _is_silence(event: Refused) -> bool:
    """Tell whether the client was waited for in vain: what it had begun tells more."""
    return bool(event.steps) and event.steps[-1].question == "session.patience"


_BEGUN = {"rcpt": "client_only_asked", "data": "client_cut_off"}


def _of_begun(events: Sequence[AnyEvent]) -> list[Verdict]:
    """Messages that were begun and never came whole; a refusal of the same one tells more."""
    told = {event.sender for event in events if isinstance(event, Refused) and event.recipients}
    found = []
    for event in events:
        if not isinstance(event, SessionEnded) or not event.recipients or event.sender in told:
            continue
        name = "client_silent" if event.how == "timeout" else _BEGUN.get(event.stage, "")
        advice = advise(name) if name else NONE
        text = f"session ended: {event.how}".encode()
        is_done = event.how == "quit"  # nothing went wrong: it may have wanted no more than that
        turn = "the client's: " + ("it ended the session itself" if is_done else
                                   "it has the message, and comes again")  # fmt: skip
        found += [Verdict(0, recipient, NO_MAIL, text, None, turn, 0, event.at, advice)
                  for recipient in event.recipients]  # fmt: skip
    return found


_SESSION_TURNS = {
    "shutdown": NOBODY,
    "ended": "nobody can tell: that log does not say whether it brought mail",
    "open": "nobody can tell: the log ends before the session does",
}


def _of_session(event: SessionEnded) -> Verdict:
    """A session that neither sent mail nor was refused anything."""
    name = {"dropped": "client_hung_up", "timeout": "client_silent"}.get(event.how, "")
    turn = _SESSION_TURNS.get(event.how, "the client's: it sent nothing")
    text = f"session ended: {event.how}".encode()
    advice = advise(name) if name else NONE
    return Verdict(0, b"", NO_MAIL, text, None, turn, 0, event.at, advice)


def _without_acceptance(case: Case, events: Sequence[AnyEvent]) -> Verdict:
    turn = "nobody can tell: its acceptance is older than the history"
    settled = [event for event in events if isinstance(event, Settled)]
    text = settled[-1].text if settled else b""
    at = events[-1].at if events else 0
    return Verdict(case.message, b"", UNKNOWN, text, None, turn, 0, at)
