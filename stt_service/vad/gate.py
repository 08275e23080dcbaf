"""One stream's speech probabilities, with a gate that skips Silero in silence.

The gate decides only whether Silero runs: the utterances found with it are those found without.

Silero's memory reaches back more than 30 s (our measurement: the cell state still changes after 1000 frames of zeros).
No amount of warm-up therefore brings it, after skipped audio, to the state of an uninterrupted run, and long silence
makes it miss quiet speech: it finds 34 of 36 utterances, and all 36 with a new state. So silence is divided into
epochs, each scored from a new state, so that any of them can be skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from stt_service.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frames
from stt_service.settings.schema import RuntimeSettings, ServerSettings
from stt_service.vad.silero import Probabilities, Silero
from stt_service.vad.types import SegmenterConfig, segmenter_config

Flags = NDArray[np.bool_]  # shape (n,), one per frame

_EPOCH_FRAMES = 32
_WARM_UP_FRAMES = 8  # before an epoch, scored first with its new state
_LOOKAHEAD_FRAMES = 16  # after an epoch, in which the trigger still activates Silero for it
_LOOKBACK_FRAMES = 8  # before an epoch, with the same effect
_MIN_GATED_THRESHOLD = 0.3  # lower thresholds detect sounds too faint for any gate; office noise reaches 0.26

# Our values, by the same measurement: WebRTC alone misses every utterance 40 dB below a normal level, the rise none.
_STEADY_ZERO_FRAMES = 32  # of digital silence, after which the state of WebRTC no longer changes
_WEBRTC_CHUNK_BYTES = 960  # 30 ms, the longest chunk that WebRTC accepts
_RISE = 6.0  # 8 dB above the noise
_NOISE_GROWTH = 1.01  # per frame: the noise estimate grows by at most 1.3 dB a second
_MIN_NOISE = 1e-9  # -90 dB, one step of 16 bits


@dataclass(frozen=True, slots=True)
class GateConfig:
    """When Silero may be skipped."""

    aggressiveness: int | None  # of WebRTC, 0..3; None: Silero always runs
    hold_frames: int  # after speech, in which Silero always runs: longer than any wait for an endpoint
    speech_threshold: float  # probability from which a frame is speech


def gate_config(segmenter: SegmenterConfig, aggressiveness: int) -> GateConfig:
    """Return a gate that does not change any decision of the segmenter."""
    return GateConfig(
        aggressiveness=aggressiveness if segmenter.onset_threshold >= _MIN_GATED_THRESHOLD else None,
        hold_frames=max(segmenter.hangover_frames, segmenter.min_length_frames) + segmenter.onset_frames + 1,
        speech_threshold=min(segmenter.onset_threshold, segmenter.offset_threshold),
    )


class SpeechTrigger:
    """Flags the frames that may hold speech: WebRTC detects it, or the level rises above the noise."""

    def __init__(self) -> None:
        self._webrtc = webrtcvad.Vad()
        self._remainder = b""  # the chunks of WebRTC do not end where frames do
        self._zeros = 0  # frames of nothing but zeros until now
        self._noise = float("inf")

    def push(self, frames: Frames, aggressiveness: int) -> Flags:
        self._webrtc.set_mode(aggressiveness)
        levels = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES
        self._zeros = 0 if levels.any() else self._zeros + len(frames)
        if self._zeros > _STEADY_ZERO_FRAMES + len(frames):
            return self._skip_zeros(len(frames))
        pcm = np.clip(frames * 32768, -32768, 32767).astype("<i2")
        voiced = (self._is_voiced(frame.tobytes()) for frame in pcm)
        risen = (self._rises(level) for level in levels.tolist())
        return np.array([a or b for a, b in zip(voiced, risen, strict=True)], np.bool_)

    def _skip_zeros(self, frames: int) -> Flags:
        """Process zeros that follow zeros: they have no effect on WebRTC."""
        self._remainder = bytes((len(self._remainder) + 2 * FRAME_SAMPLES * frames) % _WEBRTC_CHUNK_BYTES)
        self._noise = _MIN_NOISE
        return np.zeros(frames, np.bool_)

    def _is_voiced(self, pcm: bytes) -> bool:
        pcm = self._remainder + pcm
        whole = len(pcm) // _WEBRTC_CHUNK_BYTES * _WEBRTC_CHUNK_BYTES
        self._remainder = pcm[whole:]
        chunks = [pcm[first : first + _WEBRTC_CHUNK_BYTES] for first in range(0, whole, _WEBRTC_CHUNK_BYTES)]
        voiced = [self._webrtc.is_speech(chunk, SAMPLE_RATE_HZ) for chunk in chunks]  # WebRTC adapts to every chunk
        return any(voiced)

    def _rises(self, level: float) -> bool:
        self._noise = max(_MIN_NOISE, min(level, self._noise * _NOISE_GROWTH))
        return level > self._noise * _RISE


class StreamVad:
    """One stream's probabilities, in order, each once.

    Silero runs on for `hold_frames` after speech. From then on each epoch is scored from a new state or, if the trigger
    flags no frame in it or near it, skipped: its probabilities are 0, and are returned at most 48 frames late.
    """

    def __init__(self, silero: Silero, config: GateConfig) -> None:
        self._silero, self._state = silero, silero.start()
        self._config = self._next_config = config
        self._trigger = SpeechTrigger()
        self._scored_frames = 0
        self._received = 0  # frames
        self._decided = 0  # frames whose probabilities were returned
        self._active = False
        self._active_until = 1  # no skipping before it; a stream may begin within a word
        self._recent: Frames = np.zeros((0, FRAME_SAMPLES), np.float32)
        self._flags: Flags = np.zeros(0, np.bool_)  # of the recent frames

    @property
    def scored_frames(self) -> int:
        """Frames that Silero processed, including warm-ups."""
        return self._scored_frames

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None:
        """Use new settings; until the next silence the hold of the old ones stays in force if it is longer."""
        self._next_config = following = gate_config(config, aggressiveness)
        self._config = replace(
            following,
            hold_frames=max(self._config.hold_frames, following.hold_frames),
            speech_threshold=min(self._config.speech_threshold, following.speech_threshold),
        )

    def push(self, frames: Frames) -> Probabilities:
        """Process the next frames; return the probabilities that are known now."""
        aggressiveness = self._config.aggressiveness
        flags = np.ones(len(frames), np.bool_)
        if aggressiveness is not None:
            flags = self._trigger.push(frames, aggressiveness)
        old = max(0, self._decided - max(_WARM_UP_FRAMES, _LOOKBACK_FRAMES) - self._first)
        self._recent = np.concatenate((self._recent[old:], frames))
        self._flags = np.concatenate((self._flags[old:], flags))
        self._received += len(frames)
        return self._decide(flush=False)

    def flush(self) -> Probabilities:
        """Return the probabilities of all remaining frames, scored; more frames may follow."""
        return self._decide(flush=True)

    @property
    def _first(self) -> int:
        return self._received - len(self._recent)

    def _decide(self, *, flush: bool) -> Probabilities:
        decided = [np.zeros(0, np.float32)]
        while self._decided < self._received:
            begin = self._decided // _EPOCH_FRAMES * _EPOCH_FRAMES
            end = begin + _EPOCH_FRAMES
            if self._decided == begin:
                self._active = begin < self._active_until
            if not self._active and (flush or self._is_flagged(begin - _LOOKBACK_FRAMES, end + _LOOKAHEAD_FRAMES)):
                self._activate()
            if self._active:
                decided.append(self._score(min(end, self._received)))
            elif self._received >= end + _LOOKAHEAD_FRAMES:
                decided.append(np.zeros(_EPOCH_FRAMES, np.float32))
                self._decided = end
            else:
                break
        return np.concatenate(decided)

    def _is_flagged(self, begin: int, end: int) -> bool:
        return bool(self._flags[max(0, begin - self._first) : end - self._first].any())

    def _activate(self) -> None:
        """Begin the epoch with a new state."""
        self._config, self._active = self._next_config, True
        self._state = self._silero.start()
        warm_up = self._recent[max(0, self._decided - _WARM_UP_FRAMES - self._first) : self._decided - self._first]
        self._silero.score(self._state, warm_up)
        self._scored_frames += len(warm_up)

    def _score(self, end: int) -> Probabilities:
        begin, self._decided = self._decided, end
        probabilities = self._silero.score(self._state, self._recent[begin - self._first : end - self._first])
        self._scored_frames += len(probabilities)
        speech = np.flatnonzero(probabilities >= self._config.speech_threshold)
        if len(speech):
            self._active_until = begin + int(speech[-1]) + 1 + self._config.hold_frames
        return probabilities


def stream_vad_factory(silero: Silero, settings: ServerSettings) -> Callable[[RuntimeSettings], StreamVad]:
    """Return a function that creates the VAD of a new stream with the given runtime settings."""

    def create(runtime: RuntimeSettings) -> StreamVad:
        return StreamVad(silero, gate_config(segmenter_config(runtime, settings), runtime.webrtc_sensitivity))

    return create
