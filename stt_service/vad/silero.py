"""Silero's speech probabilities: where the model file is, the model, and the state of one stream."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stt_service.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ, Frames, Samples
from stt_service.errors import ModelNotFoundError

Probabilities = NDArray[np.float32]  # shape (n,), one per frame

_FILES = (("silero_vad", "data/silero_vad.onnx"), ("faster_whisper", "assets/silero_vad_v6.onnx"))
_CONTEXT_SAMPLES = 64  # of the previous frame, which Silero also reads
_MAX_BATCH_FRAMES = 32  # per call: 0.12 ms per frame, 0.22 ms alone (our measurement); larger batches are no faster


def silero_path() -> Path:
    """Return the newest Silero file installed, without importing its package: silero_vad imports torch.

    Raises:
        ModelNotFoundError: no package has one.
    """
    for package, file in _FILES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (path := Path(folder) / file).is_file():
                return path
    raise ModelNotFoundError("Silero's model was not found: install faster-whisper or silero-vad.")


@dataclass(slots=True, eq=False)
class SileroState:
    """The state of one stream in Silero's model."""

    memory: list[NDArray[np.float32]]
    context: Samples = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))


class Silero:
    """Silero's model, shared by all streams.

    Two model files have the same interface: per call, faster-whisper's accepts n frames of a stream, silero-vad's one.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {each.name for each in self._session.get_inputs()}
        self._rate = {"sr": np.array(SAMPLE_RATE_HZ, np.int64)} if "sr" in names else {}
        self._memories = {"state": (2, 1, 128)} if "state" in names else {"h": (1, 1, 128), "c": (1, 1, 128)}
        self._batch_frames = 1 if "state" in names or not self._is_exact_in_batches() else _MAX_BATCH_FRAMES

    def start(self) -> SileroState:
        """Return the state of a stream without audio."""
        return SileroState([np.zeros(shape, np.float32) for shape in self._memories.values()])

    def score(self, state: SileroState, frames: Frames) -> Probabilities:
        """Return the probabilities of the frames, and update the state.

        The result is the same to the bit, however the frames of a stream are split into calls.
        """
        size = self._batch_frames
        batches = [frames[first : first + size] for first in range(0, len(frames), size)]
        return np.concatenate([np.zeros(0, np.float32), *(self._score(state, batch) for batch in batches)])

    def _score(self, state: SileroState, frames: Frames) -> Probabilities:
        samples = np.concatenate((state.context, frames.ravel()))
        windows = np.lib.stride_tricks.sliding_window_view(samples, _CONTEXT_SAMPLES + FRAME_SAMPLES)
        memory = dict(zip(self._memories, state.memory, strict=True))
        inputs = {"input": np.ascontiguousarray(windows[::FRAME_SAMPLES]), **memory, **self._rate}
        scores, *state.memory = self._session.run(None, inputs)
        state.context = samples[-_CONTEXT_SAMPLES:].copy()
        return np.asarray(scores, np.float32).ravel()

    def _is_exact_in_batches(self) -> bool:
        """Return whether the kernels of this processor round a batch of frames like each frame alone."""
        frames = np.random.default_rng(0).normal(0, 0.1, (_MAX_BATCH_FRAMES, FRAME_SAMPLES)).astype(np.float32)
        state = self.start()
        alone = np.concatenate([self._score(state, frames[i : i + 1]) for i in range(_MAX_BATCH_FRAMES)])
        return np.array_equal(self._score(self.start(), frames), alone)
