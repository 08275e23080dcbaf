"""Pauses of live text: gaps between partials and the age of the newest word, one stream at defaults.

    python -m lab.load.partial_gaps [FOLDER] --language en --seconds 60 --set REALTIME_MODEL=tiny.en

FOLDER has a manifest.jsonl like that of tests/recordings, which is the default. Its single utterances are joined into
continuous speech, with pauses of --pause seconds, and streamed once in real time to a separate server that runs with
default settings on the CPU, apart from LANGUAGE and --set. With --slower N the stream runs in simulated time instead,
on a machine whose decodes take N times as long as here (1 is this machine).

- gap: time between two changes of the text during speech.
- age: time from a moment of speech until a text that covers it is shown. Every 0.1 s of speech counts.
- latency: time from a word's end until it is shown correctly and stays so; flicker as in benchmarks.compare.
- WER of last partials: of the text of each utterance just before its final.
- CPU: of the server, or of the decodes alone in simulated time; per second of audio.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import channel_to
from benchmarks.harness.resource_usage import Usage
from benchmarks.recordings import FOLDER
from benchmarks.service import Service
from lab.load.continuous_speech import (
    RATE_HZ,
    Pcm,
    ScreenState,
    Speech,
    ages,
    gap_stats,
    gaps,
    joined,
    partials_wrong_percent,
    spread,
)
from stt_service.evaluation.runner import transcribers
from stt_service.evaluation.simulator import SimulatedWorkers, Simulator
from stt_service.models.devices import choose_device
from stt_service.models.loader import compute_plan, load_models, model_names, usable_cores
from stt_service.session.config import SessionConfig
from stt_service.session.events import Final, Partial
from stt_service.session.session import Session
from stt_service.settings.schema import ServerSettings
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero, silero_path

CHUNK = RATE_HZ // 20  # samples per message
TAIL_S = 3.0  # of silence after the speech

HEADER = (
    "| language | settings | partials | gap p50; p95; max, s | age p50; p95; max, s | latency p50; p95; max, s "
    "| last final after speech, s | flicker, % | WER of last partials; finals, % | CPU s / audio s |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


async def screen_states(address: str, language: str, pcm: Pcm) -> list[ScreenState]:
    """Stream the audio in real time; return the states that a client shows."""
    started = time.monotonic()

    async def requests() -> AsyncIterator[pb.StreamingRecognizeRequest]:
        settings = pb.Settings(language=language)
        yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(settings=settings, partials=True))
        for start in range(0, len(pcm), CHUNK):
            chunk = pcm[start : start + CHUNK]
            await asyncio.sleep(max(0.0, started + (start + len(chunk)) / RATE_HZ - time.monotonic()))
            yield pb.StreamingRecognizeRequest(audio=chunk.tobytes())

    states: list[ScreenState] = []
    async with channel_to(address) as channel:
        async for response in stt_pb2_grpc.SpeechToTextStub(channel).StreamingRecognize(requests()):
            at_s, partial, final = time.monotonic() - started, response.partial, response.final
            match response.WhichOneof("event"):
                case "partial":
                    text = partial.stable + partial.unstable
                    states.append(ScreenState(at_s, partial.utterance, partial.end_ms / 1000, text, final=False))
                case "final":
                    states.append(ScreenState(at_s, final.utterance, final.end_ms / 1000, final.text, final=True))
                case "failure":
                    raise SystemExit(f"The stream failed: {response.failure.message}")
    return states


def streamed(settings: Mapping[str, str], language: str, pcm: Pcm) -> tuple[list[ScreenState], float]:
    """Return the states that a real server shows, and its CPU seconds."""
    with Service({"LOG_LEVEL": "warning", **settings}) as service:
        service.wait_until_listening()
        asyncio.run(screen_states(service.address, language, pcm[: 3 * RATE_HZ]))
        with Usage(service.pid) as usage:
            states = asyncio.run(screen_states(service.address, language, pcm))
        return states, usage.cpu_s(time.monotonic())


def simulated(settings: Mapping[str, str], pcm: Pcm, slower: float) -> tuple[list[ScreenState], float]:
    """Return the states that a server on a machine slower by that factor would show, and its seconds of decoding."""
    parameters = ServerSettings.model_validate({name.lower(): value for name, value in settings.items()})
    device, _ = choose_device(parameters)
    plan = compute_plan(device, model_names(parameters, device), usable_cores())
    models = load_models(parameters, device, plan, lambda _: None)
    crew = SimulatedWorkers(
        transcribers(models.finals, models.partials, parameters.language),
        lambda: slower * time.process_time() / plan.threads,
        plan.workers,
        plan.slots,
    )
    session = Session(
        SessionConfig(parameters, parameters.runtime()), stream_vad_factory(Silero(silero_path()), parameters)
    )
    replay = Simulator(session, crew).play(pcm.tobytes())
    states = []
    for emitted in replay.emitted:
        match emitted.event:
            case Partial(utterance, _, stable, unstable, _, end_ms):
                states.append(ScreenState(emitted.at_s, utterance, end_ms / 1000, stable + unstable, final=False))
            case Final(utterance, text, _, end_ms):
                states.append(ScreenState(emitted.at_s, utterance, end_ms / 1000, text, final=True))
    return states, sum(replay.busy_s.values())


def row(name: str, language: str, states: Sequence[ScreenState], speech: Speech, cpu_s: float) -> str:
    metrics = gap_stats(states, speech, language)
    wrong = f"{partials_wrong_percent(states, speech, language):.1f}; {metrics.wer_percent:.1f}"
    cpu = cpu_s / (len(speech.pcm) / RATE_HZ)
    final_s = next((state.at_s - state.covers_s for state in reversed(states) if state.final), 0.0)
    return (
        f"| {language} | {name} | {sum(not state.final for state in states)} "
        f"| {spread(gaps(states, speech.utterances[-1].end_s))} | {spread(ages(states, speech.voiced_s))} "
        f"| {spread(metrics.partial_latencies_s)} | {final_s:.2f} | {metrics.flicker_percent:.0f} "
        f"| {wrong} | {cpu:.2f} |"
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--language", action="append", choices=("en", "ru"), help="may be given twice")
    parser.add_argument("--seconds", type=float, default=60.0, help="of speech, at least")
    parser.add_argument("--pause", type=float, default=0.25, help="seconds between two recordings")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--slower", type=float, action="append", help="simulate; may be given several times")
    return parser.parse_args()


def main() -> None:
    """Measure and print the table."""
    options = parsed()
    changed = dict(pair.split("=", 1) for pair in options.settings)
    print(HEADER)
    for language in options.language or ["en", "ru"]:
        settings = {"DEVICE": "cpu", "LANGUAGE": language, **changed}
        speech = joined(options.folder, language, options.seconds, options.pause)
        pcm = np.concatenate([speech.pcm, np.zeros(int(TAIL_S * RATE_HZ), np.int16)])
        name = " ".join(f"{key}={value}" for key, value in changed.items()) or "defaults"
        for slower in options.slower or [None]:
            states, cpu_s = simulated(settings, pcm, slower) if slower else streamed(settings, language, pcm)
            label = f"{name}, {slower:g} × slower" if slower else name
            print(row(label, language, states, speech, cpu_s), flush=True)


if __name__ == "__main__":
    main()
