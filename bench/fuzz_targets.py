"""What is fuzzed: every parser that sees bytes from outside, with what must always hold.

A target is `run(data)`. It may raise only what its parser's documentation names; a wrong answer is
an AssertionError. `split` turns the first byte of the input into a way of cutting the rest into
chunks, so that the fuzzer also looks for inputs whose meaning depends on how they arrived.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import fuzz_texts

from glassmail.core.formats import (
    assign,
    cdb,
    client_keys,
    control,
    control_line,
    daemons,
    database_address,
    database_text,
    dns_servers,
    dot_qmail,
    drop,
    header_tokens,
    listen,
    message_id,
    msgpack_small,
    patterns,
    pw2u,
    quota,
    quote,
    recipients,
    smtproutes,
    tai64n,
    tcp_rules,
    vpasswd,
    wildmat,
)
from glassmail.core.formats.header_addresses import read_addresses
from glassmail.core.formats.header_fields import HeaderSplitter, HeaderTooLongError
from glassmail.core.formats.header_identity import Identity
from glassmail.core.formats.header_inject import Injection
from glassmail.core.formats.header_rewrite import HeaderError, Rewriter
from glassmail.core.formats.queue_envelope import EnvelopeError, EnvelopeParser
from glassmail.core.formats.queue_envelope import render as render_envelope
from glassmail.core.model.limits import REPLY_LINE_BYTES_MAX
from glassmail.core.protocol import replies, sasl, smtp_address, smtp_body
from glassmail.core.protocol.data_reader import END, DataReader
from glassmail.core.protocol.header_scan import HeaderScan
from glassmail.core.protocol.remote_reply import ReplyError, ReplyReader
from glassmail.core.protocol.smtp_client import SmtpClient, State
from glassmail.core.protocol.smtp_events import (
    Auth,
    AuthResponse,
    BodyEnds,
    DataBegins,
    Helo,
    Mail,
    Quit,
    Rcpt,
    StartTls,
)
from glassmail.core.protocol.smtp_server import SmtpServer
from glassmail.core.protocol.smtp_transaction import Transaction
from glassmail.core.route import autoreply
from glassmail.core.route.verp import bounce_recipient, delivery_sender


class Target(NamedTuple):
    """One thing to fuzz."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def split(data: bytes) -> list[bytes]:
    """Cut what follows the first byte: 0 not at all, else into chunks of that many bytes."""
    if len(data) < 2 or not data[0]:
        return [data[1:]]
    size, rest = data[0], data[1:]
    return [rest[at : at + size] for at in range(0, len(rest), size)]


# --- the dialogue ------------------------------------------------------------------------------


def smtp_server(data: bytes) -> None:
    """Any bytes, any chunks: legal replies only, and an end."""
    server, out = SmtpServer(b" [K7Q2-M4XW-3H]"), b""
    server.greet(replies.greeting(b"fuzz.test"))
    server.mechanisms, server.is_tls_offered = sasl.MECHANISMS, True
    for chunk in split(data):
        server.receive(chunk)
        while (event := server.next_event()) is not None:
            _answer(server, event)
        out += server.output()
    for line in out.split(b"\r\n"):
        assert len(line) + 2 <= REPLY_LINE_BYTES_MAX, line
        assert not {10, 13} & set(line), line
    assert out.endswith(b"\r\n"), out


def _answer(server: SmtpServer, event: object) -> None:
    if isinstance(event, Helo):
        server.reply(
            replies.ehlo(b"fuzz.test", 1_000_000, is_enhanced=False)
            if event.is_extended
            else replies.helo(b"fuzz.test")
        )
    elif isinstance(event, Mail):
        server.reply(replies.MAIL_OK)
    elif isinstance(event, Rcpt):
        server.reply(replies.RCPT_OK)
    elif isinstance(event, DataBegins):
        server.accept_body(1_000)
    elif isinstance(event, BodyEnds):
        server.reply(replies.queued(1_795_187_040, 1, b"K7Q2-M4XW-3H"))
    elif isinstance(event, Quit):
        server.reply(replies.goodbye(b"fuzz.test"))
    elif isinstance(event, StartTls):
        server.begin_tls()
        server.secured()
    elif isinstance(event, Auth):
        _EXCHANGES[id(server)] = made = sasl.exchange(event.mechanism, b"nonce")
        _answer_auth(server, made, made.begin(event.initial))
    elif isinstance(event, AuthResponse):
        made = _EXCHANGES[id(server)]
        _answer_auth(server, made, made.step(event.data))


