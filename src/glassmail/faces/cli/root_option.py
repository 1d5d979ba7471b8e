"""The option that names the site, the same in every verb."""

import click

from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE

root_option = click.option(
    "--root", metavar="DIR", help=f"The site; else ${ROOT_VARIABLE}, else {DEFAULT_ROOT}."
)
