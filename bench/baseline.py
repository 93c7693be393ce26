"""The stored baseline: ratios only, so that it holds on other machines, for each version of Python.

``{"3.11": {"core": {"dispatch": {"floor": 2.0}}}}``: the group, the row, the contender, and how many times as long as
that contender the row's first one took.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .measure import TOLERANCE, Result, worse
from .report import Expected, Report

PATH = Path(__file__).with_name("baseline.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def load(path: Path) -> Expected:
    """Return the ratios of this version of Python, by group, row and contender; none if there is no such file."""
    return _read(path).get(PYTHON, {})


def save(path: Path, old: Expected, report: Report) -> None:
    """Store the ratios of the report's groups; those of other groups and other versions of Python stay."""
    new = {group: _ratios(report, group) for group in report.groups}
    path.write_text(json.dumps({**_read(path), PYTHON: {**old, **new}}, indent=1, sort_keys=True) + "\n")


def judge(report: Report, store: Expected) -> int:
    """Say on stderr what is worse than the baseline, or that nothing is; returns the exit code."""
    code = 0
    for group, measured in report.groups.items():
        if group not in store:
            print(f"{group}: no baseline for Python {PYTHON}; nothing compared", file=sys.stderr)
            continue
        fine = True
        for result in measured:
            if not isinstance(result, Result):
                continue
            for name, ratio in worse(result, store[group].get(result.name, {})).items():
                old = store[group][result.name][name]
                print(
                    f"{group}: {result.name}: {ratio:.2f} x {name}, was {old:.2f}: more than {TOLERANCE - 1:.0%} worse",
                    file=sys.stderr,
                )
                code, fine = 1, False
        if fine:
            print(f"{group}: no ratio is more than {TOLERANCE - 1:.0%} worse than the baseline", file=sys.stderr)
    return code


def _read(path: Path) -> dict[str, Expected]:
    return json.loads(path.read_text()) if path.exists() else {}


def _ratios(report: Report, group: str) -> dict[str, dict[str, float]]:
    steady = {each.name: each.steady() for each in report.groups[group] if isinstance(each, Result)}
    return {row: {name: round(ratio, 3) for name, ratio in ratios.items()} for row, ratios in steady.items()}
