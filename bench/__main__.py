"""``python -m bench [group ...] [--quick] [--json | --markdown] [--compare old.json] [--charts DIR]``, from the root.

Rules:
    1. Without a group: all of them. Each runs in a fresh process, so that one's settings, garbage and threads do not
       touch another's.
    2. With ``--quick`` the ratios are held against a stored baseline, of this version of Python; the exit code is 1 if
       one is more than 30 % worse. Machines are noisy: a row that looks worse is measured up to twice more, and each
       ratio judged by its best run (see ``measure``).
    3. The exit code is 2 if a group failed.

``python -m bench soak`` is the soak. The ``bench`` extra must be installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import baseline
from .groups import NAMES
from .report import Report, run_groups


def main(arguments: list[str]) -> int:
    """Measure, print, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(NAMES):
        parser.error(f"unknown group {', '.join(sorted(unknown))}: the groups are {', '.join(NAMES)}")
    store = baseline.load(options.baseline)
    old = Report.load(options.compare) if options.compare else None
    expected = store if options.quick and not options.save_baseline else {}
    report = run_groups(options.groups or NAMES, options.quick, expected)
    if options.json:
        print(json.dumps(report.encode(), indent=2))
    elif options.markdown:
        from . import markdown

        print(markdown.render(report))
    else:
        from . import table

        table.show(report, old)
    if options.charts:
        from . import charts

        charts.draw(report, options.charts)
    if options.save_baseline:
        baseline.save(options.baseline, store, report)
    if report.failed:
        return 2
    return baseline.judge(report, store) if options.quick and not options.save_baseline else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What a session costs, as ratios in one run.")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(NAMES)} (default: all), or soak")
    parser.add_argument("--quick", action="store_true", help="shorter samples, and judged by the baseline")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON (seconds, bytes) instead of tables")
    form.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    form.add_argument("--compare", type=Path, metavar="OLD.JSON", help="show each ratio beside that of an older run")
    parser.add_argument("--charts", type=Path, metavar="DIR", help="write an SVG for each group")
    parser.add_argument("--baseline", type=Path, metavar="FILE", default=baseline.PATH, help="the stored ratios")
    parser.add_argument("--save-baseline", action="store_true", help="store this run's ratios as the baseline")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["soak"]:
        from . import soak

        sys.exit(soak.main(sys.argv[2:]))
    sys.exit(main(sys.argv[1:]))
