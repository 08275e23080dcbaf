"""The outputs of a session: decode requests, and events for the client. Values only."""

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
    """A request to decode a window; the transcript is passed to `Session.deliver`."""

    utterance: int
    kind: Kind
    window: Window
    start: int  # the frames at which the window begins and ends
    end: int
    number: int = 0  # among the utterance's speculative and final decodes


@dataclass(frozen=True, slots=True)
class Promote:
    """A request to give the speculative decodes of an ended utterance priority over those of open ones."""

    utterance: int


@dataclass(frozen=True, slots=True)
class PartialDue:
    """A request to schedule a partial of this utterance; `Session.begin_partial` then returns its Decode."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A request to cancel the speculative decode of this utterance and number: speech has continued."""

    utterance: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An event: the onset of an utterance."""

    utterance: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """An event: an utterance ended, and its final is pending. Positions are those of the final."""

    utterance: int
    end_ms: int
    endpoint_ms: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Partial:
    """An event: the text of an open utterance so far."""

    utterance: int
    revision: int
    stable: str
    unstable: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class DecodeTiming:
    """The timing of a decode, in seconds, and the size of its batch."""

    queue_s: float
    inference_s: float
    batch: int
    idle: bool = False  # at delivery, capacity was free for another decode of this stream


@dataclass(frozen=True, slots=True)
class Final:
    """An event: the final text of an utterance."""

    utterance: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    language_probability: float
    confidence: float
    words: tuple[Word, ...]  # times in seconds of the dictation
    endpoint: Endpoint
    endpoint_s: float  # silence before the endpoint
    speculative: bool
    timing: DecodeTiming
    committed_ms: int  # end of the audio that this event commits: the next utterance begins there or later


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An event: an utterance whose text is a hallucination and is not sent as a final."""

    utterance: int
    start_ms: int
    end_ms: int
    reason: SuppressionReason
    text: str
    endpoint: Endpoint
    committed_ms: int


Event = SpeechStarted | SpeechEnded | Partial | Final | Suppressed
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
