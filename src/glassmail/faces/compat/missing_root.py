"""What a person is told beside qmail's words when there is no ROOT to work in."""

import os

from glassmail.settings.place import ROOT_VARIABLE


def tell_person(name: str, root: str) -> None:
    """Name the directory on a terminal; a program that reads the errors gets qmail's text alone."""
    if os.isatty(2):
        told = f"{name}: there is no site at {root}: name one in ${ROOT_VARIABLE}, or glass init\n"
        os.write(2, os.fsencode(told))
