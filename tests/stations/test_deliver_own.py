import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.outcome import Outcome
from glassmail.stations.deliver_own import parse, split_words
from tests.stations.delivery import BODY, HEAD, Home, answers

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE
LINE = b"Delivered-To: virt.test-x@virt.test\n"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def run(home, line):
    home.write(".qmail-x", line + b"\n")
    report = home.deliver(b"x")
    return report.outcome, report.text


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (b" forward  a b\t", (b"forward", b"a", b"b")),
        (b"bouncesaying 'not here (#5.1.1)' x", (b"bouncesaying", b"not here (#5.1.1)", b"x")),
        (b'bouncesaying "it\'s me"', (b"bouncesaying", b"it's me")),
        (b"x ''", (b"x", b"")),
        (b"forward a;b", None),
        (b"forward $X", None),
        (b'forward "$X"', None),
        (b'forward "a`b`"', None),
        (b"forward a'b'", None),
        (b"forward 'a'b", None),
        (b"forward 'a", None),
        (b"forward a >b", None),
        (b"forward a\\ b", None),
        (b"forward ~joe", None),
        (b"forward a*", None),
        (b"forward a #b", None),
        (b"", ()),
    ],
)
def test_words(command, words):
    assert split_words(command) == words


@given(st.lists(st.binary(min_size=1).filter(lambda word: not set(word) & set(b"'\0")), max_size=4))
def test_single_quotes_keep_every_byte(words):
    command = b" ".join(b"'" + word + b"'" for word in words)
    assert split_words(command) == tuple(words)


def test_which_lines_are_ours():
    places = (b"/site/bin",)
    assert parse(b"forward a", places).arguments == (b"a",)
    assert parse(b"/site/bin/except true", places).program == b"except"
    assert parse(b"/home/joe/bin/forward a", places) is None
    assert parse(b"forwards a", places) is None
    assert parse(b"X=1 forward a", places) is None
    assert parse(b"forward", places) is None
    assert parse(b"echo forward", places) is None


@pytest.mark.covers("command/forward")
def test_forward(home):
    assert run(home, b"|forward a@x b@x") == (K, b"forward: qp 901\ndid 0+0+1\n")
    assert home.forwards == [(b"sender@src.test", (b"a@x", b"b@x"), LINE)]
    home.answer = ("Z", b"qq write error or disk full (#4.3.0)")
    text = b"forward: fatal: qq write error or disk full (#4.3.0)\n"
    assert run(home, b"|forward a@x") == (Z, text)
    home.answer = ("D", b"no")
    assert run(home, b"|forward a@x") == (D, b"forward: fatal: no\n")


def test_forward_uses_newsender_and_condredirect_sender(home):
    home.write(".qmail-x-owner", b"#\n")
    run(home, b"|forward a@x")
    run(home, b"|condredirect b@x true")
    assert [sender for sender, _to, _top in home.forwards] == [
        b"virt.test-x-owner@virt.test",
        b"sender@src.test",
    ]


@pytest.mark.covers("command/condredirect")
def test_condredirect(home):
    assert run(home, b"|condredirect a@x true\n|echo not reached") == (
        K,
        b"condredirect: qp 901\ndid 0+0+1\n",
    )
    assert run(home, b"|condredirect a@x false") == (K, b"did 0+0+1\n")
    text = b"condredirect: fatal: temporary child error\n"
    assert run(home, b"|condredirect a@x sh -c 'echo hm >&2; exit 111'") == (Z, b"hm\n" + text)
    text = b"condredirect: fatal: child crashed\n"
    assert run(home, b"|condredirect a@x sh -c 'kill -9 $$'") == (Z, text)
    assert run(home, b"|condredirect a@x no-such-program") == (K, b"did 0+0+1\n")
    usage = b"condredirect: usage: condredirect newaddress program [ arg ... ]\n"
    assert run(home, b"|condredirect a@x") == (D, usage)
    assert len(home.forwards) == 1


@pytest.mark.covers("command/bouncesaying")
def test_bouncesaying(home):
    assert run(home, b"|bouncesaying 'Go away. (#5.7.1)'") == (D, b"Go away. (#5.7.1)\n")
    assert run(home, b"|bouncesaying no grep -q Subject") == (D, b"no\n")
    assert run(home, b"|bouncesaying no grep -q Nothing") == (K, b"did 0+0+1\n")
    usage = b"bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"
    assert run(home, b"|bouncesaying") == (D, usage)


@pytest.mark.covers("command/except")
def test_except(home):
    assert run(home, b"|except echo yes") == (D, b"yes\n")
    assert run(home, b"|except false") == (K, b"did 0+0+1\n")
    assert run(home, b"|except sh -c 'exit 111'")[0] is Z
    assert run(home, b"|except") == (D, b"except: usage: except program [ arg ... ]\n")


@pytest.mark.covers("command/preline")
def test_preline(home):
    assert run(home, b"|preline tee got")[0] is K
    got = (home.directory / "got").read_bytes()
    assert got.startswith(b"From sender@src.test ")
    assert got.endswith(b"Return-Path: <sender@src.test>\n" + LINE + HEAD + BODY)
    run(home, b"|preline -fr tee got")
    assert (home.directory / "got").read_bytes() == LINE + HEAD + BODY
    run(home, b"|preline -f -r -d -D tee got")
    assert (home.directory / "got").read_bytes() == LINE + HEAD + BODY
    usage = (D, b"preline: usage: preline cmd [ arg ... ]\n")
    assert run(home, b"|preline -x tee") == usage
    assert run(home, b"|preline -f") == usage
    text = b"preline: fatal: unable to run no-such-program: file does not exist\n"
    assert run(home, b"|preline no-such-program") == (D, text)
    assert run(home, b"|preline sh -c 'exit 99'\n|echo not reached") == (K, b"did 0+0+1\n")


def test_the_trail_says_that_no_process_ran(home):
    home.write(".qmail-x", b"|forward a@x\n")
    report = home.deliver(b"x")
    assert answers(report, "delivery.program") == [(b"forward a@x", "exit 0")]
    assert report.steps[-1].source == "in the worker"
