"""What was measured, as JSON and back: a dict whose ``kind`` says what it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .measure import Fact, Figure, LeftOut, Measured, Result, Spread

KINDS = {"row": Result, "fact": Fact, "left_out": LeftOut}


def encode(measured: Measured) -> dict[str, Any]:
    """Return it as plain data; seconds and whatever a Fact's unit says."""
    kind = next(name for name, cls in KINDS.items() if isinstance(measured, cls))
    return {"kind": kind, **asdict(measured)}


def decode(data: dict[str, Any]) -> Measured:
    """Return what ``encode`` was given."""
    fields = {name: value for name, value in data.items() if name != "kind"}
    match data["kind"]:
        case "fact":
            return Fact(**fields)
        case "left_out":
            return LeftOut(**fields)
    return Result(
        name=fields["name"],
        repeats=fields["repeats"],
        times={name: Spread(**spread) for name, spread in fields["times"].items()},
        ratios={name: Spread(**spread) for name, spread in fields["ratios"].items()},
        figures=tuple(Figure(**figure) for figure in fields["figures"]),
        unsteady=tuple(fields["unsteady"]),
    )
