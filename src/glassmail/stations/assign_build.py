"""users/cdb made anew from users/assign, as qmail-newu does, by a daemon that noticed the need.

Always:
    - A text that qmail-newu would refuse changes nothing; the error names line and column.
    - The cdb gets the time of the text it was made from, so that an edit which came in between
      is noticed.
"""

import os

from glassmail.core.formats import assign, cdb
from glassmail.settings.place import Place
from glassmail.store import edit


def build(place: Place) -> int:
    """Make users/cdb from users/assign; return the number of lines.

    Raises:
        AssignError: users/assign is malformed.
        EditError: users/cdb cannot be written.
        OSError: users/assign cannot be read.
    """
    with edit.locked(place.assign):
        with open(place.assign, "rb") as file:
            changed_ns = os.fstat(file.fileno()).st_mtime_ns
            assignments = assign.parse(file.read())
        edit.replace(place.assign_cdb, cdb.render(assign.records(assignments)))
        os.utime(place.assign_cdb, ns=(changed_ns, changed_ns))
    return len(assignments)
