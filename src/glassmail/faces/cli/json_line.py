r"""One object a line, for --json.

The queue tells bytes that are no UTF-8 as surrogates, so that qmail-qread can give them back.
A strict reader of JSON refuses those: here they are written as everywhere else, `\\xff`.
"""

import json
from typing import Any

_ESCAPED = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 256)}


def json_line(row: Any) -> str:  # noqa: ANN401 -- whatever JSON takes
    """Write an object as one line of valid JSON."""
    text = json.dumps(row)
    return json.dumps(_readable(row)) if "\\udc" in text else text


def _readable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    if isinstance(value, dict):
        return {_readable(name): _readable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_readable(part) for part in value]
    return value
