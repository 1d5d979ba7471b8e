"""`python -m glassmail.faces.cli`: the command `glass` without an installed script."""

from glassmail.faces.cli.main import main

main()
