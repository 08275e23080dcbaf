"""Streams of the HTTP port as connections of a measurement, with the settings of `grpc_stream`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.comparison.systems import SAMPLE_RATE_HZ, Connection, Message, MessageKind, RejectedError

SILENCE_MS = 700
THRESHOLD = 0.95  # of Silero: 1 - SILERO_SENSITIVITY, the default
TRANSCRIPTION = "conversation.item.input_audio_transcription"
FINAL_EVENTS = (f"{TRANSCRIPTION}.completed", f"{TRANSCRIPTION}.failed")


@dataclass(slots=True)
class RealtimeStream(Connection):
    """A Realtime transcription session with server VAD.

    Args:
        address: Host and port of HTTP.
        language: A Whisper code.
        delay: Strength of the stabilizer: minimal, low, medium, high or xhigh; empty for the default.
    """

    address: str
    language: str
    delay: str = ""
    _items: dict[str, str] = field(default_factory=dict)  # shown text of the items that are not complete
    _ended: bool = False

    async def open(self) -> None:
        self._socket = await connect(f"ws://{self.address}/v1/realtime?intent=transcription", proxy=None)
        await self._receive("session.created")
        transcription = {"model": "whisper-1", "language": self.language} | (
            {"delay": self.delay} if self.delay else {}
        )
        audio = {
            "format": {"type": "audio/pcm", "rate": SAMPLE_RATE_HZ},
            "transcription": transcription,
            "turn_detection": {"type": "server_vad", "threshold": THRESHOLD, "silence_duration_ms": SILENCE_MS},
        }
        await self._send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}})
        await self._receive("session.updated")

    async def send(self, pcm: bytes) -> None:
        await self._send({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})

    async def finish(self) -> None:
        """Commit the audio; the stream ends when no item is open."""
        self._ended = True
        await self._send({"type": "input_audio_buffer.commit"})

    async def messages(self) -> AsyncIterator[Message]:
        async for event in _events(self._socket):
            if (message := self._message(event, monotonic())) is not None:
                yield message

    async def close(self) -> None:
        await self._socket.close()

    def _message(self, event: Mapping[str, str], at: float) -> Message | None:
        if event["type"] == f"{TRANSCRIPTION}.delta":
            self._items[event["item_id"]] = self._items.get(event["item_id"], "") + event["delta"]
            return Message(at, MessageKind.PARTIAL, " ".join(text.strip() for text in self._items.values()))
        if event["type"] in FINAL_EVENTS:
            self._items.pop(event["item_id"], None)
            return Message(at, MessageKind.FINAL, event.get("transcript", ""))
        return None

    async def _send(self, event: Mapping[str, object]) -> None:
        await self._socket.send(json.dumps(event))

    async def _receive(self, expected: str) -> None:
        event = json.loads(await self._socket.recv())
        if event["type"] != expected:
            raise RejectedError(str(event))


@dataclass(slots=True)
class PageStream(Connection):
    """The WebSocket of the web page: the messages of gRPC as JSON.

    Args:
        address: Host and port of HTTP.
        language: A Whisper code.
        rate_hz: Of the audio.
    """

    address: str
    language: str
    rate_hz: int = SAMPLE_RATE_HZ
    _open_utterances: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        protocol = Subprotocol("stt.v1.json")
        self._socket = await connect(f"ws://{self.address}/api/stream", proxy=None, subprotocols=[protocol])
        settings = {"language": self.language, "postSpeechSilence": f"{SILENCE_MS / 1000}s"}
        config = {"format": {"sampleRateHz": self.rate_hz}, "settings": settings, "partials": True}
        await self._socket.send(json.dumps({"config": config}))
        first = json.loads(await self._socket.recv())
        if "started" not in first:
            raise RejectedError(str(first))

    async def send(self, pcm: bytes) -> None:
        await self._socket.send(pcm)

    async def finish(self) -> None:
        await self._socket.send('{"end": {}}')

    async def messages(self) -> AsyncIterator[Message]:
        async for response in _events(self._socket):
            if (message := self._message(response, monotonic())) is not None:
                yield message

    async def close(self) -> None:
        await self._socket.close()

    def _message(self, response: Mapping[str, Mapping[str, str]], at: float) -> Message | None:
        if partial := response.get("partial"):
            self._open_utterances[partial.get("utterance", "0")] = partial.get("stable", "") + partial.get(
                "unstable", ""
            )
            return Message(at, MessageKind.PARTIAL, " ".join(map(str.strip, self._open_utterances.values())))
        if final := response.get("final"):
            self._open_utterances.pop(final.get("utterance", "0"), None)
            return Message(at, MessageKind.FINAL, final["text"])
        return None


async def _events(socket: ClientConnection) -> AsyncIterator[Any]:
    """Yield the JSON objects of a WebSocket until it is closed."""
    try:
        async for text in socket:
            yield json.loads(text)
    except ConnectionClosed:
        return
