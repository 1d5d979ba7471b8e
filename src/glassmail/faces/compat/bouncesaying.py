"""bouncesaying: give a message up with a text, always or if a program says so (bouncesaying.1)."""

from glassmail.faces.compat import own_program


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return own_program.main(b"bouncesaying", argv)
