"""What a session gives out: decodes to be made, and events to be told. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from stt_service.settings.schema import RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind, Window, Word


@dataclass(frozen=True, slots=True, eq=False)
class Decode:
    """To be decoded, and handed back to `receive` with its transcript."""

    utterance: int
    kind: Kind
    window: Window
    start: int  # the frames at which the window begins and ends
    end: int
    number: int = 0  # of the utterance's early and final decodes


@dataclass(frozen=True, slots=True)
class Promote:
    """The utterance has ended, and waits for its early decodes: they shall not wait behind others' early ones."""

    utterance: int


@dataclass(frozen=True, slots=True)
class PartialDue:
    """A partial of this utterance asks for a turn; when it comes, `Session.partial` cuts the window."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The early decode of this utterance and number is void, since more was said: it need not run."""

    utterance: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    utterance: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Partial:
    utterance: int
    revision: int
    stable: str
    unstable: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class DecodeTiming:
    """What a decode cost, in seconds, and how many ran together."""

    queue_s: float
    inference_s: float
    batch: int
    idle: bool = False  # capacity was left for another decode of this stream when this one was delivered


@dataclass(frozen=True, slots=True)
class Final:
    utterance: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    language_probability: float
    confidence: float
    words: tuple[Word, ...]  # times in seconds of the dictation
    endpoint: Endpoint
    endpoint_s: float  # silence waited for
    speculative: bool
    cost: DecodeTiming
    committed_ms: int  # all before it is, once this is told: where the next utterance may begin


@dataclass(frozen=True, slots=True)
class Suppressed:
    utterance: int
    start_ms: int
    end_ms: int
    reason: SuppressionReason
    text: str
    endpoint: Endpoint
    committed_ms: int


Event = SpeechStarted | Partial | Final | Suppressed
Output = Event | Decode | PartialDue | Promote | Withdraw


class NoticeReason(Enum):
    """Why a notice is sent. The name is the one on the wire, the value is the message."""

    DRAIN = "The server is shutting down: pending results are sent first, then resume on another server."
    PARTIALS_SHED = "The server is busy: partials come less often, finals are not affected."
    PARTIALS_RESTORED = "Partials come as often as before."


@dataclass(frozen=True, slots=True)
class Notice:
    """Information for the client about a stream that continues."""

    reason: NoticeReason
    remaining_s: float | None = None  # until the server shuts down


Payload = Event | Notice | RuntimeSettings | None  # None: only the stream's position


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """A payload for the client, with the stream's position when it was emitted."""

    received_ms: int
    committed_ms: int
    payload: Payload
    live: bool = True  # the stream does not run faster than real time


class Observer(Protocol):
    """Receives a stream's events for statistics. Its methods must return quickly and must not raise."""

    def on_pending_finals(self, finals: int) -> None:
        """Set the number of ended utterances whose final has not been emitted."""

    def on_event(self, event: OutgoingEvent) -> None:
        """Receive an event that is emitted to the client, unless a newer partial replaces it."""

    def on_partial_superseded(self) -> None:
        """Count a partial that was withdrawn from the decode queue as out of date."""

    def on_partial_dropped(self) -> None:
        """Count a partial that a newer one replaced before it was sent."""


class NullObserver:
    """An observer that ignores all events."""

    def on_pending_finals(self, finals: int) -> None:
        pass

    def on_event(self, event: OutgoingEvent) -> None:
        pass

    def on_partial_superseded(self) -> None:
        pass

    def on_partial_dropped(self) -> None:
        pass
