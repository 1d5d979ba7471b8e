import json

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.domain_convert import convert
from tests.admin.site import make


@pytest.fixture
def place(tmp_path):
    made = make(tmp_path)
    with open(made.path("control", "accountsdb"), "w", encoding="ascii") as file:
        file.write("sqlite\n")
    return made


def run(place, *words):
    return CliRunner().invoke(convert, [*words, "--root", place.root])


@pytest.mark.covers("glass/domain convert")
def test_there_and_back(place):
    done = run(place, "example.test", "--to", "database")
    assert done.exit_code == 0
    assert "mailboxes moved into the data base\n" in done.output
    back = f"undo: glass domain convert example.test --to vpasswd --root {place.root}\n"
    assert back in done.output
    done = run(place, "example.test", "--to", "database")
    assert done.exit_code == 1
    assert "already" in done.output
    done = run(place, "--all", "--to", "database", "--json")
    (row,) = [json.loads(line) for line in done.output.splitlines()]
    assert (row["domain"], len(row["undo"])) == ("example2.test", 1)
    done = run(place, "--all", "--to", "vpasswd", "--json")
    assert len(done.output.splitlines()) == 2
    assert run(place, "--all", "--to", "vpasswd", "--json").output == ""


def test_usage(place):
    assert run(place, "--to", "database").exit_code == 2
    assert run(place, "example.test", "--all", "--to", "database").exit_code == 2
    assert run(place, "example.test").exit_code == 2
    assert run(place, "none.test", "--to", "vpasswd").exit_code == 1
