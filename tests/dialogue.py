r"""Dialogues: conversations as people write them down, run against the core or a running server.

A file holds settings, then lines:

    # a comment
    control/rcpthosts: here.example .sub.example     a control file; blanks part its lines
    rule: :allow,RELAYCLIENT=""                      a line of control/tcp.smtp
    client: 127.0.0.1                                who connects, where that can be chosen
    certificate: self-made                           in control/servercert.pem
    C: MAIL FROM:<a@b>       sent with CR LF; several in a row are sent together
    C| bare\n                sent as it stands, with Python's escapes and nothing behind
    S: 250 ok                expected; `*` stands for anything without a blank
    S: <eof>                 the server hangs up
    S: <nothing>             the server says nothing more for now
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from glassmail.admin.certificate import self_signed

DIRECTORY = Path(__file__).parent / "dialogues"
DEFAULTS = {"me": "mx.example", "rcpthosts": "here.example .sub.example"}


ONE_LINE = {"ehlo", "authmechanisms", "checkpassword"}  # several words make one value


@cache
def certificate():
    return self_signed(b"mx.example")


class Dialogue(NamedTuple):
    name: str
    controls: dict[str, str]
    rules: list[str]
    turns: list[tuple[str, bytes]]
    service: str
    client: bytes = b"192.0.2.1"
    has_certificate: bool = False


def load_all():
    return [load(path) for path in sorted(DIRECTORY.glob("*.txt"))]


def load(path):
    return parse(path.stem, path.read_text("utf-8"))


def parse(name, text):
    controls, rules, turns, service = dict(DEFAULTS), [], [], "smtp"
    client, has_certificate = b"192.0.2.1", False
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("control/"):
            setting, _, value = line.removeprefix("control/").partition(":")
            if value.strip() == "-":
                controls.pop(setting)
            else:
                controls[setting] = value.strip()
        elif line.startswith("rule: "):
            rules.append(line.removeprefix("rule: "))
        elif line.startswith("service: "):
            service = line.removeprefix("service: ")
        elif line.startswith("client: "):
            client = line.removeprefix("client: ").encode()
        elif line.startswith("certificate: "):
            has_certificate = True
        elif line.startswith("S: "):
            turns.append(("S", line[3:].encode()))
        else:
            assert line[:2] in ("C:", "C|"), line
            data = line[3:].encode()
            if line[1] == "|":
                data = data.decode("unicode_escape").encode("latin-1")
            else:
                data += b"\r\n"
            if line[1] == ":" and turns and turns[-1][0] == "C:":
                turns[-1] = ("C:", turns[-1][1] + data)
            else:
                turns.append((line[:2], data))
    return Dialogue(name, controls, rules, turns, service, client, has_certificate)


def write_site(dialogue, root):
    """Write the dialogue's settings below ROOT/control."""
    control = root / "control"
    control.mkdir(parents=True, exist_ok=True)
    for name, value in dialogue.controls.items():
        end = " " if name in ONE_LINE else "\n"
        (control / name).write_text("".join(f"{word}{end}" for word in value.split()))
    if dialogue.has_certificate:
        (control / "servercert.pem").write_bytes(certificate())
    if dialogue.rules:
        (control / "tcp.smtp").write_text("".join(f"{rule}\n" for rule in dialogue.rules))


def matches(pattern, line):
    regex = re.escape(pattern).replace(rb"\*", rb"[^ ]+")
    return re.fullmatch(regex, line) is not None


async def run(dialogue, peer, *, byte_by_byte=False):
    """Speak the dialogue with a peer: `await peer.send(data)`, `await peer.line()`.

    line() returns a line without CR LF, b"<eof>" or b"<nothing>".
    """
    for number, (who, data) in enumerate(dialogue.turns):
        where = f"{dialogue.name}, turn {number}"
        if who == "S":
            line = await peer.line()
            assert matches(data, line), f"{where}: expected {data!r}, got {line!r}"
        elif byte_by_byte:
            for at in range(len(data)):
                await peer.send(data[at : at + 1])
        else:
            await peer.send(data)


class Lines:
    """Bytes in, lines out: the reading half of a peer."""

    def __init__(self):
        self._buffer = b""
        self.is_closed = False

    def feed(self, data):
        self._buffer += data

    def take(self):
        line, found, rest = self._buffer.partition(b"\r\n")
        if found:
            assert b"\n" not in line
            assert len(line) + 2 <= 512
            self._buffer = rest
            return line
        assert not self._buffer
        return b"<eof>" if self.is_closed else b"<nothing>"
