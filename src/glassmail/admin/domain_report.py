"""What is to be told of a virtual domain: its lines in each file, its limits, what is amiss."""

import os
from typing import Any

from glassmail.admin import aliases, convert, limits_files, virtual_domains
from glassmail.admin.mailbox_files import JOURNAL_NAME
from glassmail.admin.site import Site
from glassmail.core.formats.domain_limits import SERVICES, Limits
from glassmail.core.route import mailbox
from glassmail.core.route.mailbox import CatchAll
from glassmail.stations.rights import as_user
from glassmail.store.account_writer import Domain
from glassmail.store.control import take_snapshot

_FILES = ("locals", "virtualdomains", "rcpthosts", "morercpthosts")


def summary(site: Site, name: bytes, real: bytes) -> dict[str, Any]:
    """Return a row of `glass domain list`."""
    domain = site.domain(name)
    return {
        "domain": _text(name),
        "alias_of": "" if name == real else _text(real),
        "mailboxes": _count(site, domain),
        "mail_for_nobody": catch_all_words(aliases.catch_all(domain)),
    }


def details(site: Site, name: bytes) -> dict[str, Any]:
    """Return the fields of `glass domain show`; raises AccountError, EditError, ControlError."""
    domain = site.domain(name)
    entry = site.find(name)
    assert entry is not None  # or there were no domain
    lines = _lines(site, name)
    limits = limits_files.read(site, domain)
    return {
        **summary(site, entry.domain, entry.real),
        "alias_domains": [_text(a) for a in virtual_domains.aliases_of(site, domain.name)],
        "directory": domain.directory,
        "accounts_in": convert.place_of(domain),
        "owner": "{}:{}".format(*entry.ids),
        "lines": [f"users/assign:{entry.line}", *lines.values()],
        "limits": limit_words(limits),
        "switched_off": [_text(word) for word, flag in SERVICES.items() if limits.disabled & flag],
        "problems": _problems(site, domain, lines),
    }


def problems(site: Site, name: bytes) -> list[str]:
    """Tell what is amiss with a domain; raises AccountError, EditError, ControlError."""
    return _problems(site, site.domain(name), _lines(site, name))


def catch_all_words(line: bytes) -> str:
    """Say what `.qmail-default` does with mail for nobody."""
    arguments = mailbox.call_arguments(line.removeprefix(b"|")) if line.startswith(b"|") else None
    if not line:
        return "bounces: there is no .qmail-default"
    if arguments is None or len(arguments) != 2:
        return _text(line)
    kind = mailbox.catch_all(arguments[1])
    if kind is CatchAll.BOUNCE:
        return "bounces"
    return "is deleted" if kind is CatchAll.DELETE else f"goes to {_text(arguments[1])}"


def limit_words(limits: Limits) -> list[str]:
    """List the limits that limit anything."""
    counts = (
        "maxpopaccounts", "maxaliases", "maxforwards", "maxautoresponders", "maxmailinglists",
    )  # fmt: skip
    words = [f"{name} {getattr(limits, name)}" for name in counts if getattr(limits, name) >= 0]
    if limits.quota:
        words.append(f"quota {limits.quota} MB for the domain")
    sizes = ("maxmsgcount", "default_quota", "default_maxmsgcount")
    words += [f"{name} {getattr(limits, name)}" for name in sizes if getattr(limits, name)]
    return words


def _count(site: Site, domain: Domain) -> int:
    with as_user(*domain.owner):
        return site.writer.count(domain)


def _lines(site: Site, name: bytes) -> dict[str, str]:
    """Return the domain's line in each control file that has one."""
    found = {}
    for file in _FILES:
        path = os.path.join(site.place.control, file)
        try:
            with open(path, "rb") as opened:
                data = opened.read()
        except OSError:
            continue  # no such file, or one that is not for our eyes
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.rstrip().partition(b":")[0].lower() == name:
                found[file] = f"control/{file}:{number}  {_text(line.rstrip())}"
    settings = take_snapshot(site.place.control, ("me", "locals"))
    if not settings.is_set("locals") and settings.line("me").lower() == name:
        found["locals"] = f"control/me  {_text(name)} (there is no control/locals)"
    return found


def _problems(site: Site, domain: Domain, lines: dict[str, str]) -> list[str]:
    with as_user(*domain.owner):
        broken = site.writer.read(domain).broken.values()
    return [*_of_lines(lines), *_unfinished(site, domain), *broken]


def _of_lines(lines: dict[str, str]) -> list[str]:
    problems = []
    if "locals" in lines:
        problems.append(f"{lines['locals']}: mail goes to users of this host, not to the mailboxes")
    if "virtualdomains" not in lines:
        problems.append("no line in control/virtualdomains: mail goes to other servers")
    if "rcpthosts" not in lines and "morercpthosts" not in lines:
        problems.append("no line in control/rcpthosts: other servers' mail is refused")
    return problems


def _unfinished(site: Site, domain: Domain) -> list[str]:
    """Tell of a command that was killed; the next change of that kind finishes its work."""
    found = []
    if os.path.lexists(site.place.path("users", JOURNAL_NAME)):
        found.append("a change of a domain was killed half-way; the next one finishes it")
    with as_user(*domain.owner):
        if os.path.lexists(os.path.join(domain.directory, JOURNAL_NAME)):
            text = "the removal of a mailbox was killed half-way; the next change finishes it"
            found.append(text)
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
