"""preline: put From_, Return-Path and Delivered-To lines before a message (preline.1)."""

from glassmail.faces.compat import own_program


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return own_program.main(b"preline", argv)
