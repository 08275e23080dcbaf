"""A server for the recipes, recordings as the clients send them, and what gRPC returns for these."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.ports import free_port
from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service
from tests.support.audio.encoded_audio import encode_pcm
from tests.support.clients.wire_client import Request, chunks, connected, send_requests

RATE_HZ = 24_000  # of OpenAI's Realtime API
SILENCE = bytes(3 * 2 * RATE_HZ)  # as the clients append it
CHUNK_BYTES = 48_000
HTTP = re.compile(r"HTTP on (\S+:\d+)")
WYOMING = re.compile(r"Wyoming on (\S+:\d+)")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording, and a WAV file of it at 24 kHz."""

    recording: Recording
    wav: Path

    @property
    def pcm(self) -> bytes:
        """The samples of the file: 24 kHz, mono, 16 bit."""
        with wave.open(str(self.wav), "rb") as file:
            return file.readframes(file.getnframes())

    def word_error_percent(self, text: str) -> float:
        language = self.recording.language
        return count_errors(normalize(self.recording.text, language), normalize(text, language)).percent


class RecipeServer:
    """A running server, with its addresses and gRPC's results."""

    def __init__(self, service: Service) -> None:
        self.grpc_address = service.address
        self.url = f"http://{_address(HTTP, service)}"
        self.wyoming_address = _address(WYOMING, service)
        self.base_url = f"{self.url}/v1"

    async def recognize(self, audio: Path, settings: pb.Settings) -> pb.RecognizeResponse:
        """Return what `Recognize` returns for a file."""
        async with connected(self.grpc_address) as stub:
            data = audio.read_bytes()  # noqa: ASYNC240  (a small file)
            request = pb.RecognizeRequest(audio=data, settings=settings, word_times=True)
            response: pb.RecognizeResponse = await stub.Recognize(request)
            return response

    async def text(self, audio: Path, language: str = "en", *, translate: bool = False) -> str:
        """Return the text of `Recognize` for a file."""
        response = await self.recognize(audio, pb.Settings(language=language, translate=translate))
        return joined(response.utterances)

    async def stream(self, pcm: bytes, settings: pb.Settings) -> list[str]:
        """Return the texts of the finals of `StreamingRecognize` for samples at 24 kHz."""
        sound = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_PCM_S16LE, sample_rate_hz=RATE_HZ, channels=1)
        opening = pb.StreamingConfig(format=sound, settings=settings, partials=True)
        async with connected(self.grpc_address) as stub:
            result = await send_requests(stub, Request(config=opening), *chunks(pcm, CHUNK_BYTES))
        assert result.code is StatusCode.OK
        return [final.text.strip() for final in result.finals]

    async def server_turns(self, pcm: bytes) -> list[str]:
        """Return the finals with the settings of `server_vad` with 500 ms of silence."""
        settings = pb.Settings(language="en", silero_sensitivity=0.5)
        settings.post_speech_silence.CopyFrom(Duration(nanos=500_000_000))
        settings.min_utterance.CopyFrom(Duration())
        return await self.stream(pcm + SILENCE, settings)

    async def client_turn(self, pcm: bytes) -> str:
        """Return the text of samples that are one turn of the client."""
        return " ".join(await self.stream(pcm, pb.Settings(language="en")))


def _address(pattern: re.Pattern[str], service: Service) -> str:
    (found,) = (match[1] for line in service.lines if (match := pattern.search(line)))
    return str(found)


def joined(finals: Sequence[pb.Final]) -> str:
    """Return the text of the finals."""
    return " ".join(final.text.strip() for final in finals)


@pytest.fixture(scope="module")
def server() -> Iterator[RecipeServer]:
    """Return a server with the real model on free ports."""
    settings = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "base"}
    apis = {"HTTP_PORT": "0", "RIVA": "true", "WYOMING_PORT": str(free_port())}
    with Service({**settings, **apis, "MAX_STREAMS": "4"}) as running:
        running.wait_until_listening()
        yield RecipeServer(running)


def _spoken(name: str, folder: Path) -> Spoken:
    (recording,) = (each for each in RECORDINGS if each.name == name)
    pcm = encode_pcm(recording.pcm(), "s16le", "pcm_s16le", RATE_HZ)
    path = folder / "recording.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm)
    return Spoken(recording, path)


@pytest.fixture(scope="session")
def english(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Return one English sentence."""
    return _spoken("en/austen-0870", tmp_path_factory.mktemp("english"))


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Return one English sentence without pauses."""
    return _spoken("en/austen-0930", tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Return English speech with pauses: several turns."""
    return _spoken("en/jfk", tmp_path_factory.mktemp("speech"))


@pytest.fixture(scope="session")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Return one Russian sentence."""
    return _spoken("ru/vm-invalidpassword", tmp_path_factory.mktemp("russian"))
