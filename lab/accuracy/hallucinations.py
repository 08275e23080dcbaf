"""Text that a server recognizes in silence and noise: none is expected.

`python -m lab.accuracy.hallucinations [RECORDING…]`: ten minutes each of silence, of white, pink and hum noise, and
of the given recordings (an office, for example), in Russian and English: streamed with the VAD at its defaults, then
decoded directly as windows of 1.5 to 20 s and checked by the hallucination guard as if the VAD had detected speech in
half of each. Exit code 1 if any text is recognized.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import channel_to
from benchmarks.recordings import pcm_of
from benchmarks.service import Service
from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.models.store import models_folder, resolve
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.hallucination import SpeechStats, suppression_reason
from stt_service.whisper.types import DecodeOptions, Kind, Window

MINUTES = 10
WINDOWS_S = (1.5, 3.0, 7.0, 20.0)
LEVELS_DBFS = (-60, -40, -20)


def noises() -> Iterator[tuple[str, Samples]]:
    """Yield ten minutes of each, at changing levels."""
    count = MINUTES * 60 * SAMPLE_RATE_HZ
    white = np.random.default_rng(1).standard_normal(count)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    hum = np.sin(2 * np.pi * 50 * time_s) + np.sin(2 * np.pi * 100 * time_s) / 2 + white / 50
    yield "silence", np.zeros(count, np.float32)
    for name, noise in (("white", white), ("pink", pink), ("hum", hum)):
        yield name, _at_levels(noise / np.sqrt(np.mean(noise**2)))


def _at_levels(noise: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Samples:
    parts = np.array_split(noise, len(LEVELS_DBFS))
    return np.concatenate([part * 10 ** (level / 20) for part, level in zip(parts, LEVELS_DBFS, strict=True)]).astype(
        np.float32
    )


def recording(path: Path) -> Samples:
    """Return the recording in a loop, for ten minutes."""
    samples = np.frombuffer(pcm_of(path), "<i2").astype(np.float32) / np.float32(32768)
    return np.resize(samples, MINUTES * 60 * SAMPLE_RATE_HZ)


async def streamed(address: str, samples: Samples, language: str) -> list[str]:
    """Stream it at full speed; return the recognized text."""

    async def requests() -> AsyncIterator[pb.StreamingRecognizeRequest]:
        settings = pb.Settings(language=language)
        yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(settings=settings, partials=True))
        pcm = np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()
        for start in range(0, len(pcm), 64_000):
            yield pb.StreamingRecognizeRequest(audio=pcm[start : start + 64_000])

    responses = []
    async with channel_to(address) as channel:
        async for response in stt_pb2_grpc.SpeechToTextStub(channel).StreamingRecognize(requests()):
            event = response.WhichOneof("event")
            if event == "suppressed":
                responses.append(f"suppressed {response.suppressed.reason}")
            elif event in ("partial", "final", "failure"):
                responses.append(f"TEXT {response}".replace("\n", " "))
    return responses


def decoded(engine: Engine, samples: Samples, language: str) -> tuple[Counter[str], list[str]]:
    """Decode windows of it; return how often each reason suppressed them, and the texts that passed."""
    reasons: Counter[str] = Counter()
    past: list[str] = []
    random = np.random.default_rng(2)
    for kind, beam_size in ((Kind.FINAL, 5), (Kind.PARTIAL, 1)):
        for length_s in WINDOWS_S:
            for _ in range(3):
                start = int(random.integers(0, len(samples) - int(length_s * SAMPLE_RATE_HZ)))
                window = samples[start : start + int(length_s * SAMPLE_RATE_HZ)]
                options = DecodeOptions(language, beam_size=beam_size, kind=kind)
                [transcript] = engine.transcribe([Window(window, options)])
                reason = suppression_reason(transcript, SpeechStats(length_s / 2, length_s))
                reasons[reason.value if reason else "PASSED"] += 1
                if reason is None:
                    past.append(f"{kind.name} {length_s} s: {transcript.text!r}, {transcript}")
    return reasons, past


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    sources = [*noises(), *((path.stem, recording(path)) for path in parser.parse_args().recordings)]
    engine = Engine(Placement(resolve("base", models_folder(""))))
    failed = False
    print(
        "| sound | language | recognized in ten minutes | windows decoded directly: suppressed by reason, or passed |\n"
        "|---|---|---|---|"
    )
    with Service({"WHISPER_MODEL": "base", "LOG_LEVEL": "warning"}) as service:
        service.wait_until_listening()
        for name, samples in sources:
            for language in ("ru", "en"):
                responses = asyncio.run(streamed(service.address, samples, language))
                reasons, past = decoded(engine, samples, language)
                counted = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
                print(f"| {name} | {language} | {'; '.join(responses) or 'nothing'} | {counted} |", flush=True)
                print(*past, sep="\n", end="\n" if past else "")
                failed |= bool(past) or any(line.startswith("TEXT") for line in responses)
    return failed


if __name__ == "__main__":
    sys.exit(main())
