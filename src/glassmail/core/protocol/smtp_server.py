"""The server's side of SMTP without a socket: bytes in, events out, replies in, bytes out.

Purpose:
    `receive` takes what was read; `next_event` gives what the client wants, one at a time; the
    caller answers each event marked so with `reply` and sends `output()` when `next_event` has
    nothing more. qmail-smtpd flushes at the same moment, which makes PIPELINING work.

Pure:
    No socket, clock or setting. Policy is the caller's; order, syntax and limits are ours.

Always:
    - While an event waits for its reply there is no next event, and bytes stay unread.
    - What the core refuses by itself it answers by itself, and tells as `Refused`.
    - Buffers are bounded: a command line by COMMAND_LINE_BYTES_MAX, a body by the caller, who
      takes the pieces as they come.
    - After a reply that closes, nothing comes in and nothing goes out any more.

Why no classes per verb:
    The state is a value and the order a table (smtp_commands); what is left of each verb is a
    few lines.
"""

from glassmail.core.model.limits import (
    COMMAND_LINE_BYTES_MAX,
    ERRORS_PER_SESSION_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
    UNSENT_REPLIES_BYTES_MAX,
)
from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies, smtp_address
from glassmail.core.protocol.data_reader import DataReader
from glassmail.core.protocol.smtp_commands import OUT_OF_ORDER, State, parse
from glassmail.core.protocol.smtp_events import (
    Auth,
    AuthResponse,
    BodyChunk,
    BodyEnds,
    DataBegins,
    Event,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
)
from glassmail.core.protocol.smtp_security import NOT_SHOWN, SecurityCommands

_SHOWN_BYTES = 200  # of a refused command line
_DATA_BEGINS = DataBegins()
_RESET = Reset()
_QUIT = Quit()
_SERVERS_TURN = (State.CONNECTED, State.HANDSHAKE)
_SILENT = (State.CLOSED, State.CONNECTED, State.HANDSHAKE)


