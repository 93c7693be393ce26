"""The courier: an invented service that is slow, and not always of help."""

import asyncio
from typing import Final, NamedTuple


class Town(NamedTuple):
    """A place that one may ask about.

    Attributes:
        seconds: How long the courier thinks about it.
        cents: What it costs (euro cents), None where the courier does not go.
    """

    seconds: float
    cents: int | None


TOWNS: Final = {
    "Lisbon": Town(1.2, 690),
    "Oslo": Town(2.0, 1150),
    "Atlantis": Town(1.2, None),
    "the Moon": Town(60.0, 384_400_00),
}
VANS: Final = ("Lisbon", "Oslo", "Turin", "Ghent", "Riga")


class CourierError(Exception):
    """The courier does not go there."""


async def quote(town: str) -> int:
    """Return the price of a parcel (euro cents).

    Raises:
        CourierError: The courier does not go there.
    """
    known = TOWNS.get(town, Town(0, None))
    await asyncio.sleep(known.seconds)
    if known.cents is None:
        raise CourierError(f"no van goes to {town}")
    return known.cents


async def departures(round: int) -> tuple[tuple[str, int], ...]:
    """Return the next vans, as they stand at the n-th look: where to, and in how many minutes."""
    await asyncio.sleep(0.2)
    vans = [(VANS[(round + step) % len(VANS)], 4 + 7 * step + (round * 5) % 6) for step in range(3)]
    return tuple(vans)
