"""What importing the package costs, in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from statistics import median

DJANGO = """
import sys, time
from django.conf import settings
settings.configure(SECRET_KEY="bench", INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
import django
django.setup()
import django.contrib.sessions.middleware, django.core.handlers.wsgi
"""
"""What a site has imported anyway."""
PACKAGE = "import phoenix_sessions, phoenix_sessions.middleware"
OPTIONAL = ("channels", "channels_redis", "daphne", "environ", "redis", "psycopg", "rich", "pytest", "twisted")


def import_time(repeats: int) -> float:
    """Return how long the import takes in a process that has Django already (median, seconds).

    Its bytecode is compiled before, as by pip.
    """
    script = f"{DJANGO}\nstart = time.perf_counter()\n{PACKAGE}\nprint(time.perf_counter() - start)"
    with tempfile.TemporaryDirectory() as bytecode:
        _compiling, *times = [float(_run(script, bytecode)) for _ in range(repeats + 1)]
    return median(times)


def optional_imports() -> list[str]:
    """Return which optional packages the import brings in."""
    with tempfile.TemporaryDirectory() as bytecode:
        script = f"{PACKAGE}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
        imported = {name.partition(".")[0] for name in json.loads(_run(script, bytecode))}
    return sorted(imported.intersection(OPTIONAL))


def _run(script: str, bytecode: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    ).stdout
