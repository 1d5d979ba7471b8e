"""What does the site's own program say of this recipient? RCPTCHECK of the combined patch.

Asked last, of every client, once for each RCPT. The program gets what we know by its
environment, and writes its answer's text to descriptor 4.

| exit | reply without text | then |
|---|---|---|
| 100 | 553 sorry, no mailbox here by that name. (#5.1.1) | |
| 111 | 421 unable to verify recipient (#4.3.0) | stays connected |
| 120, crash, time limit | 421 unable to execute recipient check (#4.3.0) | closed |
| any other | 250 ok | |

Text that does not begin with a code of refusal gets the code of the reply it replaces: a program
that refuses cannot make the client believe the opposite.
"""

from glassmail.core.ask import Ask, ProgramEnd
from glassmail.core.formats.control import show
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import RELAYCLIENT, Facts
from glassmail.core.policy.told import line, output_lines
from glassmail.core.protocol import replies

QUESTION = "session.rcptcheck"
REFUSED, DEFERRED, CANNOT = 100, 111, 120
_CODE_BYTES = 3


def is_active(facts: Facts) -> bool:
    """Tell whether RCPTCHECK names a program."""
    return bool(facts.variables.recipient_program)


def environment(facts: Facts) -> dict[bytes, bytes]:
    """Return what the program is told."""
    client = facts.client
    told = {
        **facts.environment,
        b"PROTO": b"TCP6" if b":" in client.ip else b"TCP",
        b"TCPREMOTEIP": client.ip,
        b"TCPREMOTEPORT": b"%d" % client.port,
        b"SENDER": facts.sender or b"",
        b"RECIPIENT": facts.recipient,
        b"HELO": facts.helo or b"",
        b"USE_FD4": b"1",
    }
    if facts.login:
        told[b"AUTHUSER"], told[b"AUTHPROTOCOL"] = facts.login, facts.mechanism
    if facts.is_relaying_by_login:
        told.pop(RELAYCLIENT, None)
    if client.local_ip:
        told[b"TCPLOCALIP"], told[b"TCPLOCALPORT"] = client.local_ip, b"%d" % client.local_port
    if client.host is not None:
        told[b"TCPREMOTEHOST"] = client.host
    if client.info is not None:
        told[b"TCPREMOTEINFO"] = client.info
    # What the client said cannot hold a NUL here: an environment ends at one.
    return {name: value.replace(b"\0", b"?") for name, value in told.items()}


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Run the program."""
    path = facts.variables.recipient_program
    ended = await ask.check_recipient(path, environment(facts))
    ended = ended._replace(text=ended.text.rstrip(b"\r\n"))
    name = path.decode("utf-8", "replace")
    said = f", said: {show(ended.text)}" if ended.text else ""
    log = output_lines(ended.output)
    if ended.text:
        log = (*log, line(b"RCPTCHECK error: " + ended.text))
    if ended.problem or ended.exit_code == CANNOT:
        reason = ended.problem or f"exit code {CANNOT}"
        step = Step(QUESTION, facts.recipient, UNKNOWN, f"{name}: {reason}{said}")
        return Verdict(replies.CHECK_FAILED, (step,), log)
    answer = NO if ended.exit_code in (REFUSED, DEFERRED) else YES
    source = f"{name}: exit code {ended.exit_code}{said}"
    step = Step(QUESTION, facts.recipient, answer, source)
    return Verdict(None if answer == YES else _reply(ended), (step,), log)


def _reply(ended: ProgramEnd) -> Reply:
    default = replies.CHECK_REFUSED if ended.exit_code == REFUSED else replies.CHECK_DEFERRED
    if not ended.text:
        return default
    lines = ended.text.replace(b"\r\n", b"\n").split(b"\n")
    code = _code(lines[0])
    if code:
        lines = [each[_CODE_BYTES + 1 :] if _code(each) == code else each for each in lines]
    elif ended.exit_code == DEFERRED:
        code = 451
    return Reply(code or default.code, b"\n".join(lines) or default.text)


def _code(text: bytes) -> int:
    digits = text[:_CODE_BYTES]
    if len(digits) < _CODE_BYTES or not digits.isdigit() or digits[:1] not in (b"4", b"5"):
        return 0
    return int(digits) if text[_CODE_BYTES : _CODE_BYTES + 1] in (b" ", b"-", b"") else 0
