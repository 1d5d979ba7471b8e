"""What a session tells of itself: each refusal, each accepted message's story, its end."""

from collections.abc import Callable

from glassmail.core.model.trail import Trail
from glassmail.core.policy.facts import Client
from glassmail.events.codec import encode_story
from glassmail.events.event import Event
from glassmail.events.smtpd import Refused, SessionEnded, Story
from glassmail.stations.limits import STORY_RECIPIENTS_MAX, STORY_STEPS_MAX


class Record:
    """The teller of one session.

    Attributes:
        code: the session's trace code number, 0 when it has none.
        part: number of its message that was last handed in.
        helo: what the client called itself, empty while it did not.
        accepted: messages; refused: replies of 4xx and 5xx.
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
        "part",
        "refused",
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
        self.code = 0
        self.part = 0
        self.helo = b""
        self.accepted = 0
        self.refused = 0
        self.bytes_in = 0

    def refuse(
        self,
        stage: str,
        check: str,
        sent: tuple[int, bytes],
        envelope: tuple[bytes, bytes],
        steps: Trail,
    ) -> None:
        """Tell a refusal.

        Args:
            stage: connect, helo, mail, rcpt, data, message or command.
            check: what decided it.
            sent: reply code and reply as sent; (0, empty) when the client was hung up on.
            envelope: sender and recipient as far as known.
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
            )
        )

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
            )
        )

    def end(self, how: str) -> None:
        """Tell the end of the session, once."""
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
            )
        )
