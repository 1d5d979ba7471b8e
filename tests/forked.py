"""What somebody without root's rights may do, tried in a process of its own."""

import os

NOBODY = 65_534


def as_nobody(work, before=lambda: None):
    """Do `before` as we are, then `work` without root's rights; return the exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            before()
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
