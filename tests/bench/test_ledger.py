"""The crash harness's book-keeping: it must see what is lost, doubled and damaged."""

import letters
import pytest
from handing import Kind
from ledger import Ledger

DIRECT = Kind("direct", b"", b"bench@bench.test")
BOUNCE = Kind("bounce", b"bench@bench.test", b"nobody@bench.test", bounces=True)


@pytest.fixture
def maildir(tmp_path):
    (tmp_path / "new").mkdir()
    return tmp_path


def stored(ident):
    return letters.wire(ident, letters.SMALL).replace(b"\r\n", b"\n")


def ledger_of(maildir):
    return Ledger(str(maildir), letters.SMALL)


def test_a_whole_message_is_found(maildir):
    (maildir / "new" / "1").write_bytes(b"Received: x\n" + stored("c0-0-0"))
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": DIRECT}, set())
    assert ledger.tally.is_clean
    assert ledger.tally.accepted == 1


def test_a_missing_message_is_lost(maildir):
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": DIRECT}, set())
    assert ledger.tally.lost == 1


def test_a_message_that_vanishes_later_is_lost(maildir):
    file = maildir / "new" / "1"
    file.write_bytes(stored("c0-0-0"))
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": DIRECT}, set())
    file.unlink()
    ledger.close_cut({}, set(ledger.vanished()))
    assert ledger.tally.lost == 1


@pytest.mark.parametrize("cut", [0, 30, -1])
def test_a_cut_file_is_damaged(maildir, cut):
    (maildir / "new" / "1").write_bytes(stored("c0-0-0")[:cut])
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": DIRECT}, set())
    assert ledger.tally.damaged == 1


def test_two_files_of_one_message_are_a_duplicate_once(maildir):
    for name in ("1", "2"):
        (maildir / "new" / name).write_bytes(stored("c0-0-0"))
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": DIRECT}, set())
    ledger.close_cut({}, set())
    assert ledger.tally.duplicated == 1
    assert ledger.tally.is_clean


def test_a_bounce_quotes_the_message(maildir):
    bounce = b"From: MAILER-DAEMON\n\nHi.\n--- Below this line\n\n" + stored("c0-0-0")
    (maildir / "new" / "1").write_bytes(bounce)
    ledger = ledger_of(maildir)
    ledger.close_cut({"c0-0-0": BOUNCE}, set())
    assert ledger.tally.is_clean


def test_letters_prove_themselves():
    whole = stored("c3-1-2")
    assert letters.identify(whole) == "c3-1-2"
    assert letters.is_whole("c3-1-2", whole, letters.SMALL, quoted=False)
    assert not letters.is_whole("c3-1-3", whole, letters.SMALL, quoted=False)
    assert b"\r\n." not in letters.wire("c3-1-2", letters.FILE)
