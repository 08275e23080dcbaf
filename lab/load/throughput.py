"""Overhead of the service over the model for recordings sent at full speed.

`python -m lab.load.throughput [FOLDER] [--language en]` times the finals of our server over the dictations of FOLDER,
by a stream without partials and by Recognize, with short windows (ENCODER_CONTEXT=short) and with full ones (full), and
of faster-whisper's BatchedInferencePipeline with the same weights, beam, compute type and threads: on the same segments
of speech, found by our VAD, and with its defaults, with its own VAD. The methods run alternately for several rounds;
the medians are printed. FOLDER has a manifest.jsonl like that of tests/recordings, which is the default.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic, process_time

import grpc
import psutil
from faster_whisper import BatchedInferencePipeline, WhisperModel
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.comparison.raw_server import Samples, samples_of
from benchmarks.harness.dictations import dictations
from benchmarks.harness.replay import BYTES_PER_SECOND
from benchmarks.harness.word_errors import WordErrors, count_errors, normalize
from benchmarks.recordings import FOLDER
from benchmarks.service import Service
from stt_client.transport.channel import NO_PROXY
from stt_service.models.loader import usable_cores
from stt_service.models.store import models_folder, resolve
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode
from stt_service.session.session import Session
from stt_service.settings import environment
from stt_service.settings.schema import FRAME_S, ServerSettings
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero, silero_path

BEAM_SIZE = 5
BATCH_SIZES = (8, 16)
CHUNK_BYTES = BYTES_PER_SECOND // 2
COMPUTE_TYPES = {"cpu": "int8", "cuda": "float16"}
BASELINE = f"faster-whisper batched, our speech segments, batch {BATCH_SIZES[0]}"  # the reference of all comparisons
TIMEOUT_S = 600.0

Clip = dict[str, float]  # start and end of a segment of speech, in seconds


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One dictation, ready to send."""

    text: str  # its transcript
    language: str
    pcm: bytes
    samples: Samples
    clips: Sequence[Clip]


@dataclass(slots=True, eq=False)
class Method:
    """A way to recognize recordings, and its times."""

    name: str
    recognize: Callable[[Task], str]
    cpu_s: Callable[[], float]  # used so far by the process that does the work
    walls_s: list[float] = field(default_factory=list)  # one for each round
    cpus_s: list[float] = field(default_factory=list)
    errors: WordErrors = field(default_factory=lambda: WordErrors(0, 0))

    def run(self, tasks: Sequence[Task]) -> None:
        """Do all tasks, one after the other."""
        used_s, started = self.cpu_s(), monotonic()
        texts = [self.recognize(task) for task in tasks]
        self.walls_s.append(monotonic() - started)
        self.cpus_s.append(self.cpu_s() - used_s)
        wrong = (
            count_errors(normalize(task.text, task.language), normalize(text, task.language))
            for task, text in zip(tasks, texts, strict=True)
        )
        self.errors = sum(wrong, WordErrors(0, 0))


def clips(pcm: bytes, parameters: ServerSettings) -> list[Clip]:
    """Return the segments that our server decodes as finals."""
    live = parameters.runtime()
    vads = stream_vad_factory(Silero(silero_path()), parameters)
    session = Session(SessionConfig(parameters, live, partials=False), vads)
    outputs = [
        output for start in range(0, len(pcm), CHUNK_BYTES) for output in session.feed(pcm[start : start + CHUNK_BYTES])
    ]
    outputs += session.end()
    decodes = (output for output in outputs if isinstance(output, Decode))
    return [{"start": decode.start * FRAME_S, "end": decode.end * FRAME_S} for decode in decodes]


class Ours:
    """Our server, with a whole recording per call."""

    def __init__(self, service: Service) -> None:
        self._process = psutil.Process(service.pid)
        self._stub = stt_pb2_grpc.SpeechToTextStub(grpc.insecure_channel(service.address, options=NO_PROXY))

    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def streamed(self, task: Task) -> str:
        """Stream it without partials, as fast as the server reads."""

        def requests() -> Iterator[pb.StreamingRecognizeRequest]:
            yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig())
            for start in range(0, len(task.pcm), CHUNK_BYTES):
                yield pb.StreamingRecognizeRequest(audio=task.pcm[start : start + CHUNK_BYTES])

        responses = self._stub.StreamingRecognize(requests(), timeout=TIMEOUT_S)
        return " ".join(response.final.text for response in responses if response.HasField("final"))

    def recognized(self, task: Task) -> str:
        """Send it in one message."""
        headerless = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_PCM_S16LE)
        answer = self._stub.Recognize(pb.RecognizeRequest(audio=task.pcm, format=headerless), timeout=TIMEOUT_S)
        return " ".join(final.text for final in answer.utterances)


