"""Cuts a stream's speech probabilities into utterances.

Knows no audio and no clock: time is the number of frames seen, 32 ms each. Ranges are half-open.

After each utterance, and in long silence, it is where a new one would be that began at `settled`: a stream that is
resumed there finds the same utterances. For that it may step back: `frame` tells which probability it takes next, and
whoever knows the sound has it scored anew from there.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from stt_service.audio.pcm import Samples
from stt_service.vad.types import (
    CUT_WINDOW,
    Decision,
    Endpoint,
    LongSilence,
    SegmenterConfig,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from stt_service.vad.weak_speech import MAX_FRAMES, WeakSpeech

CUT_WIDTH = 5  # 160 ms: longer than the closure of a plosive, shorter than a pause for breath
COMMIT_SILENCE_FRAMES = (
    312  # 10 s of silence, at most 13 with the longest pre-roll: what a resumed stream hears again for nothing
)


class Phase(Enum):
    SILENCE = auto()
    ONSET = auto()  # voiced, not yet for long enough to be speech
    SPEECH = auto()
    HANGOVER = auto()  # silent, not yet for long enough to be the end


class Segmenter:
    """One stream's utterances: they never overlap, and none is longer than the greatest length."""

    def __init__(self, config: SegmenterConfig, *, continues_utterance: bool = False) -> None:
        """Begin in silence, or where an utterance was cut."""
        self._config = config
        self._next_config = config  # in force from the next utterance on
        self._phase = Phase.SILENCE
        self._frame = 0  # frames seen
        self._entered = 0  # where the present phase began
        self._committed = 0  # what is settled: no later utterance reaches back before it
        self._gap_end = 0  # no onset before it
        self._continuation_end = (
            config.hangover if continues_utterance else 0
        )  # weak speech before it continues the utterance
        self._start = 0  # of the present utterance, as the rest from here on
        self._onset = 0
        self._speech_end = 0
        self._announced = False  # a Hangover was told, and nothing was heard since
        self._probabilities: list[float] = []  # since the onset or the cut
        self._energies: deque[float] = deque(maxlen=CUT_WINDOW)
        self._weak = _weak_speech(config)
        self._began_weakly = False  # the open utterance; its weak frames count as voiced

    @property
    def frame(self) -> int:
        return self._frame

    @property
    def speaking(self) -> bool:
        return self._phase in (Phase.SPEECH, Phase.HANGOVER)

    @property
    def start(self) -> int | None:
        """Where the open utterance began; None when none is open."""
        return self._start if self.speaking else None

    @property
    def speech_end(self) -> int:
        """Where the open utterance was last heard to speak."""
        return self._speech_end

    @property
    def endpoint(self) -> int:
        """Where silence, if it goes on, ends the open utterance."""
        silent_since = self._entered if self._phase is Phase.HANGOVER else self._frame
        waited = max(silent_since + self._config.hangover, self._onset + self._config.min_length)
        return min(waited, self._start + self._config.max_length)

    @property
    def max_uncut_frames(self) -> int:
        """How many frames of the open utterance are before any cut at its greatest length."""
        return self._config.max_length - self._config.cut_reach

    @property
    def committed(self) -> int:
        """The frame from which on all can be found anew: before it nothing belongs to an open or a later utterance."""
        return self._committed

    def reconfigure(self, config: SegmenterConfig) -> None:
        """Take new settings; an open utterance ends under its own."""
        self._next_config = config
        if not self.speaking:
            self._config, self._weak = config, _weak_speech(config)

    def step(self, probability: float, energy: float) -> Decision | None:
        """Take the next frame's probability and mean square; return what it decides, if anything."""
        voiced = self._may_begin(probability) if self._phase is Phase.SILENCE else self._voiced(probability)
        match self._phase, voiced:
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
        if not self.speaking:
            self._weak.step(probability, energy)
        if self._phase is Phase.SILENCE:
            return self._begin_weakly() if self._weak.has_ended and self._weak.is_speech else self._quiet()
        self._probabilities.append(probability)
        if self._has_residual_speech(probability):
            self._speech_end = self._frame
        return self._decide()

    def skip_silence(self, probabilities: Samples, energies: Samples) -> bool:
        """Take frames in which nothing happens, as `step` would, at once; False where it might."""
        end = self._frame + len(probabilities)
        at_rest = self._phase is Phase.SILENCE and self._frame >= self._continuation_end and end < self._quiet_at
        weak = min(self._config.weak_threshold, self._config.onset_threshold, self._config.residual_threshold)
        if not at_rest or not self._weak.is_empty or probabilities.max() >= weak:
            return False
        self._frame = end
        self._energies.extend(energies.tolist())
        return True

    @property
    def is_periodic(self) -> bool:
        """Whether silence has lasted for a whole period, from one Quiet to the next, under no rule of an utterance."""
        bound = max(self._continuation_end, self._gap_end) <= self._committed - COMMIT_SILENCE_FRAMES
        return self._phase is Phase.SILENCE and bound

    def skip(self, periods: int) -> int:
        """Advance by so many periods as in the last one: nothing changes but numbers. Return the frames."""
        frames = periods * COMMIT_SILENCE_FRAMES
        self._frame += frames
        self._committed += frames
        return frames

    def flush(self, endpoint: Endpoint) -> UtteranceEnded | None:
        """End the utterance now, if there is one.

        Speech too short to have been told as Started is an utterance too: it may be a word cut off.
        """
        if self._phase is Phase.ONSET and self._has_strong_onset():
            self._begin()
        elif not self.speaking and self._weak.is_speech:
            self._begin_weakly()
        return self._finish(self._frame, endpoint) if self.speaking else None

    def _decide(self) -> Decision | None:
        config, waited = self._config, self._frame - self._entered
        if self._phase is Phase.ONSET:
            return self._begin() if waited >= self._onset_wanted else None
        long_enough = self._frame - self._onset >= config.min_length
        if self._phase is Phase.HANGOVER and waited >= config.hangover and long_enough:
            return self._finish(self._frame, Endpoint.SILENCE)
        if self._frame - self._start >= config.max_length:
            return self._cut()
        silent = self._frame - self._speech_end
        if self._announced and not silent:
            self._announced = False
            return SpeechResumed()
        if not self._announced and silent >= config.speech_pad:
            self._announced = True
            return SpeechPaused(self._speech_end, self._speech_end + config.speech_pad)
        return None

    def _may_begin(self, probability: float) -> bool:
        if self._frame < self._continuation_end:
            return self._voiced(probability)
        return (
            probability > min(self._config.weak_threshold, self._config.onset_threshold)
            and self._frame >= self._gap_end
        )

    @property
    def _onset_wanted(self) -> int:
        if self._entered < self._continuation_end:
            return 1
        return self._config.onset if self._has_strong_onset() else self._config.weak_onset_frames

    @property
    def _quiet_at(self) -> int:
        return self._committed + COMMIT_SILENCE_FRAMES + self._config.pre_roll

    def _quiet(self) -> LongSilence | None:
        if self._frame < self._quiet_at:
            return None
        self._step_back(self._frame - self._config.pre_roll)
        return LongSilence()

    def _step_back(self, frame: int) -> None:
        for _ in range(min(self._frame - frame, len(self._energies))):
            self._energies.pop()
        self._frame = self._committed = frame
        self._weak = _weak_speech(self._config)

    def _has_strong_onset(self) -> bool:
        """Tell whether the onset has been clear speech for a moment."""
        return max(self._probabilities) > self._config.onset_threshold

    def _enter(self, phase: Phase) -> None:
        self._phase, self._entered = phase, self._frame

    def _begin(self) -> UtteranceStarted:
        reach = self._config.hangover if self._entered < self._continuation_end else self._config.pre_roll
        self._start, self._onset = max(self._committed, self._entered - reach), self._entered
        self._announced = self._began_weakly = False
        self._weak.reset()
        self._enter(Phase.SPEECH)
        return UtteranceStarted(self._start, self._onset)

    def _begin_weakly(self) -> UtteranceStarted | None:
        """Begin an utterance with the weak speech that has just ended, unless it is too soon for one."""
        probabilities = self._weak.probabilities
        onset = self._frame - len(probabilities)
        if onset < self._gap_end:
            self._weak.reset()
            return None
        self._entered, self._probabilities = onset, list(probabilities)
        self._speech_end = onset + max(i for i, p in enumerate(probabilities) if self._has_residual_speech(p)) + 1
        started = self._begin()
        self._began_weakly = True
        return started

    def _finish(self, end: int, endpoint: Endpoint) -> UtteranceEnded:
        ended = self._ended(end, endpoint)
        self._config = self._next_config
        self._step_back(end)
        self._enter(Phase.SILENCE)
        if endpoint is Endpoint.MAX_LENGTH:
            self._continuation_end = end + self._config.hangover
        else:
            self._gap_end = end + self._config.min_gap
        return ended

    def _cut(self) -> UtteranceEnded:
        """End the utterance at its quietest recent point; what follows, if it is speech, is the next one."""
        end = self._quietest()
        first = self._frame - len(self._probabilities)
        goes_on = any(map(self._voiced, self._probabilities[end - first :]))
        return self._finish(end if goes_on else self._frame, Endpoint.MAX_LENGTH)

    def _quietest(self) -> int:
        """Return the middle of the quietest stretch of late, of equal ones the latest."""
        reach = min(self._config.cut_reach, self._next_config.cut_reach)
        recent, width = list(self._energies)[-reach:], min(CUT_WIDTH, reach)
        latest_first = range(reach - width, -1, -1)
        quietest = min(latest_first, key=lambda place: sum(recent[place : place + width]))
        return self._frame - reach + quietest + width // 2

    def _ended(self, end: int, endpoint: Endpoint) -> UtteranceEnded:
        first = self._frame - len(self._probabilities)
        heard = self._probabilities[: end - first]
        traces = (first + i + 1 for i, p in enumerate(heard) if self._has_residual_speech(p))
        speech_end = max(traces, default=self._onset)
        return UtteranceEnded(
            start=self._start,
            onset=self._onset,
            speech_end=speech_end,
            window_end=min(end, speech_end + self._config.speech_pad),
            end=end,
            voiced=sum(map(self._has_residual_speech if self._began_weakly else self._voiced, heard)),
            endpoint=endpoint,
        )

    def _voiced(self, probability: float) -> bool:
        """Tell whether an onset or an utterance goes on; where all is speech, `leave` is above `enter`."""
        return probability >= self._config.offset_threshold or probability > self._config.onset_threshold

    def _has_residual_speech(self, probability: float) -> bool:
        return probability >= self._config.residual_threshold or probability > self._config.onset_threshold


def _weak_speech(config: SegmenterConfig) -> WeakSpeech:
    """Return an empty run, so short that with its pre-roll it fits into the longest utterance."""
    return WeakSpeech(config.residual_threshold, min(MAX_FRAMES, config.max_length // 3))
