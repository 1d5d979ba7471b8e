"""AUTH and STARTTLS as commands of the SMTP server: order, syntax, and what they forget.

Purpose:
    The part of SmtpServer that a session without them never enters. Passwords and handshakes are
    the caller's; it sets what this client may use, and answers the events.

Always:
    - Nothing that was said before the handshake counts behind it, and nothing may stand behind
      STARTTLS in the same read (RFC 3207, 4.2; CVE-2011-0411).
    - What a client said in an AUTH exchange is in no Refused event.
"""

from abc import ABC, abstractmethod

from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies
from glassmail.core.protocol.smtp_auth import CANCEL, challenge, decode, read_auth
from glassmail.core.protocol.smtp_commands import State
from glassmail.core.protocol.smtp_events import Auth, AuthResponse, Event, Refused, StartTls

NOT_SHOWN = b"(not shown: after AUTH)"
_START_TLS = StartTls()


class SecurityCommands(ABC):
    """AUTH and STARTTLS.

    Attributes:
        mechanisms: of AUTH, those that this client may use now.
        no_auth: the refusal of AUTH while there are none.
        is_tls_offered: whether STARTTLS may be said now.
        is_secure: whether TLS is under the session.
        is_authenticated: whether AUTH was answered by 235.
    """

    __slots__ = (
        "_at",
        "_awaited",
        "_buffer",
        "_has_tried_auth",
        "is_authenticated",
        "is_secure",
        "is_tls_offered",
        "mechanisms",
        "no_auth",
        "state",
    )

    def __init__(self) -> None:
        self.state = State.CONNECTED
        self.mechanisms: tuple[bytes, ...] = ()
        self.no_auth = replies.AUTH_UNAVAILABLE
        self.is_tls_offered = self.is_secure = self.is_authenticated = False
        self._has_tried_auth = False
        self._buffer = b""
        self._at = 0
        # The event that waits for a reply, or None.
        self._awaited: type[Event] | None = None

    @abstractmethod
    def _send(self, reply: Reply, *, is_plain: bool = False) -> Reply: ...

    @abstractmethod
    def _refuse(self, reply: Reply, line: bytes) -> Refused: ...

    @abstractmethod
    def _await(self, event: Event) -> Event: ...

    @abstractmethod
    def _forget(self) -> None: ...

    # --- from the caller -----------------------------------------------------------------------

    def challenge(self, data: bytes) -> None:
        """Ask for the next response of an AUTH exchange."""
        if self._awaited is not Auth and self._awaited is not AuthResponse:
            raise RuntimeError("AUTH does not wait for a challenge")
        self._awaited = None
        self.state = State.AUTH
        self._send(challenge(data))

    def begin_tls(self) -> None:
        """Answer StartTls with 220; what comes next is the handshake's."""
        if self._awaited is not StartTls:
            raise RuntimeError("STARTTLS does not wait for a reply")
        self._awaited = None
        self._send(replies.TLS_READY)
        self._buffer = b""
        self._at = 0
        self.state = State.HANDSHAKE

    def secured(self) -> None:
        """TLS is under the session from now on; who the client was before is forgotten."""
        self.is_secure = True
        self.is_tls_offered = self.is_authenticated = False
        if self.state is State.HANDSHAKE:
            self._forget()

    # --- commands ------------------------------------------------------------------------------

    def _auth(self, argument: bytes) -> Event:
        self._has_tried_auth = True
        if self.is_authenticated:
            return self._refuse(replies.AUTH_AGAIN, b"AUTH")
        read = read_auth(argument, self.mechanisms, self.no_auth)
        return self._await(read) if isinstance(read, Auth) else self._refuse(read, b"AUTH")

    def _auth_response(self, line: bytes) -> Event:
        data = None if line == CANCEL else decode(line)
        if data is not None:
            return self._await(AuthResponse(data))
        self.state = State.READY
        reply = replies.AUTH_CANCELLED if line == CANCEL else replies.AUTH_MALFORMED
        return self._refuse(reply, b"AUTH")

    def _starttls(self, argument: bytes, line: bytes) -> Event:
        if self.is_secure:
            return self._refuse(replies.TLS_ACTIVE, line)
        if argument:
            return self._refuse(replies.TLS_SYNTAX, line)
        if self._at < len(self._buffer):
            return self._refuse(replies.TLS_GLUED, line)
        return self._await(_START_TLS)
