"""Ask a client's host who opened a connection (RFC 1413), as tcpserver -r does."""

import asyncio

IDENT_PORT = 113
ANSWER_BYTES_MAX = 1_000


async def ask(
    local: tuple[bytes, int], remote: tuple[bytes, int], seconds: float, port: int = IDENT_PORT
) -> tuple[bytes, str]:
    """Return the user, empty when unknown, and why it is unknown.

    Args:
        local: our end of the connection.
        remote: the client's end.
        seconds: how long this may take.
        port: where the client's host answers.
    """
    try:
        data = await asyncio.wait_for(_exchange(local, remote, port), seconds)
    except TimeoutError:
        return b"", f"no answer within {seconds:g} s"
    except OSError as error:
        return b"", error.strerror or "no connection"
    user = _user(data)
    return user, "" if user else "the answer names no user"


async def _exchange(local: tuple[bytes, int], remote: tuple[bytes, int], port: int) -> bytes:
    here = (local[0].decode("ascii"), 0)
    reader, writer = await asyncio.open_connection(
        remote[0].decode("ascii"), port, local_addr=here
    )
    try:
        writer.write(b"%d , %d\r\n" % (remote[1], local[1]))
        data = b""
        while b"\n" not in data and len(data) < ANSWER_BYTES_MAX:
            piece = await reader.read(ANSWER_BYTES_MAX)
            if not piece:
                break
            data += piece
        return data
    finally:
        writer.close()


def _user(data: bytes) -> bytes:
    parts = data.split(b"\n")[0].rstrip(b"\r").split(b":", 3)
    if len(parts) < 4 or parts[1].strip().upper() != b"USERID":
        return b""
    text = parts[3].lstrip(b" ")[:ANSWER_BYTES_MAX]
    return bytes(byte if 32 < byte < 127 else 0x5F for byte in text)
