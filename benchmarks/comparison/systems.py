"""Interface of a speech-to-text system in measurements: start, accept streams of audio, send text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self

SAMPLE_RATE_HZ = 16_000
SAMPLE_BYTES = 2


class MessageKind(Enum):
    PARTIAL = auto()  # replaces all text that is shown and not final
    FINAL = auto()  # is appended to the finals; text that is not final is removed
    NOTICE = auto()  # not text: a message about the system, such as reduced partials


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a system about a stream, and its time."""

    at: float  # monotonic, seconds
    kind: MessageKind
    text: str


class RejectedError(Exception):
    """The system rejects the stream; the message has the reason."""


class Connection(ABC):
    """One stream. `messages` is read concurrently with `send`, until it ends or the reader closes the connection."""

    @abstractmethod
    async def open(self) -> None:
        """Open the stream.

        Raises:
            RejectedError: the system is full, or rejects the stream.
        """

    @abstractmethod
    async def send(self, pcm: bytes) -> None:
        """Send audio: 16 kHz, mono, 16 bit, little-endian."""

    @abstractmethod
    async def finish(self) -> None:
        """Signal the end of the audio, if the protocol has such a signal."""

    @abstractmethod
    def messages(self) -> AsyncIterator[Message]:
        """Return the messages of the system in order. Ends when the system ends the stream; many never do."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection."""


class System(ABC):
    """A system that runs for the length of a `with`, on a loopback port, in separate processes."""

    name: str  # in the tables
    about: str  # version and settings, a line
    endpoint_s: float | None = None  # silence that ends an utterance, where the system has such a setting

    @abstractmethod
    def __enter__(self) -> Self:
        """Start; return when streams are accepted."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all processes."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process whose tree is measured."""

    @abstractmethod
    def connect(self) -> Connection:
        """Return a stream that is not open yet."""
