"""condredirect: send a message elsewhere if a program says so (condredirect.1)."""

from glassmail.faces.compat import own_program


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return own_program.main(b"condredirect", argv)
