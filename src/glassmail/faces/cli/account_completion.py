"""What the shells offer behind `glass domain`, `user` and `alias`: domains, addresses, words.

What may not be read is not offered, and nobody is told: somebody is typing.
"""

from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import CompletionItem

from glassmail.admin import aliases
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.model.trail import YES
from glassmail.faces.cli.account_output import data_of, shown
from glassmail.settings.place import Place, find_root
from glassmail.stations.rights import as_user
from glassmail.store.account_writer import AccountChangeError, Domain
from glassmail.store.control import ControlError
from glassmail.store.edit import EditError

DOMAINS_LOOKED_AT_MAX = 50
_FAILURES = (AccountError, AccountChangeError, EditError, ControlError, OSError)

Items = list[CompletionItem]
_Names = Callable[[Site, Domain], Iterable[bytes]]
_Has = Callable[[Site, Domain, bytes], bool]


def domains(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the site's domains."""
    return _items(name for name in _domains(context) if name.startswith(incomplete))


def new_addresses(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the domains behind the `@` of an address that is not there yet."""
    local, at, begun = incomplete.partition("@")
    names = _domains(context) if at else ()
    return _items(f"{local}@{name}" for name in names if name.startswith(begun))


def mailboxes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer mailboxes; domains before one is begun."""
    return _items(_addresses(context, incomplete, (_mailboxes, _has_mailbox)))


def alias_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer aliases; domains before one is begun."""
    return _items(_addresses(context, incomplete, (_aliases, _has_alias)))


def aliases_and_new(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> Items:
    """Offer aliases, which may get more targets, and behind an `@` all domains."""
    return (new_addresses if "@" in incomplete else alias_names)(context, parameter, incomplete)


def all_addresses(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer mailboxes and aliases; domains before one is begun."""
    found = {
        *_addresses(context, incomplete, (_mailboxes, _has_mailbox)),
        *_addresses(context, incomplete, (_aliases, _has_alias)),
    }
    return _items(sorted(found))


def catch_alls(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Offer what may happen to mail for nobody: two words, and addresses."""
    fixed = [word for word in ("bounce-no-mailbox", "delete") if word.startswith(incomplete)]
    return _items(fixed) + (mailboxes(context, parameter, incomplete) if incomplete else [])


def directories(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Let the shell offer directories."""
    return [CompletionItem(incomplete, type="dir")]


def words(offered: Iterable[str]) -> Callable[[click.Context, click.Parameter, str], Items]:
    """Offer these words."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
        return _items(word for word in offered if word.startswith(incomplete))

    return complete


def _items(names: Iterable[str]) -> Items:
    return [CompletionItem(name) for name in names]


def _addresses(
    context: click.Context, incomplete: str, kind: tuple[_Names, _Has]
) -> Iterator[str]:
    """Name the addresses of this kind that begin so."""
    names_of, has = kind
    local, at, begun = incomplete.partition("@")
    names = [name for name in _domains(context) if name.startswith(begun)]
    if not local:
        yield from (f"@{name}" for name in names)
        return
    try:
        site = _site(context)
        if at:
            looked_at, others = names[:DOMAINS_LOOKED_AT_MAX], names[DOMAINS_LOOKED_AT_MAX:]
            own = data_of(local.lower())
            found = [name for name in looked_at if has(site, site.domain(data_of(name)), own)]
            yield from (f"{local}@{name}" for name in (*found, *others))
            return
        for name in names[:DOMAINS_LOOKED_AT_MAX]:
            offered = map(shown, names_of(site, site.domain(data_of(name))))
            yield from (f"{each}@{name}" for each in offered if each.startswith(local))
    except _FAILURES:
        return


def _mailboxes(site: Site, domain: Domain) -> Iterable[bytes]:
    with as_user(*domain.owner):
        return site.writer.read(domain).accounts


def _has_mailbox(site: Site, domain: Domain, name: bytes) -> bool:
    with as_user(*domain.owner):
        return site.writer.find(domain, name).answer == YES


def _aliases(_at: Site, domain: Domain) -> Iterable[bytes]:
    return aliases.names(domain)


def _has_alias(_at: Site, domain: Domain, name: bytes) -> bool:
    return bool(aliases.find(domain, name))


def _domains(context: click.Context) -> list[str]:
    try:
        return [shown(entry.domain) for entry in _site(context).entries()]
    except _FAILURES:
        return []


def _site(context: click.Context) -> Site:
    return Site.at(Place(find_root(context.params.get("root"))))
