"""A program that writes in bulk: 64 MB files, one after the other, four kept, until it is ended.

    python bench/bulk.py DIRECTORY
"""

import os
import signal
import sys

import inside

CHUNK = b"\xa5" * (1 << 20)


def main() -> None:
    """Write until SIGTERM; remove the files."""
    inside.die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    paths = [os.path.join(sys.argv[1], f"bulk.{number}") for number in range(4)]
    try:
        while True:
            for path in paths:
                with open(path, "wb", buffering=0) as out:
                    out.writelines(CHUNK for _ in range(64))
                    os.fsync(out.fileno())  # else it would only fill memory for half a minute
    finally:
        for path in paths:
            if os.path.exists(path):
                os.unlink(path)


if __name__ == "__main__":
    main()