_EXCHANGES: dict[int, sasl.Exchange] = {}


def _answer_auth(server: SmtpServer, made: sasl.Exchange, answer: sasl.Next) -> None:
    if isinstance(answer, sasl.Attempt):
        assert sasl.is_name(answer.user)
        answer = made.learned(b"4096,c2FsdA==")
        if answer is None:
            server.reply(replies.AUTH_OK)
            return
    if isinstance(answer, sasl.Challenge):
        server.challenge(answer.data)
    else:
        server.reply(replies.AUTH_MALFORMED)


def data_reader(data: bytes) -> None:
    """The end, the size and the text do not depend on the chunks; only CR LF . CR LF ends."""
    chunks, whole = split(data), data[1:]
    reader, pieces, left = DataReader(0), [], b""
    for number, chunk in enumerate(chunks):
        pieces.append(reader.feed(chunk))
        if reader.rest is not None:
            left = reader.rest + b"".join(chunks[number + 1 :])
            break
    end = (b"\r\n" + whole).find(END)
    assert (reader.rest is not None) == (end >= 0)
    if end < 0:
        return
    body = whole[:end]
    assert left == whole[end + 3 :], (left, whole)
    stored = (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:].replace(b"\r\n", b"\n")
    bare = body.replace(b"\r\n", b"")
    assert (reader.bare is not None) == (b"\r" in bare or b"\n" in bare)
    if reader.bare is None:
        assert b"".join(pieces) == stored
        assert reader.size == len(stored)


def data_mending(data: bytes) -> None:
    """With mending nothing that came out holds a CR, and a dot alone never came to be an end."""
    reader, pieces = DataReader(0, is_mending=True), []
    for chunk in split(data):
        pieces.append(reader.feed(chunk))
        if reader.rest is not None:
            break
    assert b"\r" not in b"".join(pieces)


def header_scan(data: bytes) -> None:
    """Hops and Message-ID do not depend on the chunks."""
    parts, whole = HeaderScan(), HeaderScan()
    for chunk in split(data):
        if not parts.is_done:
            parts.feed(chunk)
    parts.finish()
    whole.feed(data[1:])
    whole.finish()
    assert (parts.hops, parts.message_id) == (whole.hops, whole.message_id)
    assert b"\n" not in whole.message_id


def address(data: bytes) -> None:
    """An address that was taken has no control byte, and its SIZE is a number."""
    found = smtp_address.parse(data)
    if found is None:
        return
    assert not any(byte < 32 or byte == 127 for byte in found.address)
    assert smtp_address.declared_size(found.rest) >= 0
    smtp_address.replace_literal(found.address, lambda _: True, b"here.test")
    bounce_recipient(delivery_sender(found.address, b"box@there.test"))
    quote.quote_address(found.address)


def remote_reply(data: bytes) -> None:
    """Replies do not depend on the chunks; a reply that never ends is an error, not memory."""
    with suppress(ReplyError):
        parts, found = ReplyReader(), []
        for chunk in split(data):
            found += parts.feed(chunk)
        assert found == ReplyReader().feed(data[1:])


