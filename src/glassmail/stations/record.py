"""What a session tells of itself: each refusal, each accepted message's story, its end."""

import os
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.model.trail import Trail
from glassmail.core.policy.facts import Client
from glassmail.events.codec import encode_story
from glassmail.events.event import Event
from glassmail.events.fields import code_text
from glassmail.events.smtpd import Handed, Noted, Refused, SessionEnded, Story
from glassmail.stations.limits import STORY_RECIPIENTS_MAX, STORY_STEPS_MAX


class Begun(NamedTuple):
    """A message that a client began and will not hand over whole."""

    sender: bytes = b""
    recipients: tuple[bytes, ...] = ()
    stage: str = ""
    steps: Trail = ()


NOTHING_BEGUN = Begun()


class Record:
    """The teller of one session.

    Attributes:
        code: the session's trace code number, 0 when it has none.
        part: number of its message that was last handed in.
        helo: what the client called itself, empty while it did not.
        accepted: messages; refused: replies of 4xx and 5xx.
        pid: what log lines name: the process, or a number of the session.
        tls: version and cipher, empty in the clear; login: who logged in, empty before.
        tried: the name of the login that is being refused, as far as it may be kept.
    """

    __slots__ = (
        "_began",
        "_client",
        "_client_name",
        "_is_over",
        "_now_ns",
        "_port",
        "_service",
        "_tell",
        "accepted",
        "bytes_in",
        "code",
        "helo",
        "login",
        "part",
        "pid",
        "refused",
        "tls",
        "tried",
    )

    def __init__(
        self,
        tell: Callable[[Event], None],
        now_ns: Callable[[], int],
        client: Client,
        service: str,
    ) -> None:
        self._tell = tell
        self._now_ns = now_ns
        self._client = client.ip.decode("ascii", "replace")
        self._client_name = (client.host or b"").decode("ascii", "replace")
        self._port = client.port
        self._service = service
        self._began = now_ns()
        self._is_over = False
        self.pid = os.getpid()
        self.code = 0
        self.part = 0
        self.helo = b""
        self.accepted = 0
        self.refused = 0
        self.bytes_in = 0
        self.tls = ""
        self.login = b""
        self.tried = b""

    def summary(self) -> dict[str, str | int]:
        """What a live view shows of the session."""
        return {
            "service": self._service,
            "client": self._client,
            "client_port": self._port,
            "client_name": self._client_name,
            "helo": self.helo.decode("utf-8", "backslashreplace"),
            "login": self.login.decode("utf-8", "backslashreplace"),
            "tls": self.tls,
            "code": code_text(self.code),
            "began": self._began,
            "accepted": self.accepted,
            "refused": self.refused,
        }

    def refuse(
        self,
        stage: str,
        check: str,
        sent: tuple[int, bytes],
        envelope: tuple[bytes, bytes, tuple[bytes, ...]],
        steps: Trail,
    ) -> None:
        """Tell a refusal.

        Args:
            stage: connect, helo, mail, rcpt, data, message or command.
            check: what decided it.
            sent: reply code and reply as sent; (0, empty) when the client was hung up on.
            envelope: sender, recipient in question, and those accepted before, as far as known.
            steps: the trail.
        """
        self.refused += 1
        self._tell(
            Refused(
                self._now_ns(),
                self.code,
                self.part,
                self._service,
                self._client,
                self._port,
                self._client_name,
                self.helo,
                envelope[0],
                envelope[1],
                stage,
                check,
                sent[0],
                sent[1],
                steps,
                envelope[2][:STORY_RECIPIENTS_MAX],
                self.tls,
                self.login or self.tried,
            )
        )

    def note(self, line: bytes, *, is_own: bool = True) -> None:
        """Tell a log line of a check; one that is not our own is a program's."""
        pid = self.pid if is_own else 0
        now = self._now_ns()
        self._tell(Noted(now, self.code, self._service, self._client, self._port, line, pid))

    def handed(
        self,
        program: tuple[bytes, int, int],
        sent: bytes,
        sender: bytes,
        recipients: tuple[bytes, ...],
        steps: Trail,
    ) -> None:
        """Tell that a program took a message (QMAILQUEUE).

        Args:
            program: its path, process id and exit code.
            sent: the reply as sent.
            sender: of the envelope.
            recipients: of the envelope.
            steps: the trail.
        """
        path, pid, exit_code = program
        self._tell(
            Handed(
                self._now_ns(), self.code, self.part, self._service, self._client, self._port,
                self._client_name, self.helo, sender, recipients[:STORY_RECIPIENTS_MAX],
                path, pid, exit_code, sent, steps[:STORY_STEPS_MAX], b"",
                self.tls, self.login,
            )
        )  # fmt: skip

    def story(self, sender: bytes, recipients: tuple[bytes, ...], steps: Trail) -> bytes:
        """Write the session part of a message for the queue."""
        return encode_story(
            Story(
                self._now_ns(),
                self.code,
                self.part,
                self._service,
                self._client,
                self._port,
                self._client_name,
                self.helo,
                sender,
                recipients[:STORY_RECIPIENTS_MAX],
                steps[:STORY_STEPS_MAX],
                self.tls,
                self.login,
            )
        )

    def end(self, how: str, begun: Begun = NOTHING_BEGUN) -> None:
        """Tell the end of the session, once; `begun` is the message that never came whole."""
        if self._is_over:
            return
        self._is_over = True
        self._tell(
            SessionEnded(
                self._now_ns(),
                self.code,
                self._service,
                self._client,
                self._port,
                self.helo,
                self._began,
                how,
                self.accepted,
                self.refused,
                self.bytes_in,
                self.tls,
                self.login,
                begun.sender,
                begun.recipients[:STORY_RECIPIENTS_MAX],
                begun.stage,
                begun.steps[:STORY_STEPS_MAX],
            )
        )
