"""Segments a stream's speech probabilities into utterances.

The input is one probability and one mean square per frame of 32 ms. The segmenter has no audio and no clock: time is
the number of frames processed. Ranges are half-open. Each frame causes at most one decision, and each decision carries
every position that its receiver needs.

A phase and whether the frame is voiced give the next phase:

    phase      voiced     not voiced  decision → next phase
    SILENCE    ONSET      SILENCE     UtteranceStarted by ended weak speech → SPEECH
    ONSET      ONSET      SILENCE     UtteranceStarted after onset_frames, or weak_onset_frames of weak speech → SPEECH
    SPEECH     SPEECH     HANGOVER    UtteranceEnded at max_length_frames → SILENCE
    HANGOVER   SPEECH     HANGOVER    UtteranceEnded after hangover_frames, if min_length_frames is reached → SILENCE

A frame is voiced above the onset threshold in SILENCE, and above the lower offset threshold in the other phases. The
residual threshold is lower still (thresholds and durations: types.py).

In an open utterance SpeechPaused and SpeechResumed alternate. They follow the residual threshold, not the phase: a
faint last syllable belongs in the window of the final although it does not keep the utterance open. At
max_length_frames the utterance is cut at its quietest recent point. Speech too weak for an onset is an utterance once
it has ended (weak_speech.py).

Invariants: utterances do not overlap, and none is longer than the maximum length. `committed` never decreases, and no
later utterance reaches back before it. The same frames give the same decisions, however they are split into calls.
After each utterance, and in long silence, the state is that of a new segmenter that begins at `committed`, so a stream
that is resumed there on another server finds the same utterances. The exception is min_gap_frames, the time without an
onset after an utterance: a resumed segmenter does not know that it is running. It is 0 by default.

The last invariant needs a step back: after UtteranceEnded and LongSilence, `frame` is the next frame to process, and
the caller must score the audio from there on with a new VAD state.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from stt_service.audio.pcm import Samples
from stt_service.vad.types import (
    MAX_CUT_REACH_FRAMES,
    Decision,
    Endpoint,
    LongSilence,
    Pause,
    SegmenterConfig,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from stt_service.vad.weak_speech import WeakSpeech

CUT_WIDTH_FRAMES = 5  # 160 ms: longer than the closure of a plosive, shorter than a pause for breath
# 10 s of silence, at most 13 with the longest pre-roll: what a resumed stream processes again without any result.
COMMIT_SILENCE_FRAMES = 312


class Phase(Enum):
    SILENCE = auto()
    ONSET = auto()  # voiced, not yet long enough to be speech
    SPEECH = auto()
    HANGOVER = auto()  # silent, not yet long enough to be the end


class Segmenter:
    """Utterances of one stream."""

    def __init__(self, config: SegmenterConfig, *, continues_utterance: bool = False) -> None:
        """Begin in silence, or where an utterance was cut."""
        self._config = config
        self._next_config = config  # in force from the next utterance on
        self._phase = Phase.SILENCE
        self._frame = 0
        self._phase_start = 0
        self._committed = 0
        self._gap_end = 0  # no onset before it
        # Weak speech before this frame continues the utterance that was cut.
        self._continuation_end = config.hangover_frames if continues_utterance else 0
        self._start = self._onset = self._speech_end = 0  # of the open utterance, like the fields below
        self._pause: Pause | None = None  # announced, without speech since
        self._began_weakly = False  # frames at the residual threshold count as voiced
        self._probabilities: list[float] = []  # since the onset or the cut
        self._energies: deque[float] = deque(maxlen=MAX_CUT_REACH_FRAMES)
        self._weak = WeakSpeech(config)

    @property
    def frame(self) -> int:
        """Number of the next frame to process."""
        return self._frame

    @property
    def in_utterance(self) -> bool:
        return self._phase in (Phase.SPEECH, Phase.HANGOVER)

    @property
    def start(self) -> int | None:
        """Start of the open utterance; None when none is open."""
        return self._start if self.in_utterance else None

    @property
    def speech_end(self) -> int:
        """End of the last frame with speech in the open utterance."""
        return self._speech_end

    @property
    def endpoint_frame(self) -> int:
        """Where the open utterance ends if no more speech follows."""
        silent_since = self._phase_start if self._phase is Phase.HANGOVER else self._frame
        earliest = max(silent_since + self._config.hangover_frames, self._onset + self._config.min_length_frames)
        return min(earliest, self._start + self._config.max_length_frames)

    @property
    def committed(self) -> int:
        """The frame before which no audio belongs to an open or a later utterance."""
        return self._committed

    @property
    def is_periodic(self) -> bool:
        """Whether silence has lasted from one LongSilence to the next, without an effect of an earlier utterance."""
        earlier_effects_end = max(self._continuation_end, self._gap_end)
        return self._phase is Phase.SILENCE and earlier_effects_end <= self._committed - COMMIT_SILENCE_FRAMES

    def reconfigure(self, config: SegmenterConfig) -> None:
        """Use the new configuration from now on, or from the end of the open utterance on."""
        self._next_config = config
        if not self.in_utterance:
            self._config, self._weak = config, WeakSpeech(config)

    def step(self, probability: float, energy: float) -> Decision | None:
        """Process the probability and the mean square of the next frame; return the decision that it causes."""
        is_voiced = self._is_onset_frame if self._phase is Phase.SILENCE else self._config.is_voiced
        match self._phase, is_voiced(probability):
            case Phase.SILENCE, True:
                self._enter(Phase.ONSET)
                self._probabilities = []
            case Phase.ONSET, False:
                self._enter(Phase.SILENCE)
            case Phase.SPEECH, False:
                self._enter(Phase.HANGOVER)
            case Phase.HANGOVER, True:
                self._enter(Phase.SPEECH)

        self._frame += 1
        self._energies.append(energy)
        if not self.in_utterance:
            self._weak.step(probability, energy)
        if self._phase is Phase.SILENCE:
            return self._begin_weakly() if self._weak.is_finished_speech else self._commit_long_silence()
        self._probabilities.append(probability)
        if self._config.has_residual_speech(probability):
            self._speech_end = self._frame
        return self._decide()

    def skip_silence(self, probabilities: Samples, energies: Samples) -> bool:
        """Process frames that cannot change anything; return False, and do nothing, if one of them could."""
        end = self._frame + len(probabilities)
        quiet = self._phase is Phase.SILENCE and self._frame >= self._continuation_end and end < self._long_silence_at
        if not quiet or not self._weak.is_empty or probabilities.max() >= self._config.least_threshold:
            return False
        self._frame = end
        self._energies.extend(energies.tolist())
        return True

    def skip_periods(self, periods: int) -> int:
        """Advance by whole periods of silence, each like the last one; return the number of frames."""
        frames = periods * COMMIT_SILENCE_FRAMES
        self._frame += frames
        self._committed += frames
        return frames

    def flush(self, endpoint: Endpoint) -> list[Decision]:
        """End the utterance now, if there is one.

        Speech too short for UtteranceStarted is an utterance too, a word cut off: its start and end come together.
        """
        started: UtteranceStarted | None = None
        if self._phase is Phase.ONSET and self._has_strong_onset():
            started = self._begin()
        elif not self.in_utterance and self._weak.is_speech:
            started = self._begin_weakly()
        if not self.in_utterance:
            return []
        ended = self._finish(self._frame, endpoint)
        return [started, ended] if started else [ended]

    def _decide(self) -> Decision | None:
        config, waited = self._config, self._frame - self._phase_start
        if self._phase is Phase.ONSET:
            return self._begin() if waited >= self._required_onset else None
        long_enough = self._frame - self._onset >= config.min_length_frames
        if self._phase is Phase.HANGOVER and waited >= config.hangover_frames and long_enough:
            return self._finish(self._frame, Endpoint.SILENCE)
        if self._frame - self._start >= config.max_length_frames:
            return self._cut()
        return self._pause_or_resume()

    def _pause_or_resume(self) -> SpeechPaused | SpeechResumed | None:
        silent, pause = self._frame - self._speech_end, self._pause
        if pause is not None and not silent:
            self._pause = None
            return SpeechResumed(pause, self._frame)
        if pause is None and silent >= self._config.speech_pad_frames:
            self._pause = Pause(self._speech_end, self._speech_end + self._config.speech_pad_frames)
            return SpeechPaused(self._pause, self._frame, self.endpoint_frame)
        return None

    def _is_onset_frame(self, probability: float) -> bool:
        if self._frame < self._continuation_end:
            return self._config.is_voiced(probability)
        threshold = min(self._config.weak_threshold, self._config.onset_threshold)
        return probability > threshold and self._frame >= self._gap_end

    @property
    def _required_onset(self) -> int:
        if self._phase_start < self._continuation_end:
            return 1
        return self._config.onset_frames if self._has_strong_onset() else self._config.weak_onset_frames

    @property
    def _long_silence_at(self) -> int:
        return self._committed + COMMIT_SILENCE_FRAMES + self._config.pre_roll_frames

    def _commit_long_silence(self) -> LongSilence | None:
        if self._frame < self._long_silence_at:
            return None
        self._step_back(self._frame - self._config.pre_roll_frames)
        return LongSilence(self._committed)

    def _step_back(self, frame: int) -> None:
        for _ in range(min(self._frame - frame, len(self._energies))):
            self._energies.pop()
        self._frame = self._committed = frame
        self._weak = WeakSpeech(self._config)

    def _has_strong_onset(self) -> bool:
        return max(self._probabilities) > self._config.onset_threshold

    def _enter(self, phase: Phase) -> None:
        self._phase, self._phase_start = phase, self._frame

    def _begin(self) -> UtteranceStarted:
        config, onset = self._config, self._phase_start
        pre_roll = config.hangover_frames if onset < self._continuation_end else config.pre_roll_frames
        self._start, self._onset = max(self._committed, onset - pre_roll), onset
        self._pause, self._began_weakly = None, False
        self._weak.reset()
        self._enter(Phase.SPEECH)
        return UtteranceStarted(self._start, self._onset, self._committed, config.max_uncut_frames)

    def _begin_weakly(self) -> UtteranceStarted | None:
        """Begin an utterance with the weak speech that has just ended; None within the gap after an utterance."""
        probabilities = self._weak.probabilities
        onset = self._frame - len(probabilities)
        if onset < self._gap_end:
            self._weak.reset()
            return None
        self._phase_start, self._probabilities = onset, list(probabilities)
        last = max(i for i, p in enumerate(probabilities) if self._config.has_residual_speech(p))
        self._speech_end = onset + last + 1
        started = self._begin()
        self._began_weakly = True
        return started

    def _finish(self, end: int, endpoint: Endpoint) -> UtteranceEnded:
        ended = self._ended(end, endpoint)
        self._config = self._next_config
        self._step_back(end)
        self._enter(Phase.SILENCE)
        if endpoint is Endpoint.MAX_LENGTH:
            self._continuation_end = end + self._config.hangover_frames
        else:
            self._gap_end = end + self._config.min_gap_frames
        return ended

    def _cut(self) -> UtteranceEnded:
        """End the utterance at its quietest recent point; speech after it belongs to the next utterance."""
        end = self._quietest_frame()
        first = self._frame - len(self._probabilities)
        continues = any(map(self._config.is_voiced, self._probabilities[end - first :]))
        return self._finish(end if continues else self._frame, Endpoint.MAX_LENGTH)

    def _quietest_frame(self) -> int:
        """Return the middle of the quietest recent segment; of equally quiet ones, the latest."""
        reach = min(self._config.cut_reach_frames, self._next_config.cut_reach_frames)
        recent, width = list(self._energies)[-reach:], min(CUT_WIDTH_FRAMES, reach)
        latest_first = range(reach - width, -1, -1)
        quietest = min(latest_first, key=lambda start: sum(recent[start : start + width]))
        return self._frame - reach + quietest + width // 2

    def _ended(self, end: int, endpoint: Endpoint) -> UtteranceEnded:
        first = self._frame - len(self._probabilities)
        probabilities = self._probabilities[: end - first]
        residual = (first + i + 1 for i, p in enumerate(probabilities) if self._config.has_residual_speech(p))
        speech_end = max(residual, default=self._onset)
        is_voiced = self._config.has_residual_speech if self._began_weakly else self._config.is_voiced
        return UtteranceEnded(
            start=self._start,
            onset=self._onset,
            speech_end=speech_end,
            window_end=min(end, speech_end + self._config.speech_pad_frames),
            end=end,
            voiced_frames=sum(map(is_voiced, probabilities)),
            endpoint=endpoint,
        )
