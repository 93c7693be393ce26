"""Where and with what the bench ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import django
import msgspec

import phoenix_sessions

from .measure import GC_POLICY


def describe() -> dict[str, str]:
    """Return the machine, the interpreter, the versions and the gc policy."""
    return {
        "cpu": f"{_model()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "phoenix_sessions": phoenix_sessions.__version__,
        "django": django.get_version(),
        "msgspec": msgspec.__version__,
        "asgiref": _version("asgiref"),
        "pykka": _version("pykka"),
        "gc": GC_POLICY,
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
