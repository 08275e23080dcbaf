"""What a segmenter is set to, and what it decides: values, in frames of 32 ms and in Silero's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from stt_service.settings.schema import RuntimeSettings, ServerSettings, frames

TRAIL = 6  # 192 ms: the early decode's default silence, where that setting is off
CUT_WINDOW = 187  # 6 s: a sentence has a pause in it about that often


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """Thresholds of Silero's probability, and durations in frames.

    Pre-roll and onset are shorter than two thirds of the longest utterance: the settings' ranges see to it.
    """

    onset_threshold: float = 0.95  # above it speech begins
    offset_threshold: float = 0.35  # from it on speech goes on: weak words in an open utterance are not lost
    residual_threshold: float = 0.1  # from it on a frame may hold a faint last syllable, which the decoder shall hear
    onset: int = 2
    weak_threshold: float = 0.5  # speech also begins where it stays above this, for longer: see segmenter_config
    weak_onset_frames: int = 6
    hangover: int = 47
    min_length: int = 62
    max_length: int = 875  # 28 s, so that an utterance fits one 30 s Whisper window
    pre_roll: int = 31
    min_gap: int = 0
    speech_pad: int = TRAIL  # what a final's window keeps after the end of speech

    @property
    def cut_reach(self) -> int:
        """How far before the greatest length an utterance may be cut: neither part shall be a scrap."""
        return min(CUT_WINDOW, self.max_length // 3)


def segmenter_config(live: RuntimeSettings, server: ServerSettings) -> SegmenterConfig:
    """Return a stream's settings in frames.

    Source: 0.15 is the distance of Silero's own two thresholds (snakers4/silero-vad, utils_vad.py); 0.35 is
    the lower of them at its default sensitivity, 0.5 the upper one. A recording of 1961 (jfk) is above 0.5
    for four seconds before it first passes the 0.95 of RealtimeSTT's default: an onset asks for that at
    once, or for 0.5 during 192 ms. Noise, hum and an office stay below 0.3.
    """
    enter = 1 - live.silero_sensitivity
    leave = max(0.01, min(enter - 0.15, 0.35))
    return SegmenterConfig(
        onset_threshold=enter,
        offset_threshold=leave,
        residual_threshold=min(0.1, leave),
        hangover=frames(live.post_speech_silence_duration),
        min_length=frames(live.min_length_of_recording),
        max_length=frames(live.max_length_of_recording),
        pre_roll=frames(server.pre_recording_buffer_duration),
        min_gap=frames(server.min_gap_between_recordings),
        speech_pad=frames(server.early_transcription_on_silence) or TRAIL,
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
class UtteranceStarted:
    start: int  # pre-roll included
    onset: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Silent for the trail: the utterance, if it ends here, is start to window_end."""

    speech_end: int
    window_end: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech came back after a Hangover: what was decoded early is void."""


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """A closed utterance, to be decoded from start to window_end; done where Hangover told the same end."""

    start: int
    onset: int
    speech_end: int
    window_end: int
    end: int
    voiced: int  # frames that held speech
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class LongSilence:
    """Nothing was said for long: all before the segmenter's frame is settled."""


Decision = UtteranceStarted | SpeechPaused | SpeechResumed | UtteranceEnded | LongSilence
