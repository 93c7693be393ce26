"""A whole run: each group measured in a fresh process, and the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .machine import describe
from .measure import Measured
from .wire import decode, encode

ROOT = Path(__file__).resolve().parent.parent

Expected = dict[str, dict[str, dict[str, float]]]
"""Ratios by group, row and contender."""


@dataclass
class Report:
    """What a run measured.

    Attributes:
        machine: Where and with what it ran.
        groups: What was measured, by group, in its order.
        failed: The groups whose process failed; what they measured before is kept.
    """

    machine: dict[str, str]
    groups: dict[str, list[Measured]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def encode(self) -> dict[str, Any]:
        """Return it as plain data."""
        groups = {name: [encode(each) for each in measured] for name, measured in self.groups.items()}
        return {"machine": self.machine, "groups": groups, "failed": self.failed}

    @classmethod
    def load(cls, path: Path) -> Report:
        """Return the report that was printed with ``--json``."""
        data = json.loads(path.read_text())
        groups = {name: [decode(each) for each in measured] for name, measured in data["groups"].items()}
        return cls(data["machine"], groups, data["failed"])


def run_groups(groups: Iterable[str], quick: bool, expected: Mapping[str, dict[str, dict[str, float]]]) -> Report:
    """Measure these groups, one after the other."""
    report = Report(describe())
    for group in groups:
        print(f"{group} ...", file=sys.stderr, flush=True)
        report.groups[group] = []
        command = [sys.executable, "-m", "bench.child", group, *(["--quick"] if quick else [])]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            with child.stdin as stdin:
                json.dump(expected.get(group, {}), stdin)
            for line in child.stdout:
                report.groups[group].append(decode(json.loads(line)))
        if child.returncode:
            print(f"{group}: failed with exit code {child.returncode}", file=sys.stderr)
            report.failed.append(group)
    return report