def smtp_client(data: bytes) -> None:
    """Whatever a server says, the transaction ends with a result for each recipient."""
    client = SmtpClient(b"192.0.2.1", b"fuzz.test")
    client.begin(Transaction(b"a@a.test", (b"b@b.test", b"c@c.test"), 99, is_ascii=False))
    for chunk in split(data):
        client.receive(chunk)
        if client.state is State.BODY:
            client.body_sent()
        if client.is_finished:
            break
    if not client.is_finished:
        client.lost("the fuzzer went away")
    assert len(client.take()) == 2


def body_encoder(data: bytes) -> None:
    """What goes out has no lone CR or LF, and reading it back gives the message again."""
    encoder, out = smtp_body.BodyEncoder(), b""
    with suppress(smtp_body.PartialLineError):
        for chunk in split(data):
            out += encoder.feed(chunk)
        out += encoder.finish()
        assert b"\n" not in out.replace(b"\r\n", b"")
        reader = DataReader(0)
        text = reader.feed(out)
        assert reader.rest == b"", (out, reader.rest)
        assert text.rstrip(b"\n") == data[1:].replace(b"\r", b"").rstrip(b"\n") or b"\r" in data


# --- files -------------------------------------------------------------------------------------


def allowing(
    parse: Callable[[bytes], object], *errors: type[Exception]
) -> Callable[[bytes], None]:
    """A target that only asks that nothing but the documented errors escapes."""

    def run(data: bytes) -> None:
        with suppress(*errors):
            parse(data)

    return run


def queue_envelope(data: bytes) -> None:
    """An envelope that was taken is written and read back as it was."""
    parser = EnvelopeParser()
    with suppress(EnvelopeError):
        for chunk in split(data):
            parser.feed(chunk)
        parser.end_of_file()
        sender, recipients = parser.sender or b"", tuple(parser.recipients)
        again = EnvelopeParser()
        again.feed(render_envelope(sender, recipients))
        assert (again.sender, tuple(again.recipients)) == (sender, recipients)


def header_fields(data: bytes) -> None:
    """Fields and body do not depend on the chunks."""
    parts, whole = HeaderSplitter(), HeaderSplitter()
    with suppress(HeaderTooLongError):
        rest = b""
        for chunk in split(data):
            if parts.is_complete:
                rest += chunk
            else:
                parts.feed(chunk)
        if not parts.is_complete:
            parts.end_of_file()
        whole.feed(data[1:])
        if not whole.is_complete:
            whole.end_of_file()
        assert parts.fields == whole.fields
        assert parts.body + rest == whole.body


def header_field(data: bytes) -> None:
    """A field that can be read can be written, and reads the same then."""
    tokens = header_tokens.tokenise(data)
    if tokens is None:
        return
    read_addresses(tokens)
    header_tokens.unquote(tokens)
    assert header_tokens.tokenise(header_tokens.render(tokens)) is not None


def accounts(data: bytes) -> None:
    """A password file that was read is written and read back as it was."""
    first = vpasswd.parse(data)
    again = vpasswd.parse(vpasswd.render(first.accounts.values()))
    assert again.accounts == first.accounts


def cdb_file(data: bytes) -> None:
    """A damaged cdb is an error or no answer."""
    with suppress(cdb.CdbError):
        cdb.find(data, b"key")
    with suppress(cdb.CdbError):
        for key, _ in zip(cdb.records(data), range(1_000), strict=False):
            assert len(key) == 2


def small_msgpack(data: bytes) -> None:
    """What was decoded encodes and decodes to itself."""
    with suppress(msgpack_small.MsgpackError):
        value = msgpack_small.decode(data)
        assert msgpack_small.decode(msgpack_small.encode(value)) == value


def tables(data: bytes) -> None:
    """Control files of every kind: any bytes are a table."""
    control.parse_list("fuzz", data)
    control.parse_map("fuzz", data).find(b"key")
    control.parse_int(data)


def front_door_lists(data: bytes) -> None:
    """Lists of unwanted names and of recipients: any bytes are a list, or are refused as one."""
    lines, _tab, name = data.partition(b"\t")
    table = control.parse_list("fuzz", lines)
    with suppress(patterns.PatternError):
        patterns.compile_list(table).find(name.lower())
    for line in recipients.parse(table) or ():
        assert line.is_for(name.lower()) in (True, False)
    assert len(recipients.keys(name)) in (1, 2)
    assert wildmat.expression(name) is not None


