"""What `glass serve` does before it serves; the rest is in tests/scenarios."""

import os

from glassmail.faces.cli.serving import hide_descriptors


def test_programs_inherit_nothing_of_our_parent():
    left_open = os.open("/dev/null", os.O_RDONLY)
    try:
        os.set_inheritable(left_open, True)
        hide_descriptors()
        assert not os.get_inheritable(left_open)
        assert os.get_inheritable(2)
    finally:
        os.close(left_open)
