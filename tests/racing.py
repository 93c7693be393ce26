"""Functions that run at the same time, each on a thread of its own."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def race(*functions, timeout=60):
    """Start all functions together; return what each returned, or the exception that it raised."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait(timeout)
        try:
            return function()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(timeout) for future in [pool.submit(run, function) for function in functions]]


def until(condition, timeout=60):
    """Let other threads run until the condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        os.sched_yield()
