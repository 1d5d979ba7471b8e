"""valias [-s|-n|-d|-i LINE] ALIAS@DOMAIN|DOMAIN: show and change aliases (valias.c, vpalias.c)."""

import sys

from glassmail.admin import aliases
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say
from glassmail.store.account_writer import Domain

NAME = "valias"
UNKNOWN_DOMAIN = "invalid domain, not in qmail assign file"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "valias: usage: [options] email_address ",
        "options: -v ( display the vpopmail version number )",
        "         -n ( show alias names, use just domain )",
        "         -s ( show aliases, can use just domain )",
        "         -d ( delete alias )",
        "         -i alias_line (insert alias line)",
        "",
        "Example: valias -i fred@inter7.com bob@inter7.com",
        "         (adds alias from bob@inter7.com to fred@inter7.com",
    )


def _run(words: list[bytes]) -> int:
    options, rest = vpopmail.getopt(NAME, words, "vnsdi:", _usage, wrong=-2)
    action, line = "s", b""
    for letter, argument in options:
        if letter == "v":
            vpopmail.print_version()
            continue
        action = letter
        line = argument if letter == "i" else line
    if not rest:
        sys.stderr.write("must supply alias email address\n")
        _usage()
        return -1
    site = vpopmail.site()
    address = rest[0].lower()
    if b"@" in address:
        alias, domain_name = vpopmail.parse_email(site, address)
    else:
        alias, domain_name = b"", address
    entry = site.find(domain_name)
    if entry is None:
        leave(-1, UNKNOWN_DOMAIN)
    domain = site.domain(domain_name)
    if action == "n":
        return _names(domain, alias)
    if action == "s":
        return _show(domain, domain_name, alias)
    return _change(site, domain, (action, alias, line), rest[0])


def _names(domain: Domain, alias: bytes) -> int:
    if alias:
        sys.stderr.write("Please enter domain name only.\n")
        return -1
    names = aliases.names(domain)
    say(*names)
    return 0 if names else -1


def _show(domain: Domain, shown: bytes, alias: bytes) -> int:
    named = [alias] if alias else aliases.names(domain)
    found = [(name, line) for name in named for line in aliases.find(domain, name)]
    say(*(b"%b@%b -> %b" % (name, shown, line) for name, line in found))
    return 0 if found else -1


def _change(site: Site, domain: Domain, asked: tuple[str, bytes, bytes], shown: bytes) -> int:
    action, alias, line = asked
    changes = Changes()
    if action == "i":
        if line in aliases.find(domain, alias):
            text = b"Error: alias %b -> %b already exists.\n" % (shown, line)
            sys.stderr.buffer.write(text)
            return -1
        aliases.add_lines(site, changes, domain, alias, [line])
    else:
        try:
            aliases.remove(site, changes, domain, alias)
        except AccountError as error:
            vpopmail.hint(NAME, str(error))  # vpopmail says nothing and ends with 0
    vpopmail.tell_notes(NAME, changes)
    return 0
