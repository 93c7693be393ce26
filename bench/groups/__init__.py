"""The groups of rows: a module each, named as on the command line.

Rules:
    1. A group is ``def measure(effort: Effort) -> Iterator[Measured]``; it yields each Result and Fact as it is done.
    2. It runs in a fresh process, and calls ``site.configure`` first thing in ``measure``, with its settings.
    3. Where something is missing (a server, a package) it yields ``LeftOut(name, why)`` instead, never nothing.
    4. What it prints goes to stderr. It need not clean up threads: the process ends without waiting for them.
"""

NAMES = ("core", "push", "http", "scale", "contention", "latency", "backends", "chat")
