"""forward: send the message on descriptor 0 to the addresses given (forward.1)."""

from glassmail.faces.compat import own_program


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return own_program.main(b"forward", argv)
