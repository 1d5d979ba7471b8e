"""`glass settings` and qmail-showctl tell of the variables that rules set."""

import json

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.main import glass
from glassmail.faces.compat import qmail_showctl
from glassmail.settings.place import Place
from glassmail.settings.variables import VARIABLES

RULES = '127.:allow,RELAYCLIENT=""\n:allow,MAXRCPT="100"\n'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mx.example\n")
    (tmp_path / "control" / "tcp.smtp").write_text(RULES)
    return tmp_path


def say(*words):
    return CliRunner().invoke(glass, ["settings", *map(str, words)])


@pytest.mark.covers("glass/settings variables")
def test_variables_are_listed():
    names = [line.split()[0] for line in say("variables").output.splitlines()]
    assert names == list(VARIABLES)
    rows = [json.loads(line) for line in say("variables", "--json").output.splitlines()]
    assert {row["name"] for row in rows} == set(VARIABLES)
    assert all(row["about"].endswith(".") and row["values"] and row["default"] for row in rows)


@pytest.mark.covers("glass/settings doc")
def test_doc():
    told = say("doc", "MAXRCPT").output
    assert "Greatest number of recipients" in told
    assert "seen     at each RCPT" in told
    assert "default  control/maxrcpt" in told


@pytest.mark.covers("glass/settings get")
def test_get(site):
    assert say("get", "--root", site, "MAXRCPT").output == (
        'control/tcp.smtp:2 :allow,MAXRCPT="100"\n'
    )
    told = say("get", "--root", site, "MFCHECK").output
    assert told == "no rule of control/tcp.smtp sets MFCHECK; default: control/mfcheck\n"
    (site / "control" / "tcp.smtp").write_text('10.0-1.:allow,SMTPAUTH="x"\n:deny\n')
    assert say("get", "--root", site, "tcp.smtp").output == (
        'control/tcp.smtp:1 10.0-1.:allow,SMTPAUTH="x"\ncontrol/tcp.smtp:2 :deny\n'
    )
    assert "glass settings variables" in say("doc", "tcp.smtp").stderr
    (site / "control" / "tcp.smtp").write_text("1.2.3.4:allowed\n")
    assert "control/tcp.smtp:1" in say("get", "--root", site, "MFCHECK").output


def test_showctl_tells_what_the_rules_set(site):
    text = b"".join(qmail_showctl.tell(Place(str(site)))).decode()
    assert "Rule for SMTP clients: " in text
    assert "Variable MAXRCPT: Greatest number" in text
    assert "Variable MFCHECK" not in text


@pytest.mark.covers("glass/settings list")
def test_list(site):
    (site / "control" / "locals").write_text("a.example\nb.example\n")
    lines = say("list", "--root", site).output.splitlines()
    assert f"  {'locals':<20} a.example  b.example" in lines
    assert max(map(len, lines)) <= 80
    rows = {r["name"]: r for r in map(json.loads, say("list", "--json", "--root", site)
            .output.splitlines())}  # fmt: skip
    assert rows["locals"]["set"]
    assert not rows["concurrencyremote"]["set"]
    assert rows["concurrencyremote"]["value"] == "20"
    assert len(lines) == len(rows)
