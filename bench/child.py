"""``python -m bench.child GROUP [--quick]``: measure one group in this process, a line of JSON for each thing measured.

The ratios to expect come on stdin (JSON: row, contender, ratio). What the group itself prints, or a server that it
starts, goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from . import measure
from .wire import encode


def main(group: str, quick: bool) -> None:
    """Measure the group."""
    lines = os.fdopen(os.dup(1), "w")  # no server that the group starts inherits it, so nobody keeps it open
    os.dup2(2, 1)
    measure.expected.update(json.load(sys.stdin))
    effort = measure.QUICK if quick else measure.FULL
    for measured in importlib.import_module(f"bench.groups.{group}").measure(effort):
        print(json.dumps(encode(measured)), file=lines, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], "--quick" in sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # hundreds of tasks and threads need no farewell
