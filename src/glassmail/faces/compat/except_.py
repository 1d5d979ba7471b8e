"""except: turn a program's yes into giving up, and its no into going on (except.1)."""

from glassmail.faces.compat import own_program


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return own_program.main(b"except", argv)
