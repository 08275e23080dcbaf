"""Tells how likely each frame of a stream is speech: Silero's word, and a gate that saves asking for it.

The gate decides only whether Silero runs: the utterances found with it are those found without.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnxruntime
import webrtcvad
from numpy.typing import NDArray

from stt_service.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frames, Samples
from stt_service.errors import ModelNotFoundError
from stt_service.settings.schema import RuntimeSettings, ServerSettings
from stt_service.vad.types import SegmenterConfig, segmenter_config

Probabilities = NDArray[np.float32]  # shape (n,), one a frame
Flags = NDArray[np.bool_]  # shape (n,), one a frame

_FILES = (("silero_vad", "data/silero_vad.onnx"), ("faster_whisper", "assets/silero_vad_v6.onnx"))
_CONTEXT_SAMPLES = 64  # what Silero sees of the frame before
_MAX_RUN = 32  # frames a call; 0.12 ms each, 0.22 alone, our measurement; more in a call gain nothing

# Silero's memory reaches back for more than 30 s (our measurement: the cell state still moves after 1000
# frames of zeros), so no look-back brings a skipped stretch to the state of an unbroken run, and long silence
# makes it deaf to quiet speech: 34 of 36 utterances, 36 with a new state. Hence silence is cut into epochs,
# each scored from a new state, so that any of them can be left out.
_EPOCH = 32
_WARM_UP = 8  # frames before an epoch that its new state hears first
_AHEAD = 16  # frames after an epoch in which the gate may still wake it
_BEHIND = 8  # and before it
_REST_BELOW = 0.3  # a threshold under it is for sounds too faint for any gate; office noise reaches 0.26

# Ours, by the same measurement: WebRTC alone loses every utterance 40 dB below a normal level, the rise none.
_ZEROS = 32  # frames of digital silence after which WebRTC is where it will stay
_PIECE_BYTES = 960  # 30 ms, the longest that WebRTC takes
_RISE = 6.0  # 8 dB above the noise
_FLOOR_RISE = 1.01  # the noise may grow by 1.3 dB a second
_LEAST_FLOOR = 1e-9  # -90 dB, one step of 16 bits


def silero_path() -> Path:
    """Find the newest Silero installed, without importing its package: silero_vad imports torch.

    Raises:
        ModelNotFound: when there is none.
    """
    for package, file in _FILES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (path := Path(folder) / file).is_file():
                return path
    raise ModelNotFoundError("Silero's model is nowhere to be found: install faster-whisper or silero-vad.")


@dataclass(slots=True, eq=False)
class SileroState:
    """What Silero remembers of one stream."""

    memory: list[NDArray[np.float32]]
    context: Samples = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))


class Silero:
    """Silero's model, shared by all streams.

    Two files, one interface: faster-whisper's takes n frames of a stream in a call, silero-vad's one.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {each.name for each in self._session.get_inputs()}
        self._rate = {"sr": np.array(SAMPLE_RATE_HZ, np.int64)} if "sr" in names else {}
        self._memories = {"state": (2, 1, 128)} if "state" in names else {"h": (1, 1, 128), "c": (1, 1, 128)}
        self._run = 1 if "state" in names or not self._exact_in_runs() else _MAX_RUN

    def start(self) -> SileroState:
        """Return the state of a stream that has heard nothing."""
        return SileroState([np.zeros(shape, np.float32) for shape in self._memories.values()])

    def score(self, state: SileroState, frames: Frames) -> Probabilities:
        """Return the frames' probabilities, and take the frames into the state.

        The same to the bit however a stream's frames are cut into calls.
        """
        runs = [frames[first : first + self._run] for first in range(0, len(frames), self._run)]
        return np.concatenate([np.zeros(0, np.float32), *(self._score(state, run) for run in runs)])

    def _score(self, state: SileroState, frames: Frames) -> Probabilities:
        heard = np.concatenate((state.context, frames.ravel()))
        windows = np.lib.stride_tricks.sliding_window_view(heard, _CONTEXT_SAMPLES + FRAME_SAMPLES)
        memory = dict(zip(self._memories, state.memory, strict=True))
        inputs = {"input": np.ascontiguousarray(windows[::FRAME_SAMPLES]), **memory, **self._rate}
        scores, *state.memory = self._session.run(None, inputs)
        state.context = heard[-_CONTEXT_SAMPLES:].copy()
        return np.asarray(scores, np.float32).ravel()

    def _exact_in_runs(self) -> bool:
        """Tell whether this processor's kernels round a run of frames as they round each alone."""
        frames = np.random.default_rng(0).normal(0, 0.1, (_MAX_RUN, FRAME_SAMPLES)).astype(np.float32)
        state = self.start()
        alone = np.concatenate([self._score(state, frames[i : i + 1]) for i in range(_MAX_RUN)])
        return np.array_equal(self._score(self.start(), frames), alone)


