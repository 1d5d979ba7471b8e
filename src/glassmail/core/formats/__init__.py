"""One file format per module: parse(bytes) -> value, render(value) -> bytes."""
