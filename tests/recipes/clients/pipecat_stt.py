"""Pipecat's OpenAI STT services, REST and Realtime, in a pipeline. Usage: URL RECORDING TURNS; WAV, 24 kHz, mono."""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000
TIMEOUT_S = 120.0


class Collector(FrameProcessor):
    """Collects what an STT service sends."""

    def __init__(self, transcriptions: int) -> None:
        super().__init__()
        self.missing = transcriptions
        self.done = asyncio.Event()
        self.texts: dict[str, list[str]] = {"finals": [], "deltas": [], "errors": [], "turns": []}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TranscriptionFrame():
                self.texts["finals"].append(frame.text)
                self.missing -= 1
            case InterimTranscriptionFrame():
                self.texts["deltas"].append(frame.text)
            case ErrorFrame():
                self.texts["errors"].append(frame.error)
                self.missing = 0
            case ProposedUserStartedSpeakingFrame() | ProposedUserStoppedSpeakingFrame():
                self.texts["turns"].append(type(frame).__name__)
        if self.missing <= 0:
            self.done.set()
        await self.push_frame(frame, direction)


def audio(pcm: bytes) -> list[Frame]:
    size = RATE_HZ // 50 * 2  # 20 ms, as transports send it
    return [InputAudioRawFrame(pcm[at : at + size], RATE_HZ, 1) for at in range(0, len(pcm), size)]


async def run(service: FrameProcessor, frames: list[Frame], transcriptions: int = 1) -> dict[str, list[str]]:
    """Send the frames through the service; end the pipeline after the transcriptions."""
    before, after = Collector(0), Collector(transcriptions)  # errors go upstream
    started = asyncio.Event()
    worker = PipelineWorker(
        Pipeline([before, service, after]),
        params=PipelineParams(audio_in_sample_rate=RATE_HZ),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )

    @worker.event_handler("on_pipeline_started")
    async def _on_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    async def send() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await started.wait()
            while not getattr(service, "_session_ready", True):  # noqa: ASYNC110  (the service has no event for it)
                await asyncio.sleep(0.02)
            for frame in frames:
                await worker.queue_frame(frame)
            try:
                await after.done.wait()
            finally:
                await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    return {**after.texts, "errors": before.texts["errors"] + after.texts["errors"]}


async def main(base_url: str, pcm: bytes, turns: int) -> dict[str, object]:
    silence = bytes(3 * 2 * RATE_HZ)
    spoken = [VADUserStartedSpeakingFrame(), *audio(pcm), VADUserStoppedSpeakingFrame()]
    socket_url = base_url.replace("http", "ws", 1) + "/realtime"

    def rest(model: str) -> OpenAISTTService:
        settings = OpenAISTTService.Settings(model=model)
        return OpenAISTTService(api_key="unused", base_url=base_url, settings=settings, include_prob_metrics=True)

    def realtime(**options: object) -> OpenAIRealtimeSTTService:
        return OpenAIRealtimeSTTService(api_key="unused", base_url=socket_url, **options)

    vad = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500}
    return {
        "rest": await run(rest("gpt-transcribe"), spoken),
        "rest verbose": await run(rest("whisper-1"), spoken),
        "realtime": await run(realtime(), [*spoken]),
        "server vad": await run(realtime(turn_detection=vad), audio(pcm + silence), turns),
    }


with wave.open(sys.argv[2], "rb") as recording:
    samples = recording.readframes(recording.getnframes())
print(json.dumps(asyncio.run(main(sys.argv[1], samples, int(sys.argv[3])))))
