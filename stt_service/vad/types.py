"""The segmenter's configuration and decisions: values, in frames of 32 ms and in Silero's speech probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from stt_service.settings.schema import RuntimeSettings, ServerSettings, frames

DEFAULT_SPEECH_PAD_FRAMES = 6  # 192 ms: the default of EARLY_TRANSCRIPTION_ON_SILENCE, used where that setting is 0
MAX_CUT_REACH_FRAMES = 187  # 6 s: a sentence has a pause about that often


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """Thresholds of Silero's probability, and durations in frames.

    Pre-roll and onset are shorter than two thirds of the longest utterance; the ranges of the settings ensure it.
    """

    onset_threshold: float = 0.95  # speech begins above it
    offset_threshold: float = 0.35  # speech continues from it on: weak words in an open utterance are not lost
    residual_threshold: float = 0.1  # from it on a frame may hold a faint last syllable, which the decoder needs
    onset_frames: int = 2
    weak_threshold: float = 0.5  # speech also begins after a longer time above this: see segmenter_config
    weak_onset_frames: int = 6
    hangover_frames: int = 47
    min_length_frames: int = 62
    max_length_frames: int = 875  # 28 s: an utterance fits into one 30 s window of Whisper
    pre_roll_frames: int = 31
    min_gap_frames: int = 0
    speech_pad_frames: int = DEFAULT_SPEECH_PAD_FRAMES  # silence after the end of speech in the window of a final

    @property
    def cut_reach_frames(self) -> int:
        """How far before the maximum length an utterance may be cut; both halves must stay long enough to decode."""
        return min(MAX_CUT_REACH_FRAMES, self.max_length_frames // 3)

    @property
    def max_uncut_frames(self) -> int:
        """Length up to which an utterance is never cut."""
        return self.max_length_frames - self.cut_reach_frames

    @property
    def least_threshold(self) -> float:
        """A frame below it has no effect in silence."""
        return min(self.weak_threshold, self.onset_threshold, self.residual_threshold)

    def is_voiced(self, probability: float) -> bool:
        """Return whether the frame continues speech.

        At the highest sensitivity the offset threshold is above the onset threshold.
        """
        return probability >= self.offset_threshold or probability > self.onset_threshold

    def has_residual_speech(self, probability: float) -> bool:
        """Return whether the frame may hold a faint last syllable."""
        return probability >= self.residual_threshold or probability > self.onset_threshold


def segmenter_config(runtime: RuntimeSettings, settings: ServerSettings) -> SegmenterConfig:
    """Return a stream's settings in frames.

    Source: 0.15 is the distance between Silero's own two thresholds (snakers4/silero-vad, utils_vad.py); 0.35 is
    the lower of them at its default sensitivity, 0.5 the upper one. A recording of 1961 (jfk) is above 0.5
    for four seconds before it first exceeds 0.95, the default of RealtimeSTT: an onset needs that once,
    or 0.5 for 192 ms. Noise, hum and office sounds stay below 0.3.
    """
    onset = 1 - runtime.silero_sensitivity
    offset = max(0.01, min(onset - 0.15, 0.35))
    return SegmenterConfig(
        onset_threshold=onset,
        offset_threshold=offset,
        residual_threshold=min(0.1, offset),
        hangover_frames=frames(runtime.post_speech_silence_duration),
        min_length_frames=frames(runtime.min_length_of_recording),
        max_length_frames=frames(runtime.max_length_of_recording),
        pre_roll_frames=frames(settings.pre_recording_buffer_duration),
        min_gap_frames=frames(settings.min_gap_between_recordings),
        speech_pad_frames=frames(settings.early_transcription_on_silence) or DEFAULT_SPEECH_PAD_FRAMES,
    )


class Endpoint(Enum):
    """Why an utterance ended."""

    SILENCE = auto()
    MAX_LENGTH = auto()
    FINALIZE = auto()
    END_OF_AUDIO = auto()
    DRAIN = auto()
    STALLED = auto()


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence within an utterance. A window that ends here ends at window_end, speech padding included."""

    speech_end: int
    window_end: int


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    start: int  # pre-roll included
    onset: int
    committed: int  # a stream that is resumed at this frame finds the utterance again
    max_uncut_frames: int  # length up to which the utterance is never cut


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The utterance has been silent for the speech padding; if it ends in this silence, it ends at pause.window_end."""

    pause: Pause
    frame: int  # the frame of this decision
    endpoint_frame: int  # where the utterance ends if the silence continues


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech continued after a SpeechPaused: a decode that began in that pause is discarded."""

    pause: Pause
    frame: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """A closed utterance, to be decoded from start to window_end. All audio before `end` is committed.

    A decode is ready if SpeechPaused had the same window_end.
    """

    start: int
    onset: int
    speech_end: int
    window_end: int
    end: int
    voiced_frames: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class LongSilence:
    """Silence has lasted for long: all audio before `committed` is committed."""

    committed: int


Decision = UtteranceStarted | SpeechPaused | SpeechResumed | UtteranceEnded | LongSilence
