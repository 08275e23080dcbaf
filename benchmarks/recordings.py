"""The recordings of speech in tests/recordings with their transcripts: for tests and measurements."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "tests" / "recordings"
SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence of a dictation and its time, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Recording:
    path: Path
    language: str
    kind: str  # utterance or dictation
    text: str
    speaker: str
    source: str
    license: str
    duration_s: float
    utterances: tuple[Utterance, ...]  # of a dictation

    @property
    def name(self) -> str:
        """Return its name in tests, such as en/jfk."""
        return self.path.relative_to(FOLDER).with_suffix("").as_posix()

    def samples(self) -> NDArray[np.float32]:
        """Return the audio: 16 kHz, mono, range [-1, 1)."""
        samples = np.frombuffer(self.pcm(), "<i2").astype(np.float32) / np.float32(32_768)
        samples.flags.writeable = False
        return samples

    def pcm(self) -> bytes:
        """Return the audio as a stream sends it: 16 kHz, mono, 16 bit."""
        return pcm_of(self.path)


def pcm_of(path: Path) -> bytes:
    """Return the audio of a file: 16 kHz, mono, 16 bit."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
    with av.open(str(path), "r") as container:
        frames = [*container.decode(audio=0), None]
        return b"".join(chunk.to_ndarray().tobytes() for frame in frames for chunk in resampler.resample(frame))


def _recording(line: str) -> Recording:
    entry = json.loads(line)
    return Recording(
        path=FOLDER / entry["path"],
        language=entry["language"],
        kind=entry["kind"],
        text=entry["text"],
        speaker=entry["speaker"],
        source=entry["source"],
        license=entry["licence"],
        duration_s=entry["duration"],
        utterances=tuple(
            Utterance(spoken["text"], spoken["start"], spoken["end"]) for spoken in entry.get("utterances", ())
        ),
    )


RECORDINGS = tuple(_recording(line) for line in (FOLDER / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