@dataclass(frozen=True, slots=True)
class GateConfig:
    """When Silero may rest."""

    aggressiveness: int | None  # of WebRTC, 0..3; None: never
    hold: int  # frames after speech in which it may not: more than any wait for an endpoint
    keep: float  # the probability that is speech


def gate_config(segmenter: SegmenterConfig, aggressiveness: int) -> GateConfig:
    """Return the gate that changes nothing of what the segmenter decides."""
    return GateConfig(
        aggressiveness=aggressiveness if segmenter.onset_threshold >= _REST_BELOW else None,
        hold=max(segmenter.hangover, segmenter.min_length) + segmenter.onset + 1,
        keep=min(segmenter.onset_threshold, segmenter.offset_threshold),
    )


class SpeechTrigger:
    """Tells which frames may hold speech: WebRTC hears it, or the level rises above the noise."""

    def __init__(self) -> None:
        self._webrtc = webrtcvad.Vad()
        self._held = b""  # WebRTC's pieces do not end where frames do
        self._zeros = 0  # frames of nothing but zeros, lately
        self._floor = float("inf")

    def push(self, frames: Frames, aggressiveness: int) -> Flags:
        self._webrtc.set_mode(aggressiveness)
        levels = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES
        self._zeros = 0 if levels.any() else self._zeros + len(frames)
        if self._zeros > _ZEROS + len(frames):
            return self._pass(len(frames))
        pcm = np.clip(frames * 32768, -32768, 32767).astype("<i2")
        heard = (self._hears(frame.tobytes()) for frame in pcm)
        risen = (self._rises(level) for level in levels.tolist())
        return np.array([a or b for a, b in zip(heard, risen, strict=True)], np.bool_)

    def _pass(self, frames: int) -> Flags:
        """Take zeros that follow on zeros: WebRTC neither hears nor learns anything from them."""
        self._held = bytes((len(self._held) + 2 * FRAME_SAMPLES * frames) % _PIECE_BYTES)
        self._floor = _LEAST_FLOOR
        return np.zeros(frames, np.bool_)

    def _hears(self, pcm: bytes) -> bool:
        pcm = self._held + pcm
        whole = len(pcm) // _PIECE_BYTES * _PIECE_BYTES
        self._held = pcm[whole:]
        pieces = [pcm[first : first + _PIECE_BYTES] for first in range(0, whole, _PIECE_BYTES)]
        voiced = [self._webrtc.is_speech(piece, SAMPLE_RATE_HZ) for piece in pieces]  # it shall hear them all
        return any(voiced)

    def _rises(self, level: float) -> bool:
        self._floor = max(_LEAST_FLOOR, min(level, self._floor * _FLOOR_RISE))
        return level > self._floor * _RISE