def client_address(data: bytes) -> None:
    """A network that has a key can be written, and has the same key then."""
    client_keys.unmapped(data)
    key = client_keys.network_key(data)
    if key is not None:
        assert client_keys.network_key(client_keys.network_text(key)) == key


def servers(data: bytes) -> None:
    """Servers have a port."""
    with suppress(dns_servers.DnsServersError):
        for _address, port in dns_servers.parse_servers(control.parse_list("fuzz", data)):
            assert 0 < port < 65_536
    assert b"\n" not in control_line.parse_line(data)


def passwords(data: bytes) -> None:
    """Accounts of any passwd file, with any users/subusers."""
    nothing = control.parse_list("fuzz", b"")
    lists, options = pw2u.Lists(nothing, nothing, nothing), pw2u.Options()
    read = [pw2u.read_account(line, options, lists) for line in data.split(b"\n")]
    accounts = [account for account in read if account is not None]
    for account in accounts:
        assert account.uid_number
        pw2u.account_lines(account, b"alias", options, lists)
    with suppress(pw2u.NoSuchUserError):
        pw2u.subuser_lines(data, accounts, options)


def injection(data: bytes) -> None:
    """A header that qmail-inject took holds no field more than it was given and made."""
    splitter = HeaderSplitter()
    with suppress(HeaderError, HeaderTooLongError):
        splitter.feed(data)
        if not splitter.is_complete:
            splitter.end_of_file()
        made = Injection(b"", _IDENTITY, _REWRITER)
        for field in splitter.fields:
            made.add_field(field)
        header = made.header(1_795_187_040, 1, b"", b"fuzz.test")
        assert header.endswith(b"\n")
        assert b"\n\n" not in header, header


def database_bytes(data: bytes) -> None:
    """Text of a data base gives back the bytes that it was made of."""
    text = database_text.to_text(data)
    assert database_text.to_bytes(text) == data
    text.encode("utf-8")


def automatic_reply(data: bytes) -> None:
    """Nothing of a message makes a header field of its answer."""
    fields = autoreply.read_fields(data)
    autoreply.why_silent(fields, data[:60], [b"joe@x.test"])
    made = autoreply.make_reply(
        fields, autoreply.Reply(b"ann@y.test", b"joe@x.test", b"away", 1, b"2@z")
    )
    header = made.partition(b"\n\n")[0]
    assert len(header.split(b"\n")) <= 8
    assert not set(header) & set(b"\r\0")


