"""Shows the CPU that the WebRTC gate saves, and that it changes nothing: the same utterances with it and without.

    python -m lab.accuracy.vad_gate tests/recordings

In addition to each recording, all of them are tried as one stream with pauses between, since the gate skips Silero in
long pauses only, and that at lower levels and over noise. Exit code 1: an utterance differs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ, AudioFormat, Decoder, Frames, FrameSplitter, Samples
from stt_service.audio.recordings import decode_recording
from stt_service.settings.schema import ServerSettings
from stt_service.vad.gate import GateConfig, StreamVad, gate_config
from stt_service.vad.segmenter import Segmenter
from stt_service.vad.silero import Silero, silero_path
from stt_service.vad.types import Decision, Endpoint, LongSilence, SegmenterConfig, UtteranceEnded, segmenter_config

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".m4a"}
SENSITIVITIES = (0.05, 0.5)
AGGRESSIVENESS = range(4)
CHUNK = 3  # frames, about the size of a live client's messages
PAUSES_S = (4.0, 9.0)
LONGEST_S = 12  # of each recording in the joined stream
MINUTE = 60 * SAMPLE_RATE_HZ
HISS = 1e-3  # -60 dB


@dataclass(frozen=True, slots=True)
class VadPass:
    """Result of one pass over a recording."""

    decisions: tuple[Decision, ...]
    utterances: int
    share: float  # share of the frames on which Silero ran, including warm-ups
    ms_per_s: float


def framed(samples: Samples) -> Frames:
    framer = FrameSplitter()
    return np.concatenate((framer.push(samples), framer.flush()))


def read(path: Path) -> Samples:
    decoder = Decoder(AudioFormat())
    return np.concatenate([*(decoder.push(pcm) for pcm in decode_recording(path.read_bytes())), decoder.flush()])


def joined(recordings: list[Samples], factor: float, noise: float) -> Samples:
    """Return the recordings with pauses before each, at one level times the factor, in white noise."""
    random = np.random.default_rng(7)
    parts: list[Samples] = []
    for samples in recordings:
        speech = samples[: LONGEST_S * SAMPLE_RATE_HZ]
        level = float(np.sqrt(np.mean(speech**2))) or 1.0
        pause = int(random.uniform(*PAUSES_S) * SAMPLE_RATE_HZ)
        parts += [np.zeros(pause, np.float32), speech * np.float32(0.06 * factor / level)]
    stream = np.concatenate(parts)
    return np.clip(stream + noise * random.standard_normal(len(stream)), -1, 0.9999).astype(np.float32)


def run_vad(silero: Silero, frames: Frames, segmenting: SegmenterConfig, gate: GateConfig) -> VadPass:
    """Return the decisions of a session for the frames: after each utterance, and in long silence, its VAD is reset."""
    segmenter, energies = Segmenter(segmenting), np.mean(frames**2, axis=1).tolist()
    made: list[Decision | None] = []
    scored, began_s = 0, time.perf_counter()
    while segmenter.frame < len(frames):
        vad = StreamVad(silero, gate)
        for probability in _probabilities(vad, frames[segmenter.frame :]):
            made.append(segmenter.step(probability, energies[segmenter.frame]))
            if isinstance(made[-1], UtteranceEnded | LongSilence):
                break
        scored += vad.scored_frames
    spent_s = time.perf_counter() - began_s
    decisions = tuple(each for each in [*made, *segmenter.flush(Endpoint.END_OF_AUDIO)] if each is not None)
    utterances = sum(isinstance(each, UtteranceEnded) for each in decisions)
    length_s = frames.size / SAMPLE_RATE_HZ
    return VadPass(decisions, utterances, scored / len(frames), 1000 * spent_s / length_s)


def _probabilities(vad: StreamVad, frames: Frames) -> Iterator[float]:
    for first in range(0, len(frames), CHUNK):
        yield from vad.push(frames[first : first + CHUNK]).tolist()
    yield from vad.flush().tolist()


def cases(paths: list[Path]) -> Iterator[tuple[str, Samples]]:
    recordings = [(path.name, read(path)) for path in paths]
    yield from recordings
    signals = [samples for _, samples in recordings]
    for down_db in (0, 20, 40):
        factor = 10 ** (-down_db / 20)
        for name, noise in (("silence", 0.0), ("noise 20 dB below", 0.006 * factor), ("hiss", HISS / 5)):
            yield f"joined, {down_db} dB down, {name}", joined(signals, factor, noise)
    yield "digital silence, 60 s", np.zeros(MINUTE, np.float32)
    hiss = HISS * np.random.default_rng(1).standard_normal(MINUTE)
    yield "white noise at -60 dB, 60 s", hiss.astype(np.float32)


def compare(name: str, frames: Frames, silero: Silero) -> bool:
    """Print a row for each sensitivity; return whether all agree."""
    agree = True
    for sensitivity in SENSITIVITIES:
        parameters = ServerSettings.model_validate({"silero_sensitivity": sensitivity})
        segmenting = segmenter_config(parameters.runtime(), parameters)
        ungated = run_vad(silero, frames, segmenting, replace(gate_config(segmenting, 0), aggressiveness=None))
        row = f"{name[:38]:38} {frames.size / SAMPLE_RATE_HZ:7.1f} {sensitivity:5} {ungated.utterances:5}"
        for aggressiveness in AGGRESSIVENESS:
            gated = run_vad(silero, frames, segmenting, gate_config(segmenting, aggressiveness))
            same = gated.decisions == ungated.decisions
            agree = agree and same
            row += f"  {gated.utterances:3} {gated.share:4.0%}{' ' if same else '!'}{gated.ms_per_s:5.2f}"
        print(row, flush=True)
    return agree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, nargs="+", help="Recordings, or folders of them.")
    parser.add_argument("--model", type=Path, help="Silero's file; default: the installed one.")
    arguments = parser.parse_args()
    files = [path for given in arguments.audio for path in ([given] if given.is_file() else given.rglob("*"))]
    paths = sorted(path for path in files if path.suffix in SUFFIXES)
    silero = Silero(arguments.model or silero_path())
    print("Per aggressiveness 0 to 3: utterances, share of frames that Silero ran on, ms per second of audio.")
    print(f"{'recording':38} {'s':>7} {'sens.':>5} {'open':>5}" + "".join(f"{a:>12}     " for a in AGGRESSIVENESS))
    results = [compare(name, framed(samples), silero) for name, samples in cases(paths)]
    print("All utterances agree." if all(results) else "Rows with ! differ.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
