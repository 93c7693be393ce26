"""``python -m bench.child GROUP [--quick]``: measure one group in this process, a line of JSON for each thing measured.

The ratios to expect come on stdin (JSON: row, contender, ratio). What the group itself prints goes to stderr.
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
    lines, sys.stdout = sys.stdout, sys.stderr
    measure.expected.update(json.load(sys.stdin))
    effort = measure.QUICK if quick else measure.FULL
    for measured in importlib.import_module(f"bench.groups.{group}").measure(effort):
        print(json.dumps(encode(measured)), file=lines, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], "--quick" in sys.argv[2:])
    sys.stderr.flush()
    os._exit(0)  # hundreds of tasks and threads need no farewell
