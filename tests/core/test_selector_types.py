"""What type checkers make of selectors."""

import subprocess
import sys

SOURCE = """
from typing import Any, assert_type

from phoenix_sessions import SessionRef, create_selector


def total(items: Any) -> int:
    return 1


def wide(a: Any, b: Any, c: Any, d: Any, e: Any) -> bytes:
    return b""


one = create_selector("cart.items", total)
nested = create_selector([one, "rate"], lambda total, rate: str(total))
most = create_selector("a", "b", one, nested, "e", wide)


async def use(ref: SessionRef) -> None:
    assert_type(ref.get_state(one), int)
    assert_type(ref.select_state(nested), str)
    assert_type(await ref.aget_state(most), bytes)
    assert_type(await ref.aselect_state(one), int)
"""


def test_the_type_of_a_result_is_that_of_the_function(tmp_path):
    page = tmp_path / "page.py"
    page.write_text(SOURCE)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(page)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
