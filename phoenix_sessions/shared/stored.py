"""A session that a shared backend has, too: what every kind of them is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..backends.base import Point
from ..runtime.session import Session
from .engine import Engine, engine_ttl
from .shapes import Shapes

if TYPE_CHECKING:
    from ..runtime.spec import ProcessSpec
    from ..runtime.supervisor import Supervisor


class Stored(Session):
    """A session of this worker that a shared backend has, too.

    Attributes:
        engine: The backend.
        shapes: How its state is written.
        birth: How it was started, as bytes.
        fresh: Whether what is here is known to be the newest, but for notices under way.
    """

    stored = True

    __slots__ = ("birth", "engine", "fresh", "shapes")

    def __init__(
        self,
        id: str,
        spec: ProcessSpec,
        args: Any,
        ttl: float | None,
        supervisor: Supervisor,
        restored: Mapping[str, Any] | None,
        engine: Engine,
        shapes: Shapes,
        birth: bytes,
    ) -> None:
        super().__init__(id, spec, args, ttl, supervisor, restored)
        self.engine = engine
        self.shapes = shapes
        self.birth = birth
        self.fresh = False

    def lost(self) -> None:
        """Do nothing while notices may be missed: it is not fresh, that is all."""

    @property
    def point(self) -> Point:
        """What is here."""
        return Point(self.epoch, self.version)

    @property
    def engine_ttl(self) -> float | None:
        """The time to live that the engine is given (seconds)."""
        return engine_ttl(self.ttl)
