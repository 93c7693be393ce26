"""What a forked child does, for the tests: one that hangs says where, and is ended.

SQLite has locks of its own, which a child finds taken for ever if another thread is at it in the moment of the fork.
"""

import faulthandler
import os
import signal
import traceback

from phoenix_sessions.contrib.chat import agents, readers

LIMIT = 30


def no_thread_reads():
    """Have no thread of the chat at the database, for a fork with SQLite."""
    agents.stop(20)
    readers.shut_down()


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
