"""Be the local starter of the site named in the first argument; for tests and measurements."""

import os
import sys

from glassmail.daemons import local
from glassmail.daemons.context import Context
from glassmail.settings.place import Place

if __name__ == "__main__":
    place = Place(sys.argv[1])
    is_one_user = sys.argv[2] == "one-user"
    uids = {"local": (os.getuid(), os.getgid())}
    sys.exit(local.main(Context(place, "local", 0, uids, is_one_user, (), int(sys.argv[3]))))