class StreamVad:
    """One stream's probabilities, in order, each once.

    After speech Silero runs on for `hold` frames. From then on each epoch is scored from a new state or, when
    nothing stirs in it or soon after, not at all: its probabilities are 0, and come at most 48 frames late.
    """

    def __init__(self, silero: Silero, config: GateConfig) -> None:
        self._silero, self._state = silero, silero.start()
        self._config = self._next_config = config
        self._trigger = SpeechTrigger()
        self._scored = 0
        self._heard = 0  # frames pushed
        self._decided = 0  # frames whose probabilities were returned
        self._awake = False
        self._busy_until = 1  # no rest before it; a stream may begin within a word
        self._sound: Frames = np.zeros((0, FRAME_SAMPLES), np.float32)  # the last frames heard ...
        self._fired: Flags = np.zeros(0, np.bool_)  # ... and whether the trigger fired on them

    @property
    def scored(self) -> int:
        """Frames that Silero ran on, those of warm-ups included."""
        return self._scored

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None:
        """Take new settings; until the next silence the hold of the present ones stands if it is longer."""
        self._next_config = following = gate_config(config, aggressiveness)
        hold, keep = max(self._config.hold, following.hold), min(self._config.keep, following.keep)
        self._config = replace(following, hold=hold, keep=keep)

    def push(self, frames: Frames) -> Probabilities:
        """Take the next frames; return the probabilities that are decided now."""
        aggressiveness = self._config.aggressiveness
        fired = np.ones(len(frames), np.bool_)
        if aggressiveness is not None:
            fired = self._trigger.push(frames, aggressiveness)
        old = max(0, self._decided - max(_WARM_UP, _BEHIND) - self._first)
        self._sound = np.concatenate((self._sound[old:], frames))
        self._fired = np.concatenate((self._fired[old:], fired))
        self._heard += len(frames)
        return self._decide(at_once=False)

    def flush(self) -> Probabilities:
        """Return what is still held back, scored; more may follow."""
        return self._decide(at_once=True)

    @property
    def _first(self) -> int:
        return self._heard - len(self._sound)

    def _decide(self, at_once: bool) -> Probabilities:
        decided = [np.zeros(0, np.float32)]
        while self._decided < self._heard:
            begin = self._decided // _EPOCH * _EPOCH
            end = begin + _EPOCH
            if self._decided == begin:
                self._awake = begin < self._busy_until
            if not self._awake and (at_once or self._stirs(begin - _BEHIND, end + _AHEAD)):
                self._wake()
            if self._awake:
                decided.append(self._score(min(end, self._heard)))
            elif self._heard >= end + _AHEAD:
                decided.append(np.zeros(_EPOCH, np.float32))
                self._decided = end
            else:
                break
        return np.concatenate(decided)

    def _stirs(self, begin: int, end: int) -> bool:
        return bool(self._fired[max(0, begin - self._first) : end - self._first].any())

    def _wake(self) -> None:
        """Begin the epoch with a new state."""
        self._config, self._awake = self._next_config, True
        self._state = self._silero.start()
        warm_up = self._sound[max(0, self._decided - _WARM_UP - self._first) : self._decided - self._first]
        self._silero.score(self._state, warm_up)
        self._scored += len(warm_up)

    def _score(self, end: int) -> Probabilities:
        begin, self._decided = self._decided, end
        probabilities = self._silero.score(self._state, self._sound[begin - self._first : end - self._first])
        self._scored += len(probabilities)
        speech = np.flatnonzero(probabilities >= self._config.keep)
        if len(speech):
            self._busy_until = begin + int(speech[-1]) + 1 + self._config.hold
        return probabilities


def stream_vads(silero: Silero, server: ServerSettings) -> Callable[[RuntimeSettings], StreamVad]:
    """Return what makes a VAD that has heard nothing yet, for a stream with these settings."""

    def new(live: RuntimeSettings) -> StreamVad:
        return StreamVad(silero, gate_config(segmenter_config(live, server), live.webrtc_sensitivity))

    return new
