"""The streams that are open now: who, since when, how far; and the hand that ends one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import unquote

from stt_service.errors import NotFoundError
from stt_service.models.loader import ModelNames
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.session.session import Session
from stt_service.telemetry.stream_stats import StreamStats


class Phase(Enum):
    """What a stream is at."""

    LISTENING = auto()
    SPEECH = auto()  # an utterance is open
    FINALIZING = auto()  # none is, and a final is owed
    TERMINATING = auto()  # an operator ended it; what is owed is being told


@dataclass(slots=True, eq=False)
class ActiveStream:
    """An open stream. Whoever holds it may look, finalise its utterance, and set `terminated`."""

    id: str
    client_id: str
    peer: str  # its host, without a port
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
    """All that are open, in the order they came. Bounded by admission."""

    def __init__(self) -> None:
        self._streams: dict[str, ActiveStream] = {}

    def __iter__(self) -> Iterator[ActiveStream]:
        return iter(tuple(self._streams.values()))

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def register(self, stream: ActiveStream) -> Iterator[None]:
        """List the stream while inside."""
        self._streams[stream.id] = stream
        try:
            yield
        finally:
            del self._streams[stream.id]

    def find(self, stream_id: str) -> ActiveStream:
        """Return the stream.

        Raises:
            Unknown: none of that id is open.
        """
        try:
            return self._streams[stream_id]
        except KeyError:
            raise NotFoundError(f"session_id={stream_id[:64]!r} is none that is open now: see ListSessions.") from None


def host(peer: str) -> str:
    """Return the host of a gRPC peer such as `ipv4:10.0.0.7:50312` or `ipv6:%5B::1%5D:50312`."""
    _, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") or address
