"""The open streams, for operators: their clients, start times and progress."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from stt_service.errors import NotFoundError
from stt_service.models.loader import ModelNames
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.session.session import Session
from stt_service.telemetry.metrics import Api
from stt_service.telemetry.stream_stats import StreamStats


class Phase(Enum):
    """The phase of a stream."""

    LISTENING = auto()
    SPEECH = auto()  # an utterance is open
    FINALIZING = auto()  # no utterance is open, and a final is pending
    TERMINATING = auto()  # an operator ended it, and pending results are being sent


@dataclass(slots=True, eq=False)
class ActiveStream:
    """An open stream. Operators may read it, finalize its utterance and set `terminated`."""

    id: str
    client_id: str
    client: str  # the name of its token, or its address without a port
    api: Api
    models: ModelNames
    opened_s: float  # monotonic seconds
    session: Session
    recognizer: StreamRecognizer
    stats: StreamStats
    terminated: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def phase(self) -> Phase:
        if self.terminated.is_set():
            return Phase.TERMINATING
        if self.session.in_utterance:
            return Phase.SPEECH
        return Phase.FINALIZING if self.session.pending_finals else Phase.LISTENING


class StreamRegistry:
    """All open streams, oldest first. Bounded by admission."""

    def __init__(self) -> None:
        self._streams: dict[str, ActiveStream] = {}

    def __iter__(self) -> Iterator[ActiveStream]:
        return iter(tuple(self._streams.values()))

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def register(self, stream: ActiveStream) -> Iterator[None]:
        """Keep the stream in the registry while inside."""
        self._streams[stream.id] = stream
        try:
            yield
        finally:
            del self._streams[stream.id]

    def find(self, stream_id: str) -> ActiveStream:
        """Return the stream.

        Raises:
            NotFoundError: no stream with this id is open.
        """
        try:
            return self._streams[stream_id]
        except KeyError:
            raise NotFoundError(
                f"Unknown session_id={stream_id[:64]!r}: must be the id of an open stream, see ListSessions."
            ) from None
