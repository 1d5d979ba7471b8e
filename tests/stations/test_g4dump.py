import os

from glassmail.settings.place import Place
from glassmail.stations.g4dump import TEN_MINUTES_S, dump, is_dumping


def test_it_ends_after_ten_minutes(tmp_path):
    place = Place(str(tmp_path))
    (tmp_path / "control").mkdir()
    assert not is_dumping(place, 1_000.0)
    path = tmp_path / "control" / "g4dump"
    path.write_bytes(b"")
    os.utime(path, (1_000, 1_000))
    assert is_dumping(place, 1_000 + TEN_MINUTES_S - 1)
    assert not is_dumping(place, 1_000 + TEN_MINUTES_S)


def test_lines_are_sorted_and_hold_no_secret():
    environment = {b"TCPREMOTEIP": b"192.0.2.7", b"G4DBPASS": b"c4nary", b"A": b"x c4nary y"}
    pid = os.getpid()
    assert dump(environment).decode().splitlines() == [
        f'rcptcheck[{pid}][{pid}]: DUMP: A="x (hidden) y"',
        f'rcptcheck[{pid}][{pid}]: DUMP: G4DBPASS="(hidden)"',
        f'rcptcheck[{pid}][{pid}]: DUMP: TCPREMOTEIP="192.0.2.7"',
    ]
