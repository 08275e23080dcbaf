"""What a session is created with: its settings, the position at which it begins, and a factory of VADs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from stt_service.audio.pcm import AudioFormat, Frames, Samples
from stt_service.session.stabilizer import Stability
from stt_service.settings.schema import RuntimeSettings, ServerSettings
from stt_service.vad.types import SegmenterConfig


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The state in which a stream opens.

    A resumed stream begins at `offset_ms` of the dictation, with the number of its next utterance and the language of
    the last final before it. `continues_utterance`: an utterance was cut at the offset. `left_context_ms`: length of
    the audio from before the offset that the client sends first, for the resampler only.
    `speech_ended`: emit SpeechEnded events.
    """

    settings: ServerSettings
    runtime: RuntimeSettings
    audio_format: AudioFormat = field(default_factory=AudioFormat)
    partials: bool = True
    stability: Stability = Stability.DEFAULT
    speech_ended: bool = False
    word_timestamps: bool = False
    offset_ms: int = 0
    first_utterance: int = 0
    continues_utterance: bool = False
    left_context_ms: int = 0
    previous_language: str | None = None


class Vad(Protocol):
    """Speech probabilities of one stream's frames, in order. They may be returned some frames late."""

    def push(self, frames: Frames) -> Samples:
        """Process frames; return the probabilities that are known now."""
        ...

    def flush(self) -> Samples:
        """Return the probabilities of all remaining frames; more frames may follow."""
        ...

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None:
        """Use new settings from now on."""
        ...


VadFactory = Callable[[RuntimeSettings], Vad]