class SmtpServer(SecurityCommands):
    """One session.

    Attributes:
        state: where the session stands.
        suffix: ` [CODE]` behind 4xx and 5xx; empty for qmail's bytes.
        is_enhanced: whether enhanced status codes are announced and sent.
        sent: the last reply as bytes, without CR LF behind it.
        sent_code: its code.
        errors: 4xx and 5xx since the last accepted message.
        unsent: what `output` would return.
        wording: refusals (and HELP) that this client is told in other words.
    """

    __slots__ = (
        "_body",
        "_ended",
        "_is_group",
        "_recipient_bytes",
        "_recipients",
        "errors",
        "is_enhanced",
        "sent",
        "sent_code",
        "suffix",
        "unsent",
        "wording",
    )

    def __init__(self, suffix: bytes = b"", *, is_enhanced: bool = False) -> None:
        super().__init__()
        self.suffix = suffix
        self.is_enhanced = is_enhanced
        self.sent = b""
        self.sent_code = 0
        self.errors = 0
        self.wording: dict[Reply, Reply] = {}
        self._is_group = False  # whether a line now begun came in one read with what was before
        self.unsent = b""
        self._body: DataReader | None = None
        self._ended: BodyEnds | None = None
        self._recipients = 0
        self._recipient_bytes = 0

    # --- bytes ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes off the wire. After the end of the session they are thrown away."""
        if self.state is State.CLOSED:
            return
        if self._at < len(self._buffer):
            self._is_group = self._is_group or self._at > 0
            self._buffer = self._buffer[self._at :] + data
        else:
            self._is_group = False
            self._buffer = data
        self._at = 0

    def output(self) -> bytes:
        """Return what is to be sent now."""
        out, self.unsent = self.unsent, b""
        return out

    @property
    def has_unread(self) -> bool:
        """Tell whether bytes were received that no event has used yet."""
        return self._at < len(self._buffer)

    @property
    def is_awaiting_reply(self) -> bool:
        """Tell whether an event waits for its reply: it is our turn, not the client's."""
        return self._awaited is not None or self.state in _SERVERS_TURN

    # --- replies -------------------------------------------------------------------------------

    def greet(self, reply: Reply) -> None:
        """Begin the session; a refusal here closes it."""
        if self.state is not State.CONNECTED:
            raise RuntimeError("a session is greeted once")
        self.state = State.READY if reply.code < 400 else State.CLOSED
        self._send(reply)

    def reply(self, reply: Reply) -> None:
        """Answer the event that waits."""
        awaited, self._awaited = self._awaited, None
        is_positive = reply.code < 400
        if awaited is Mail:
            self.state = State.SENDER if is_positive else State.READY
        elif awaited is Rcpt:
            if is_positive:
                self.state = State.RECIPIENTS
                self._recipients += 1
        elif awaited is BodyEnds:
            if is_positive:
                self.errors = 0  # Postfix: hard errors are counted between deliveries
        elif awaited is DataBegins:
            if is_positive:
                raise RuntimeError("DATA is accepted by accept_body")
            self.state = State.READY  # qmail-smtpd.c smtp_data: seenmail = 0 comes first
        elif awaited is Auth or awaited is AuthResponse:
            self.state = State.READY
            self.is_authenticated = is_positive
        elif awaited is None or (awaited is StartTls and is_positive):
            raise RuntimeError("nothing waits for this reply")
        self._send(reply, is_plain=awaited is Helo)

    def accept_body(self, size_max: int, *, is_mending: bool = False) -> None:
        """Answer DataBegins with 354; see DataReader for the arguments."""
        if self._awaited is not DataBegins:
            raise RuntimeError("DATA does not wait for a reply")
        self._awaited = None
        self.state = State.BODY
        self._body = DataReader(size_max, is_mending=is_mending)
        self._send(replies.GO_AHEAD)

    def hang_up(self, reply: Reply) -> None:
        """Say a last word that no command asked for: time-out, shutdown."""
        self._awaited = None
        self._send(Reply(reply.code, reply.text, True, reply.status))

    def _send(self, reply: Reply, *, is_plain: bool = False) -> Reply:
        # RFC 5321, 4.5.3.1.10: a client goes on to DATA after any number of 452 to RCPT.
        if reply.code >= 400 and reply is not replies.TOO_MANY_RECIPIENTS:
            self.errors += 1
            if self.errors > ERRORS_PER_SESSION_MAX and not reply.close:
                reply = replies.TOO_MANY_ERRORS
        named, reply = reply, self.wording.get(reply, reply) if self.wording else reply
        if reply.text or reply.code == 334:  # a challenge may be empty, and is said all the same
            # Greeting and HELO answers carry no enhanced code (RFC 2034, 4).
            is_enhanced = self.is_enhanced and not is_plain and reply.code != 220
            wire = replies.render(reply, self.suffix, is_enhanced=is_enhanced)
            self.sent = wire[:-2]
            self.sent_code = reply.code
            self.unsent += wire
        else:
            self.sent = b""
            self.sent_code = 0
        if reply.close:
            self.state = State.CLOSED
            self._buffer = b""
            self._at = 0
            self._body = None
        return named

    # --- events --------------------------------------------------------------------------------

    def next_event(self) -> Event | None:
        """Return what the client wants next; None until more bytes or the reply have come.

        Also None while UNSENT_REPLIES_BYTES_MAX bytes wait in `unsent`.
        """
        while self._awaited is None:
            if self._at >= len(self._buffer) and self._ended is None:
                return None
            if len(self.unsent) > UNSENT_REPLIES_BYTES_MAX:
                return None
            if self.state is State.BODY:
                return self._read_body()
            if self.state in _SILENT:  # a tuple: identity is looked at first
                return None
            line = self._take_line()
            if line is None:
                return None
            if isinstance(line, Refused):
                event: Event | None = line
            elif self.state is State.AUTH:
                event = self._auth_response(line)
            else:
                event = self._command(line)
            if event is not None:
                return event
        return None

    def upcoming_recipients(self, limit: int) -> list[bytes]:
        """Return the recipients of the RCPT commands that stand next in the buffer, unread.

        A caller may ask about them together; each still comes as an event in its turn.
        """
        return smtp_address.upcoming(self._buffer, self._at, limit)

    def _take_line(self) -> bytes | Refused | None:
        buffer, start = self._buffer, self._at
        end = buffer.find(b"\n", start)
        if end < 0:
            if len(buffer) - start >= COMMAND_LINE_BYTES_MAX:
                return self._refuse(replies.LINE_TOO_LONG, buffer[start:])
            return None
        self._at = end + 1
        if end + 1 - start > COMMAND_LINE_BYTES_MAX:
            return self._refuse(replies.LINE_TOO_LONG, buffer[start:end])
        if end > start and buffer[end - 1 : end] == b"\r":
            return buffer[start : end - 1]
        if start or self._is_group or end + 1 < len(buffer):
            # Something stands before or behind it in the same read: a group of commands, or
            # the tail of a body that another server ended elsewhere.
            return self._refuse(replies.BARE_LF_COMMAND, buffer[start:end])
        return buffer[start:end]

    def _command(self, line: bytes) -> Event | None:
        verb, argument = parse(line)
        faults = OUT_OF_ORDER.get(verb)
        if faults is not None and self.state in faults:
            return self._refuse(faults[self.state], line)
        if verb == b"MAIL":
            return self._mail(argument, line)
        if verb == b"RCPT":
            return self._rcpt(argument, line)
        if verb == b"DATA":
            return self._await(_DATA_BEGINS)
        if verb in (b"HELO", b"EHLO"):
            self._forget()
            return self._await(Helo(argument, verb == b"EHLO"))
        if verb == b"QUIT":
            return self._await(_QUIT)
        if verb == b"AUTH":
            return self._auth(argument)
        if verb == b"STARTTLS" and (self.is_tls_offered or self.is_secure):
            return self._starttls(argument, line)
        if verb == b"RSET":
            self._forget()
            self._send(replies.FLUSHED)
            return _RESET
        said = _SAID.get(verb)
        if said is None:
            # A client that was refused AUTH may go on with name and password all the same.
            shown = NOT_SHOWN if self._has_tried_auth else line
            return self._refuse(replies.UNIMPLEMENTED, shown)
        self._send(said)
        return None

    def _mail(self, argument: bytes, line: bytes) -> Event:
        # A refused MAIL leaves no transaction either: the recipients that a client sends behind
        # it must not be taken for another sender's message.
        self._forget()
        parsed = smtp_address.parse(argument)
        if parsed is None:
            return self._refuse(replies.SYNTAX, line)
        address, rest = parsed
        return self._await(Mail(address, smtp_address.declared_size(rest) if rest else 0))

    def _rcpt(self, argument: bytes, line: bytes) -> Event:
        parsed = smtp_address.parse(argument)
        if parsed is None:
            return self._refuse(replies.SYNTAX, line)
        address = parsed[0]
        self._recipient_bytes += len(address)
        if self._recipients >= RECIPIENTS_MAX or self._recipient_bytes > RECIPIENTS_BYTES_MAX:
            return self._refuse(replies.TOO_MANY_RECIPIENTS, line)
        return self._await(Rcpt(address))

    def _read_body(self) -> Event | None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self.state = State.READY
            self._forget()
            return self._await(ended)
        body = self._body
        assert body is not None
        if self._at >= len(self._buffer):
            return None
        data = self._buffer[self._at :] if self._at else self._buffer
        piece = body.feed(data)
        self._at = 0
        self._buffer = b""
        if body.rest is not None:
            self._buffer = body.rest
            self._is_group = True  # what follows came in one read with the body
            self._body = None
            header = body.header
            self._ended = BodyEnds(
                body.size, body.is_too_long, body.bare, header.hops, header.message_id, body.mended
            )
        if piece:
            return BodyChunk(piece)
        return self._read_body() if self._ended is not None else None

    def _forget(self) -> None:
        self.state = State.READY
        self._recipients = 0
        self._recipient_bytes = 0

    def _await(self, event: Event) -> Event:
        self._awaited = type(event)
        return event

    def _refuse(self, reply: Reply, line: bytes) -> Refused:
        return Refused(replies.name_of(self._send(reply)), line[:_SHOWN_BYTES])


_SAID = {b"NOOP": replies.NOOP_OK, b"VRFY": replies.VRFY, b"HELP": replies.HELP}
