"""The verb that gives streams: ordered events, each of which every listener is given.

Rules:
    1. The names are a space of their own, apart from session ids and leases.
    2. Listeners are told when this worker stops, after its sessions have left.
"""

from __future__ import annotations

from .leases import Leases
from .shared.engine import Engine
from .shared.streaming import Streaming
from .stream import Stream


class Streams(Leases):
    """The part of ``sessions`` that gives streams."""

    def __init__(self) -> None:
        super().__init__()
        self._streaming: Streaming | None = None
        self._ends_streams = False

    def stream(self, name: str) -> Stream:
        """Return a handle on a stream, whether anybody publishes or listens or not.

        Args:
            name: 1 to 128 of ``A-Z a-z 0-9 _ - . :``; it has nothing to do with session ids.

        Raises:
            ValueError: It is no such name.
        """
        return Stream(name, self._streams)

    def disconnect(self) -> None:
        """Give up the backend, and with it those who listen through it."""
        streaming, self._streaming = self._streaming, None
        if streaming is not None:
            streaming.end()
        super().disconnect()

    def _streams(self) -> Streaming:
        if self._streaming is None:
            backend, config = self.backend, self.config
            engine = self._streams_engine() if backend.shared and backend.carries_notices else None
            made = Streaming(engine, lambda: self.supervisor.background, live=not backend.shared, debug=config.debug)
            with self._lock:
                self._streaming = self._streaming or made
                registers, self._ends_streams = not self._ends_streams, True
            if registers:
                self.at_stop(self._end_streams, after=True)
        return self._streaming

    def _streams_engine(self) -> Engine:
        """Return the engine of the shared sessions; if there can be none in this worker, one of its own."""
        replicas = self.replicas
        return self.make_engine() if replicas is None else replicas.engine

    def _end_streams(self, seconds: float) -> None:
        """Let what was published go out, and tell those who listen."""
        if (streaming := self._streaming) is not None:
            streaming.flush(seconds)
            streaming.end()
