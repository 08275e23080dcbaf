"""A server of the page that can be killed and started again, and the recording that the microphone plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.ports import free_port
from benchmarks.recordings import RECORDINGS, SAMPLE_RATE_HZ
from benchmarks.service import Service
from tests.browser.dictation_page import WavAudio
from tests.support.clients.wire_client import Call, Request, chunks, connected

SPEECH = [recording for recording in RECORDINGS if recording.name in ("en/austen-0930", "en/lj001-0016")]
PAUSE = bytes(3 * SAMPLE_RATE_HZ)  # 1.5 s, so that each recording is an utterance
MODELS = {
    "DEVICE": "cpu",
    "LANGUAGE": "en",
    "WHISPER_MODEL": "tiny.en",
    "REALTIME_MODEL": "tiny.en",
    "MAX_STREAMS": "4",
}
SETTINGS = {"language": "en", "postSpeechSilence": "0.7s", "minUtterance": "0s"}


class RestartableServer:
    """A server on one HTTP port, which can be killed and started again."""

    def __init__(self) -> None:
        self._port = free_port()
        self._running = ExitStack()
        self._service: Service | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it; return when it listens."""
        self._service = self._running.enter_context(Service({**MODELS, "HTTP_PORT": str(self._port)}))
        self._service.wait_until_listening()

    def kill(self) -> None:
        """Kill it at once."""
        assert self._service is not None
        self._service.kill()
        self._service = None
        self._running.pop_all()

    def ensure_started(self) -> Self:
        if self._service is None:
            self.start()
        return self

    async def texts(self, audio: WavAudio) -> list[str]:
        """Return the texts of an uninterrupted stream of the audio over gRPC."""
        return [final.text for final in await self.finals(audio)]

    async def finals(self, audio: WavAudio) -> list[pb.Final]:
        """Return the finals of an uninterrupted stream of the audio over gRPC."""
        assert self._service is not None
        config = pb.StreamingConfig(format=pb.AudioFormat(sample_rate_hz=audio.rate_hz), settings=_settings())
        requests = [Request(config=config), *chunks(audio.pcm, audio.rate_hz)]
        async with connected(self._service.address) as stub, asyncio.TaskGroup() as tasks:
            call = Call(stub)
            tasks.create_task(_send(call, requests))  # a client that only writes may lose the status (grpc/grpc#36066)
            result = await call.read_to_end()
        assert result.code is StatusCode.OK, result.responses[-1:]
        return result.finals

    def close(self) -> None:
        self._running.close()


async def _send(call: Call, requests: Sequence[Request]) -> None:
    await call.send(*requests)
    await call.end_audio()


def _settings() -> pb.Settings:
    settings = pb.Settings(language="en")
    settings.post_speech_silence.FromJsonString("0.7s")
    settings.min_utterance.FromJsonString("0s")
    return settings