_IDENTITY = Identity({b"USER": b"joe", b"QMAILNAME": b"Joe", b"QMAILHOST": b"fuzz.test"})
_REWRITER = Rewriter(b"fuzz.test", b"mx", b"plus.test")
_SESSION = (
    b"\0EHLO a.test\r\nMAIL FROM:<a@a.test> SIZE=99 BODY=8BITMIME\r\nRCPT TO:<b@b.test>\r\n"
    b"DATA\r\nReceived: x\r\nMessage-ID: <1@a>\r\n\r\n..dot\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n"
)
_DROP = drop.render_head(drop.DropHead(5, 12, b"0" * 64))
_REPLIES = (b"\x05220 hi\r\n250-b.test\r\n250-PIPELINING\r\n250-SIZE 9\r\n250 8BITMIME\r\n"
            b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 taken\r\n")  # fmt: skip
_PROXY_LINE = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 25\r\nEHLO a\r\n"
_PROXY_FRAME = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(range(12)) + b"EHLO a\r\n"
_SEND_LOG = (
    b"@400000006b00a3a0000000ff new msg 7\ninfo msg 7: bytes 9 from <a@b> qp 4 uid 1\n"
    b"starting delivery 1: msg 7 to remote c@d\nstatus: local 0/10 remote 1/20\n"
    b"delivery 1: success: 192.0.2.1_accepted_message./Remote_host_said:_250_ok/\n"
    b"status: local 0/10 remote 0/20\nbounce msg 7 qp 9\nend msg 7\n"
)
_SMTPD_LOG = (
    b"Nov 21 08:00:01 mx smtpd: 1795187040.1 tcpserver: ok 9 mx:192.0.2.9:25 :192.0.2.1::5000\n"
    b"tcpserver: end 9 status 256\nrblsmtpd: 192.0.2.1 pid 9: 451 no\n"
    b"qmail-smtpd: badmailfrom: <a@b> at 192.0.2.1\n"
)
_BOUNCE = (
    b"Hi. This is the qmail-send program at a.test.\n\n<b@c.test>:\nSorry.\n\n"
    b"--- Below this line is a copy of the message.\n\nMessage-ID: <1@a>\n"
)
_HEADER = (
    b"Received: from a (b [192.0.2.1])\n  by fuzz.test with SMTP; 21 Nov 2026 08:00:01 -0000\n"
    b"Received: (qmail 5 invoked by uid 6); 21 Nov 2026 07:59:01 +0100\nMessage-ID: <1@a>\n\n"
)

TARGETS = (
    Target("smtp_server", smtp_server, (_SESSION, b"\x01" + _SESSION[1:], b"\x00STARTTLS\r\n",
           b"\x05AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n",
           b"\x07AUTH SCRAM-SHA-256 biwsbj1qb2Uscj1hYmNkZWZnaA==\r\nYz1iaXdzLHI9YSxwPWE=\r\n")),
    Target("data_reader", data_reader, (b"\x03a\r\n..\r\n.\r\nQUIT\r\n", b"\x01\n.\n\r\n.\r\n")),
    Target("data_mending", data_mending, (b"\x03a\n.\n\r.\r\n.\r\n",)),
    Target("header_scan", header_scan, (b"\x04Received: a\n b\nDelivered-To: c\n\nReceived:",)),
    Target("address", address, (b'FROM:<@a,@b:"x\\"y"@[127.0.0.1]> SIZE=12', b"TO:a@b c")),
    Target("remote_reply", remote_reply, (b"\x02250-a\r\n250 b\r\n4", b"\x01\xff\xff\n")),
    Target("smtp_client", smtp_client, (_REPLIES, b"\x00554 no\r\n")),
    Target("body_encoder", body_encoder, (b"\x02.a\n..\n.\nlast", b"\x01\n.\n")),
    Target("queue_envelope", queue_envelope, (b"\x01Fa@b\0Tc@d\0\0",)),
    Target("header_fields", header_fields, (b"\x05From: a\nTo: b\n c\n\nbody\n",)),
    Target("header_field", header_field, (b'To: "a b" (c) <d@e>, f: g@h;, i <@j:k@l>',)),
    Target("accounts", accounts, (b"tammy:$1$x$y:1:0:Tammy:/home/t:NOQUOTA:clear\nbad\n",)),
    Target("cdb_file", cdb_file, (cdb.render([(b"key", b"value"), (b"k", b"")]),)),
    Target("small_msgpack", small_msgpack, (msgpack_small.encode([1, b"a", "b", None, True]),)),
    Target("tables", tables, (b"a.test:b\n# c\n.d:e \n\n:f", b"20\n")),
    Target("assign", allowing(assign.parse, assign.AssignError),
           (b"=joe:joe:507:506:/home/joe:::\n+joe-:joe:507:506:/home/joe:-::\n.\n",)),
    Target("daemons", allowing(daemons.parse, daemons.DaemonsError), (b"smtpd:100:101\n",)),
    Target("dot_qmail", allowing(dot_qmail.parse), (b"|prog\n&a@b\n./Maildir/\n+list\n#c\n",)),
    Target("drop_head", allowing(drop.parse_head, drop.DropError), (_DROP,)),
    Target("drop_envelope", allowing(drop.parse_envelope, drop.DropError), (b"3:a@b,3:c@d,",)),
    Target("listen", allowing(listen.parse, listen.ListenError), (b"smtp [::1]:25\n",)),
    Target("message_id", allowing(lambda data: message_id.find_message_id(data, 10_000)),
           (b"Message-ID:\n <a@b>\nX: y\n\n",)),
    Target("database_address", allowing(database_address.parse, database_address.AddressError),
           (b"postgresql://u@[::1]:5432/n", b"sqlite:/a", b"mariadb:///n")),
    Target("database_text", database_bytes, (b"J\xc3\xb6rg", b"J\xf6rg \xef\x9f\xb6")),
    Target("automatic_reply", automatic_reply,
           (b"To: joe@x.test\nSubject: a\n b\nMessage-ID: <1@y>\nPrecedence: bulk\n\n",
            b"Auto-Submitted: no; x\nCc: <JOE@x.test>\nReferences: <a@b>\n\n")),
    Target("quota", allowing(quota.parse, quota.QuotaError), (b"10MS,1000C",)),
    Target("smtproutes", allowing(smtproutes.parse_relay, smtproutes.RelayError),
           (b"[::1]:25", b"relay.test:2525")),
    Target("tai64n", allowing(tai64n.parse), (tai64n.label(1_795_187_040_000_000_000) + b" x",)),
    Target("client_address", client_address, (b"10.1.2.0/24", b"fe80::/10", b"::ffff:1.2.3.4")),
    Target("front_door_lists", front_door_lists,
           (b"@a.test\n!b*c?[d-f]\n/^x.*y$/\n~z\t@b.a.test",
            b"a.test:cdb\n!*\n@b|prog x\tu-x=y@a")),
    Target("servers", servers, (b"192.0.2.53\n[::1]:5353\n192.0.2.54:99\n",)),
    Target("passwords", passwords, (b"joe:x:507:506:Joe:/home/joe:/bin/sh\nsub:joe:ext:\n",)),
    Target("injection", injection,
           (b"To: a b <c@d>\nCc: x: y@z, q;\nFrom: m@n (o)\nReturn-Path: <p@q>\n\nbody\n",
            b"Resent-To: r\nBcc: b@c\n\n")),
    Target("tcp_rules", allowing(lambda data: tcp_rules.parse(data, "fuzz"),
                                 tcp_rules.TcpRulesError),
           (b'127.:allow,RELAYCLIENT=""\n=.a.test:deny\n10.1.2-9.:allow\n:allow\n',)),
    Target("proxy_header", fuzz_texts.proxy_header, (_PROXY_LINE, _PROXY_FRAME)),
    Target("transcript", fuzz_texts.transcript,
           (b"DATA\r\na\r\n.\r\nAUTH LOGIN\r\nx\r\n\t354 go\r\n250 ok\r\n334 z\r\n",)),
    Target("imported_log", fuzz_texts.imported_log, (_SEND_LOG, _SMTPD_LOG)),
    Target("pasted", fuzz_texts.pasted, (_SEND_LOG, _BOUNCE, b"5K44-8BQY-T5 #12 <1@a> [::1]")),
    Target("pasted_header", fuzz_texts.pasted_header, (_HEADER,)),
    Target("account_records", fuzz_texts.account_records,
           (b'$6$x$y,EXPIRES="1795187040",A="b"', b"joe:$6$x$y:19000:0:99999:7:::\n",
            b"maxpopaccounts: 5\ndisable_pop\nquota: 10\n")),
    Target("log_settings", fuzz_texts.log_settings,
           (b"files\nsyslog 3 /dev/log\njournal\n", b"send:gzip\nsmtpd:/bin/cat\n",
            b"v=spf1 ip4:192.0.2.0/24 include:a.test a/24 mx -all")),
)  # fmt: skip

BY_NAME = {target.name: target for target in TARGETS}