class Batched:
    """faster-whisper's own batches, in this process."""

    def __init__(self, model: str, device: str) -> None:
        folder = resolve(model, models_folder(""))
        whisper = WhisperModel(
            str(folder), device=device, compute_type=COMPUTE_TYPES[device], cpu_threads=usable_cores()
        )
        self._pipeline = BatchedInferencePipeline(whisper)

    def on_our_segments(self, task: Task, batch_size: int) -> str:
        return self._text(task, batch_size, list(task.clips))

    def as_it_comes(self, task: Task, batch_size: int) -> str:
        return self._text(task, batch_size, None)

    def _text(self, task: Task, batch_size: int, given: list[Clip] | None) -> str:
        segments, _ = self._pipeline.transcribe(
            task.samples, language=task.language, beam_size=BEAM_SIZE, batch_size=batch_size, clip_timestamps=given
        )
        return " ".join(segment.text.strip() for segment in segments)


def methods(services: dict[str, Service], batched: Batched) -> list[Method]:
    compared = []
    for context, service in services.items():
        ours = Ours(service)
        compared.append(Method(f"ours, {context} windows, a stream", ours.streamed, ours.cpu_s))
        compared.append(Method(f"ours, {context} windows, Recognize", ours.recognized, ours.cpu_s))
    for given, of in (("our speech segments", batched.on_our_segments), ("its own VAD", batched.as_it_comes)):
        for size in BATCH_SIZES:

            def recognize(task: Task, of: Callable[[Task, int], str] = of, size: int = size) -> str:
                return of(task, size)

            compared.append(Method(f"faster-whisper batched, {given}, batch {size}", recognize, process_time))
    return compared


def table(compared: Sequence[Method], sound_s: float) -> str:
    """Return the medians of all methods, and their ratios to the reference."""
    rival = next(way for way in compared if way.name == BASELINE)
    lines = [
        "| | wall time, s | least to most | times real time | wall time, relative to the reference "
        "| CPU time, s | CPU time, of that of the rival | WER, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way in compared:
        wall_s, cpu_s = median(way.walls_s), median(way.cpus_s)
        lines.append(
            f"| {way.name} | {wall_s:.2f} | {min(way.walls_s):.2f} to {max(way.walls_s):.2f} | {sound_s / wall_s:.1f} "
            f"| {wall_s / median(rival.walls_s):.2f} | {cpu_s:.2f} | {cpu_s / median(rival.cpus_s):.2f} "
            f"| {way.errors.percent:.2f} |"
        )
    return "\n".join(lines)


def settings(options: argparse.Namespace, context: str) -> dict[str, str]:
    return {
        "DEVICE": options.device,
        "COMPUTE_TYPE": COMPUTE_TYPES[options.device],
        "LANGUAGE": options.language,
        "WHISPER_MODEL": options.model,
        "ENABLE_REALTIME_TRANSCRIPTION": "false",
        "BEAM_SIZE": str(BEAM_SIZE),
        "ENCODER_CONTEXT": context,
        "MAX_STREAMS": "2",
        "LOG_LEVEL": "warning",
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--language", choices=("en", "ru"), default="en")
    parser.add_argument("--model", default="base")
    parser.add_argument("--device", choices=tuple(COMPUTE_TYPES), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-seconds", type=float, help="truncate a dictation after its last utterance by then")
    return parser.parse_args()


def main() -> int:
    """Measure, print, return the exit code."""
    options = parsed()
    once = {**settings(options, "short"), "EARLY_TRANSCRIPTION_ON_SILENCE": "0"}  # each window is requested once
    parameters = environment.load({**os.environ, **once}, Path(".env")).settings
    tasks = [
        Task(each.text, each.language, pcm := each.pcm(), samples_of(pcm), clips(pcm, parameters))
        for each in dictations(options.folder, options.language, options.max_seconds)
    ]
    sound_s = sum(len(task.pcm) for task in tasks) / BYTES_PER_SECOND
    with ExitStack() as stack:
        services = {context: stack.enter_context(Service(settings(options, context))) for context in ("short", "full")}
        for service in services.values():
            service.wait_until_listening()
        batched = Batched(options.model, options.device)
        batched.on_our_segments(tasks[0], batch_size=1)  # to warm up, as the self-test does for the server
        compared = methods(services, batched)
        for _ in range(options.rounds):
            for way in compared:
                way.run(tasks)
    segments = sum(len(task.clips) for task in tasks)
    print(f"{sound_s:.0f} s of audio, {segments} segments of speech, {options.model} on {options.device}.\n")
    print(table(compared, sound_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
