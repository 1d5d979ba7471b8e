"""vdominfo [options] [DOMAIN]: tell of virtual domains (vdominfo.c)."""

from glassmail.admin.domain_files import Entry
from glassmail.admin.site import Site
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say
from glassmail.stations.rights import as_user

NAME = "vdominfo"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vdominfo: usage: [options] [domain]",
        "options: -v (print version number)",
        "         -a (display all fields, this is the default)",
        "         -n (display domain name)",
        "         -u (display uid field)",
        "         -g (display gid field)",
        "         -d (display domain directory)",
        "         -t (display total users)",
        "         -r (display real domain)",
    )


def _run(words: list[bytes]) -> int:
    options, rest = vpopmail.getopt(NAME, words, "vanugdtr", _usage)
    wanted: set[str] | None = None
    for letter, _argument in options:
        if letter == "v":
            vpopmail.print_version()
        elif letter == "a":
            wanted = None
        else:
            wanted = (wanted or set()) | {letter}
    site = vpopmail.site()
    if rest:
        _display_one(site, rest[0].lower(), wanted)
    else:
        for entry in site.entries():
            _display(site, entry, wanted)
            say("")
    return 0


def _display_one(site: Site, name: bytes, wanted: set[str] | None) -> None:
    asked = site.find(name)
    if asked is None:
        leave(Fault.DOMAIN_DOES_NOT_EXIST, "Invalid domain name")
    same = [entry for entry in site.entries() if entry.real == asked.real]
    for entry in same:
        if not entry.is_alias:
            _display(site, entry, wanted)
    say(*(b"alias: " + entry.domain for entry in same if entry.is_alias))


def _display(site: Site, entry: Entry, wanted: set[str] | None) -> None:
    name = entry.domain + (b" (alias of %b)" % entry.real if entry.is_alias else b"")
    uid, gid = entry.ids
    if wanted is None:
        say(b"domain: " + name, f"uid:    {uid}", f"gid:    {gid}", f"dir:    {entry.directory}")
        say(f"users:  {_users(site, entry)}")
        return
    fields: list[tuple[str, bytes | str]] = [
        ("n", name), ("u", str(uid)), ("g", str(gid)), ("d", entry.directory),
    ]  # fmt: skip
    if "t" in wanted:
        fields.append(("t", str(_users(site, entry))))
    fields.append(("r", entry.real))
    say(*(text for letter, text in fields if letter in wanted))


def _users(site: Site, entry: Entry) -> int:
    with as_user(*entry.ids):
        return site.writer.count(site.domain(entry.domain))
