"""What the measurements ask of a speech-to-text system: to start, to take streams of sound, to tell text."""

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
    PARTIAL = auto()  # takes the place of all that is shown and not final
    FINAL = auto()  # is appended to the finals; what is shown and not final goes
    NOTICE = auto()  # nothing of the text: what the system says of itself, such as partials that thin out


@dataclass(frozen=True, slots=True)
class Message:
    """What a system told of a stream, and when."""

    at: float  # monotonic, seconds
    kind: MessageKind
    text: str


class RejectedError(Exception):
    """The system does not take the stream; the message says why."""


class Connection(ABC):
    """One stream. `messages` is read beside `send`, until it ends or the reader closes the connection."""

    @abstractmethod
    async def open(self) -> None:
        """Begin the stream.

        Raises:
            RefusedError: the system is full, or does not want it.
        """

    @abstractmethod
    async def send(self, pcm: bytes) -> None:
        """Send sound: 16 kHz, mono, 16 bit, little-endian."""

    @abstractmethod
    async def finish(self) -> None:
        """Tell that no more sound comes, if the system knows such a thing."""

    @abstractmethod
    def messages(self) -> AsyncIterator[Message]:
        """Return what the system tells, in order. Ends when the system ends the stream; many never do."""

    @abstractmethod
    async def close(self) -> None:
        """Hang up."""


class System(ABC):
    """A system that runs for the length of a `with`, on a loopback port, as processes of its own."""

    name: str  # as the tables call it
    about: str  # version and settings, a line
    endpoint_s: float | None = None  # silence that ends an utterance, where the system has such a setting

    @abstractmethod
    def __enter__(self) -> Self:
        """Start, and return when streams are taken."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave no process behind."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process whose tree is measured."""

    @abstractmethod
    def connect(self) -> Connection:
        """Return a stream that is not open yet."""
