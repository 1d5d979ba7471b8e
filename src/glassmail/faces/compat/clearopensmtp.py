"""clearopensmtp: forget clients that fetched mail too long ago (clearopensmtp.c).

Entries are those of control/opensmtp, else of etc/open-smtp; a directory of empty files loses the
old ones. etc/tcp.smtp.cdb, which tcpserver reads, is made anew from etc/tcp.smtp and the entries,
where there is such a file; this server looks at the entries' age itself.
"""

import os
import time

from glassmail.admin.site import Site
from glassmail.core.formats import cdb, tcp_rules
from glassmail.core.formats.tcp_rules import TcpRulesError
from glassmail.faces.compat import vpopmail
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.control import read_file, take_snapshot

NAME = "clearopensmtp"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _run(_words: list[bytes]) -> int:
    site = vpopmail.site()
    settings = take_snapshot(site.place.control, ("opensmtp", "opensmtpseconds"))
    named = os.fsdecode(settings.line("opensmtp"))
    path = os.path.join(site.place.root, named) if named else site.etc("open-smtp")
    oldest = int(time.time()) - settings.integer("opensmtpseconds")
    with as_user(*site.owner):
        if os.path.isdir(path):
            _clear_directory(path, oldest)
        elif os.path.exists(path):
            edit.edit(path, lambda data: _fresh(data, oldest), path + ".lock")
            _make_rules(site, path)
    return 0


def _fresh(data: bytes, oldest: int) -> bytes:
    kept = []
    for line in data.split(b"\n"):
        _rule, tab, since = line.rpartition(b"\t")
        if tab and since.isdigit() and len(since) < 12 and int(since) > oldest:
            kept.append(line + b"\n")
    return b"".join(kept)


def _clear_directory(path: str, oldest: int) -> None:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_file = entry.is_file(follow_symlinks=False)
                if is_file and entry.stat(follow_symlinks=False).st_mtime <= oldest:
                    os.unlink(entry.path)
    except OSError as error:
        raise edit.because(path, error) from error


def _make_rules(site: Site, path: str) -> None:
    rules = site.etc("tcp.smtp")
    text = read_file(rules)
    if text is None:
        return
    opened = (read_file(path) or b"").split(b"\n")
    lines = [line.rpartition(b"\t")[0] + b"\n" for line in opened if line]
    try:
        records = list(tcp_rules.records(text + b"".join(lines), rules))
    except TcpRulesError as error:
        vpopmail.hint(NAME, str(error))
        return
    edit.replace(rules + ".cdb", cdb.render(records), 0o644)
