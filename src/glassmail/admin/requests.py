"""Asking the running queue and log: one Request, all its Rows, as dictionaries."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from glassmail.core.model.system_errors import words_of
from glassmail.net.blocking import BlockingChannel, ChannelError, connect
from glassmail.net.messages import Failed, Hello, Request, Rows, encode

ANSWER_S = 30.0

_decoder = msgspec.msgpack.Decoder(Rows | Failed)


class RequestError(Exception):
    """A request was refused or nobody answered; exit_code is what a command ends with."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class NoServerError(RequestError):
    """Nobody listens there."""


def ask(path: str, verb: str, **arguments: object) -> Iterator[dict[str, Any]]:
    """Ask the process behind a socket; yields the rows; raises RequestError."""
    return ask_within(ANSWER_S, path, verb, **arguments)


def ask_within(
    wait_s: float, path: str, verb: str, **arguments: object
) -> Iterator[dict[str, Any]]:
    """Ask as `ask` does, and give up after so many seconds without an answer."""
    try:
        channel = connect(path, wait_s)
    except OSError as error:
        raise _unreached(path, error) from error
    try:
        channel.send(encode(Hello("client", os.getpid())))
        channel.send(encode(Request(1, verb, arguments)))  # type: ignore[arg-type]
        yield from _answers(channel)
    except (OSError, ChannelError, msgspec.MsgspecError) as error:
        raise RequestError(f"no answer over {path}: {error}", 3) from error
    finally:
        channel.close()


def follow(
    path: str, verb: str, wait_s: float, **arguments: object
) -> Iterator[dict[str, Any]]:
    """Ask for rows that come while things happen, until the last; raises RequestError."""
    try:
        channel = connect(path, wait_s)
    except OSError as error:
        raise _unreached(path, error) from error
    try:
        channel.send(encode(Hello("client", os.getpid())))
        channel.send(encode(Request(1, verb, arguments)))  # type: ignore[arg-type]
        is_more = True
        while is_more:
            frame = channel.receive()
            if frame is None:
                raise ChannelError("the server ended")
            message = _decoder.decode(frame[0])
            if isinstance(message, Failed):
                raise RequestError(message.text, message.exit)
            is_more = message.more
            for row in message.rows:
                yield json.loads(row)
    except (OSError, ChannelError, msgspec.MsgspecError) as error:
        raise RequestError(f"no answer over {path}: {error}", 3) from error
    finally:
        channel.close()


def all_pages(
    page_after: Callable[[int], Iterator[dict[str, Any]]],
) -> Iterator[dict[str, Any]]:
    """Get page after page, each after the number that ended the last, until all was told."""
    after = 0
    while True:
        going_on = None
        for row in page_after(after):
            if set(row) == {"after"}:
                going_on = row["after"]
            else:
                yield row
        if going_on is None:
            return
        after = going_on


def _answers(channel: BlockingChannel) -> Iterator[dict[str, Any]]:
    frame = channel.receive()
    if frame is None:
        raise ChannelError("the connection ended")
    message = _decoder.decode(frame[0])
    if isinstance(message, Failed):
        raise RequestError(message.text, message.exit)
    for row in message.rows:
        yield json.loads(row)


def _unreached(path: str, error: OSError) -> RequestError:
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return NoServerError(f"no server answers at {path}: is it running? (glass status)", 3)
    return RequestError(f"cannot ask {path}: {words_of(error)}", 3)
