"""A server with the compiled modules and one without them."""

from pathlib import Path

import pytest

from glassmail import compiled
from tests.compiled import needs_compiled
from tests.scenarios.site import ONE_USER, TAMMY


def _uses_compiled(pid):
    return compiled.DIRECTORY in Path(f"/proc/{pid}/maps").read_text()


@needs_compiled
@pytest.mark.covers("glass/serve")
@pytest.mark.parametrize("words", [(), ("--interpreted",)])
def test_a_server_with_and_without_compiled_modules(make_site, words):
    site = make_site(ONE_USER)
    site.serve_words = words
    site.start()
    site.send(TAMMY)
    site.arrived(TAMMY)
    pids = [row["pid"] for row in site.processes() if row["role"] in ("smtpd", "queue")]
    assert len(pids) == 2
    assert [_uses_compiled(pid) for pid in pids] == [not words] * 2
