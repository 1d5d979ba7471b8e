import json
import os

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.init import init

pytestmark = pytest.mark.covers("glass/init")


@pytest.fixture
def run(tmp_path):
    def call(*arguments, site="site"):
        return CliRunner().invoke(init, ["--root", str(tmp_path / site), "--one-user", *arguments])

    return call


FULL = (
    "--host", "MX.example.test", "--mailbox", "tammy@example.test=se=cret",
    "--listen", "smtp 127.0.0.1:2525",
)  # fmt: skip


def test_what_it_prints(run, tmp_path):
    done = run(*FULL, "--domain", "empty.test")
    assert done.exit_code == 0, done.output
    assert done.output == (
        f"{tmp_path}/site: the site of mx.example.test is made\n"
        "\n"
        "Publish these DNS records:\n"
        "    mx.example.test. A  <this server's address, and AAAA if it has one>\n"
        "    example.test. MX  10 mx.example.test.\n"
        '    example.test. TXT "v=spf1 mx -all"\n'
        "    empty.test. MX  10 mx.example.test.\n"
        '    empty.test. TXT "v=spf1 mx -all"\n'
        "    <reverse name of this server's address> PTR mx.example.test.\n"
        "\n"
        "Then start it:\n"
        f"    glass serve --root {tmp_path}/site\n"
    )
    assert (tmp_path / "site" / "control" / "listen").read_text() == "smtp 127.0.0.1:2525\n"


def test_ports_that_nobody_named_are_told(run):
    done = run("--host", "mx.example.test")
    assert "it will listen at (control/listen): smtp 127.0.0.1:2525, submission " in done.output


def test_a_closed_directory_is_told_with_a_way_out(run, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", "/closed")

    monkeypatch.setattr("glassmail.admin.site_layout.build", refuse)
    done = run(*FULL)
    assert done.exit_code == 1
    assert "/closed: Permission denied: choose a directory of yours by --root" in done.output


def test_json(run, tmp_path):
    record = json.loads(run(*FULL, "--json").output)
    assert record["root"] == str(tmp_path / "site")
    assert record["domains"] == ["example.test"]
    assert record["next"].startswith("glass serve --root ")


def test_a_password_is_made_up_without_a_terminal(run):
    done = run("--host", "mx.example.test", "--mailbox", "tammy@example.test", "--json")
    assert len(json.loads(done.output)["passwords"]["tammy@example.test"]) >= 12


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "--host is missing"),
        (("--host", "nodots"), 2, "not a domain"),
        ((*FULL, "--alias", "x"), 2, "--alias x: write both sides of a `=`"),
        ((*FULL, "--user", "local=bob"), 2, "with a ROLE of smtpd, queue"),
        ((*FULL, "--listen", "smtp nowhere"), 2, "the port must be a number"),
        ((*FULL, "--bogus"), 2, "No such option"),
    ],
)
def test_usage(run, tmp_path, arguments, code, text):
    done = run(*arguments)
    assert done.exit_code == code
    assert text in done.output
    assert os.listdir(tmp_path) == []


def test_a_site_is_not_made_twice(run):
    assert run(*FULL).exit_code == 0
    again = run(*FULL)
    assert again.exit_code == 1
    assert "holds a site already; nothing was changed" in again.output
    assert "edit the files in control/ (`glass settings list` tells which)" in again.output
