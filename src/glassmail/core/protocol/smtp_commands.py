"""The commands of SMTP, and which of them is legal when.

A command is a verb, in any case, and what follows it and some spaces (commands.c). Whether it
is legal depends on the state alone, by the table `OUT_OF_ORDER`.
"""

from enum import Enum, auto

from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies


class State(Enum):
    """Where a session stands.

        CONNECTED --greeting--> READY --MAIL--> SENDER --RCPT--> RECIPIENTS --DATA--> BODY
                                  ^                                                    |
                                  +---- HELO, EHLO, RSET, a refused MAIL, end of body -+

    HELO is not required (qmail-smtpd.c). AUTH leaves READY while a challenge waits for its
    response, STARTTLS for the handshake. CLOSED ends it, from anywhere.
    """

    CONNECTED = auto()
    READY = auto()
    SENDER = auto()
    RECIPIENTS = auto()
    BODY = auto()
    AUTH = auto()
    HANDSHAKE = auto()
    CLOSED = auto()


# Verb -> states in which it is refused, and how. A verb that is not here is always in its place.
OUT_OF_ORDER: dict[bytes, dict[State, Reply]] = {
    b"RCPT": {State.READY: replies.MAIL_FIRST},
    b"DATA": {State.READY: replies.MAIL_FIRST, State.SENDER: replies.RCPT_FIRST},
    b"AUTH": {
        State.SENDER: replies.AUTH_IN_MAIL,  # RFC 4954, 4
        State.RECIPIENTS: replies.AUTH_IN_MAIL,
    },
}


def parse(line: bytes) -> tuple[bytes, bytes]:
    """Part a command line (without its line end) at its first space.

    Returns:
        The verb in capitals, and the argument as it came.
    """
    verb, _space, argument = line.partition(b" ")
    return verb.upper(), argument.lstrip(b" ")
