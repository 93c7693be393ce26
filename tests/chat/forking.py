"""What a forked child does, for the tests: one that hangs says where, and is ended."""

import faulthandler
import os
import signal
import traceback

LIMIT = 30


def in_child(function):
    """Call the function in a forked child, and return how that ended: 0 = well, negative = by this signal."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            # a timer of the kernel: faulthandler's own waits for ever in a child if the parent has one running
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(LIMIT)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
