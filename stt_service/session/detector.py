"""Detects one stream's utterances: frames of audio in, decisions of the segmenter out.

The detector holds the audio that is not committed yet. The segmenter steps back to the committed frame after each
utterance and in long silence; the detector then scores the audio from there on with a new VAD. So its state is always
that of a detector that began at the committed frame, and a stream that is resumed there gives the same text (unless
MIN_GAP_BETWEEN_RECORDINGS is set: see the segmenter).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stt_service.audio.buffer import AudioBuffer
from stt_service.audio.pcm import Frames, Samples
from stt_service.session.config import SessionConfig, VadFactory
from stt_service.settings.schema import FRAME_MS, RuntimeSettings
from stt_service.vad.segmenter import COMMIT_SILENCE_FRAMES, Segmenter
from stt_service.vad.types import Decision, Endpoint, LongSilence, UtteranceEnded, segmenter_config


@dataclass(frozen=True, slots=True)
class Detection:
    """The state after one frame: how far the stream is processed, the end of its speech, and the decision, if any."""

    frame: int
    speech_end: int
    decision: Decision | None


class SpeechDetector:
    """VAD, segmenter and uncommitted audio of one stream. Frames are numbered from the beginning of the stream.

    Iterators of detections are lazy: a caller that stops early leaves the following frames unprocessed.
    """

    def __init__(self, config: SessionConfig, new_vad: VadFactory) -> None:
        self._settings, self._runtime, self._new_vad = config.settings, config.runtime, new_vad
        self._vad = new_vad(self._runtime)
        self._segmenter = Segmenter(
            segmenter_config(self._runtime, self._settings), continues_utterance=config.continues_utterance
        )
        self.audio = AudioBuffer()
        self._silent_from = 0  # all frames from here on are zeros ...
        self._undisturbed_from = 0  # ... and from here on no settings changed and no utterance was ended from outside

    @property
    def frame(self) -> int:
        """Number of the next frame to process."""
        return self._segmenter.frame

    @property
    def speech_end(self) -> int:
        """End of the last frame with speech in the open utterance."""
        return self._segmenter.speech_end

    @property
    def committed(self) -> int:
        """The frame before which no audio belongs to an open or a later utterance."""
        return self._segmenter.committed

    def reconfigure(self, runtime: RuntimeSettings) -> None:
        """Use new settings from the next utterance on."""
        config = segmenter_config(runtime, self._settings)
        self._runtime = runtime
        self._undisturbed_from = self.audio.end
        self._segmenter.reconfigure(config)
        self._vad.reconfigure(config, runtime.webrtc_sensitivity)

    def feed(self, frames: Frames) -> Iterator[Detection]:
        """Buffer frames of audio; yield the detections of the frames that are scored now."""
        self.audio.append(frames)
        if frames.any():
            self._silent_from = self.audio.end
        return self._detect(self._vad.push(frames))

    def flush(self) -> Iterator[Detection]:
        """Yield the detections of the frames that are not scored yet."""
        self._undisturbed_from = self.audio.end
        return self._flush()

    def end_utterance(self, endpoint: Endpoint) -> list[Decision]:
        """End the open utterance at the last frame, if there is one; `restart` must follow when it has ended."""
        return self._segmenter.flush(endpoint)

    def restart(self) -> Iterator[Detection]:
        """Score the audio from the committed frame on with a new VAD; yield the detections."""
        self._vad = self._new_vad(self._runtime)
        return self._detect(self._vad.push(self.audio.frames(self.committed)))

    def discard_committed(self) -> None:
        """Free the audio before the committed frame."""
        self.audio.discard(self.committed)

    def skip_silence(self, milliseconds: int) -> int:
        """Skip whole periods of silence that change nothing but positions; return their length in milliseconds."""
        periods = milliseconds // (COMMIT_SILENCE_FRAMES * FRAME_MS)
        since = max(self._silent_from, self._undisturbed_from)
        if not periods or not self._segmenter.is_periodic or since > self.committed - COMMIT_SILENCE_FRAMES:
            return 0
        frames = self._segmenter.skip_periods(periods)
        self.audio.skip(frames)
        return frames * FRAME_MS

    def _flush(self) -> Iterator[Detection]:
        while self.frame < self.audio.end:
            yield from self._detect(self._vad.flush())

    def _detect(self, probabilities: Samples) -> Iterator[Detection]:
        if not len(probabilities):
            return
        first = self.frame
        energies = self.audio.energies(first, first + len(probabilities))
        if self._segmenter.skip_silence(probabilities, energies):
            return
        for probability, energy in zip(probabilities.tolist(), energies.tolist(), strict=True):
            decision = self._segmenter.step(probability, energy)
            if decision is not None or self._segmenter.in_utterance:
                yield Detection(self.frame, self.speech_end, decision)
            if isinstance(decision, UtteranceEnded | LongSilence):
                yield from self.restart()
                return
