"""A client of Realtime sessions in memory: the connection is the real one, its socket has no network."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from starlette.websockets import WebSocket

from stt_service.http.openai.json_input import JsonObject
from stt_service.http.openai.realtime import Realtime
from tests.support.timelines.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from starlette.types import Message

    from stt_service.recognition.speech_service import SpeechService
    from tests.support.servers.scripted_speech import ScriptedSpeech

TIMEOUT_S = 7200.0  # of virtual time
ITEM, BUFFER = "conversation.item.input_audio_transcription", "input_audio_buffer"
COMMIT: JsonObject = {"type": "input_audio_buffer.commit"}
CLEAR: JsonObject = {"type": "input_audio_buffer.clear"}

Condition = Callable[[list[JsonObject]], bool]  # of the events that the server has sent
Step = JsonObject | Condition | float  # an event, a condition to wait for, or a pause in seconds


@dataclass(slots=True, eq=False)
class MemorySocket:
    """A WebSocket whose client takes the steps, and disconnects once the last condition holds.

    Attributes:
        sent: The events of the server.
        closed: Code and reason, if the server closes the connection.
    """

    steps: Sequence[Step]
    is_last: Condition
    sent: list[JsonObject] = field(default_factory=list)
    closed: list[tuple[int, str]] = field(default_factory=list)
    _received: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def play(self) -> None:
        """Take the steps."""
        await self._received.put({"type": "websocket.connect"})
        for step in self.steps:
            if callable(step):
                await self._until(step)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                await self._received.put({"type": "websocket.receive", "text": json.dumps(step)})
        await self._until(self.is_last)
        await self._received.put({"type": "websocket.disconnect", "code": 1000})

    async def receive(self) -> Message:
        return await self._received.get()

    async def send(self, message: Message) -> None:
        async with self._changed:
            if message["type"] == "websocket.send":
                self.sent.append(json.loads(message["text"]))
            elif message["type"] == "websocket.close":
                self.closed.append((message["code"], message.get("reason") or ""))
            self._changed.notify_all()

    async def _until(self, condition: Condition) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.sent) or bool(self.closed))


def session_events(speech: ScriptedSpeech, steps: Sequence[Step], is_last: Condition) -> list[JsonObject]:
    """Return what a session sends in answer to the steps of its client."""
    memory = connection(speech, steps, is_last)
    assert not memory.closed
    return memory.sent


def connection(speech: ScriptedSpeech, steps: Sequence[Step], is_last: Condition) -> MemorySocket:
    """Return the socket of a connection that has ended; time passes only while nothing happens."""

    async def run() -> MemorySocket:
        memory = MemorySocket(steps, is_last)
        scope = {"type": "websocket", "subprotocols": [], "client_name": "ann", "headers": []}
        async with asyncio.timeout(TIMEOUT_S):
            playing = asyncio.create_task(memory.play())
            await Realtime(cast("SpeechService", speech)).connect(WebSocket(scope, memory.receive, memory.send))
            await playing
        return memory

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def of_type(events: list[JsonObject], kind: str) -> list[JsonObject]:
    return [event for event in events if event["type"] == kind]


def completed(events: list[JsonObject], count: int) -> bool:
    return len(of_type(events, f"{ITEM}.completed")) >= count


def update(turn_detection: object, delay: str | None = None) -> JsonObject:
    transcription = {"model": "whisper-1", "delay": delay}
    audio_format = {"type": "audio/pcm", "rate": 16_000}
    audio = {"input": {"format": audio_format, "transcription": transcription, "turn_detection": turn_detection}}
    include = ["item.input_audio_transcription.logprobs"]
    return {"type": "session.update", "session": {"type": "transcription", "audio": audio, "include": include}}


def appends(audio: bytes, cuts: list[float]) -> list[JsonObject]:
    """Return the appends of the audio in chunks; they may end inside a sample."""
    at = [0, *sorted(round(cut * len(audio)) for cut in cuts), len(audio)]
    chunks = [audio[start:end] for start, end in pairwise(at)]
    return [{"type": f"{BUFFER}.append", "audio": base64.b64encode(chunk).decode()} for chunk in chunks]
