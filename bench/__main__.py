"""``python -m bench [--quick] [--json]`` or ``python -m bench soak``, from the repository's root.

The ``bench`` extra must be installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from .site import configure


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="What a session costs, as ratios in one run.")
    parser.add_argument("--quick", action="store_true", help="shorter samples and fewer sessions: under 30 s")
    parser.add_argument("--json", action="store_true", help="print JSON (seconds and bytes) instead of tables")
    options = parser.parse_args()
    configure()
    from . import core, machine, measure, memory

    effort = measure.QUICK if options.quick else measure.FULL
    results = [measure.run(row, effort) for row in core.rows()]
    bytes_each = memory.measure(options.quick)
    if options.json:
        report = {
            "machine": machine.describe(),
            "rows": [asdict(result) for result in results],
            "memory": bytes_each,
        }
        print(json.dumps(report, indent=2))
    else:
        from . import table

        table.show(machine.describe(), results, bytes_each)


if __name__ == "__main__":
    if sys.argv[1:2] == ["soak"]:
        from . import soak

        sys.exit(soak.main(sys.argv[2:]))
    main()
