"""Streams of Riva's service and of the Wyoming protocol as connections of a measurement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic

import grpc.aio
from stt.riva.v1 import riva_pb2 as riva
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from benchmarks.apis.streams import SILENCE_MS
from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ, Connection, Message, MessageKind
from benchmarks.harness.channels import channel_to

STREAM = "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize"


@dataclass(slots=True)
class RivaStream(Connection):
    """A stream with interim results.

    Args:
        address: Host and port of gRPC.
        language: A Whisper code.
    """

    address: str
    language: str

    async def open(self) -> None:
        self._channel = channel_to(self.address)
        method = self._channel.stream_stream(
            STREAM, riva.StreamRequest.SerializeToString, riva.StreamResponse.FromString
        )
        options = riva.Options(
            encoding=riva.ENCODING_PCM_S16LE,
            sample_rate_hz=SAMPLE_RATE_HZ,
            language=self.language,
            channels=1,
            endpointing=riva.Endpointing(silence_ms=SILENCE_MS),
        )
        self._call: grpc.aio.StreamStreamCall[riva.StreamRequest, riva.StreamResponse] = method(None)
        await self._call.write(riva.StreamRequest(start=riva.StreamOptions(options=options, partials=True)))

    async def send(self, pcm: bytes) -> None:
        await self._call.write(riva.StreamRequest(audio=pcm))

    async def finish(self) -> None:
        await self._call.done_writing()

    async def messages(self) -> AsyncIterator[Message]:
        while isinstance(response := await self._call.read(), riva.StreamResponse):
            for result in response.results:
                kind = MessageKind.FINAL if result.final else MessageKind.PARTIAL
                yield Message(monotonic(), kind, result.hypotheses[0].text)

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close(grace=None)


@dataclass(slots=True)
class WyomingStream(Connection):
    """A transcription; its text is complete only after the end of the audio, so it has one final.

    Args:
        address: Host and port of Wyoming.
        language: A Whisper code.
    """

    address: str
    language: str
    _text: str = ""

    async def open(self) -> None:
        host, port = self.address.rsplit(":", 1)
        self._client = AsyncTcpClient(host, int(port))
        await self._client.connect()
        await self._client.write_event(Transcribe(language=self.language).event())
        await self._client.write_event(AudioStart(SAMPLE_RATE_HZ, SAMPLE_BYTES, 1).event())

    async def send(self, pcm: bytes) -> None:
        await self._client.write_event(AudioChunk(SAMPLE_RATE_HZ, SAMPLE_BYTES, 1, pcm).event())

    async def finish(self) -> None:
        await self._client.write_event(AudioStop().event())

    async def messages(self) -> AsyncIterator[Message]:
        while (event := await self._client.read_event()) is not None:
            if TranscriptChunk.is_type(event.type):
                self._text += TranscriptChunk.from_event(event).text
                yield Message(monotonic(), MessageKind.PARTIAL, self._text)
            elif Transcript.is_type(event.type):
                yield Message(monotonic(), MessageKind.FINAL, Transcript.from_event(event).text)
                return

    async def close(self) -> None:
        await self._client.disconnect()
