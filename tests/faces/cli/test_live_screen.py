from glassmail.faces.cli import live_screen
from glassmail.faces.cli.json_line import json_line
from glassmail.faces.cli.live_screen import screenful, width
from glassmail.faces.cli.queue_view import total


def test_lines_have_80_columns_where_no_terminal_is(monkeypatch):
    assert width() == 80
    monkeypatch.setattr(live_screen.sys.stdout, "isatty", lambda: True, raising=False)
    for columns, expected in ((40, 80), (80, 80), (132, 132), (500, 160)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert width() == expected


def test_a_screen_is_cut_to_the_terminal():
    lines = [f"line {n} " + "x" * 80 for n in range(30)]
    shown = screenful(lines, 40, 24)
    assert len(shown) == 23
    assert {len(line) for line in shown[:-1]} == {40}
    assert shown[-1].startswith("… 8 more lines")
    assert screenful(["a", "b"], 80, 24) == ["a", "b"]
    assert len(screenful(lines, 40, 0)) == 2


def test_json_is_valid_whatever_the_bytes():
    assert json_line({"a": 1}) == '{"a": 1}'
    told = json_line({"text": ["gr\udcffey \\udcff \U0001f480", 1], "x\udc80": None})
    assert told == '{"text": ["gr\\\\xffey \\\\udcff \\ud83d\\udc80", 1], "x\\\\x80": null}'


def test_how_much_waits_in_words():
    assert total(0, 0) == "no messages wait"
    assert total(1, 1) == "1 message to 1 recipient waiting"
    assert total(2_000, 30_000) == "2,000 messages to 30,000 recipients waiting"
