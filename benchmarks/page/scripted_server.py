"""A server of the page's files whose recognition is a script: finals at fixed times of the audio, at any pace."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.comparison.systems import SAMPLE_BYTES
from stt_service.http.page.files import PageFiles

PROTOCOL = "stt.v1.json"
WORDS = "The server sends these words in a fixed order, so that each run of the measurement has the same text.".split()
WORD_MS = 350
PROGRESS_MS = 1000  # of audio, between two confirmations
DOUBTFUL_EVERY = 10  # a word of low confidence, which the page highlights
INFO = {
    "version": "0.1.0",
    "tokensRequired": False,
    "authorized": True,
    "secure": False,
    "model": "script",
    "notReady": None,
    "languages": ["en"],
}
Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Script:
    """Utterances without pauses; texts repeat the same words.

    Args:
        utterance_ms: Audio of an utterance, whose final comes at its end.
        partial_ms: Audio between two partials.
    """

    utterance_ms: int = 5000
    partial_ms: int = 500

    def events(self) -> Iterator[tuple[int, Event]]:
        """Yield events without end, each with the milliseconds of audio at which it is due."""
        words = cycle(WORDS)
        for utterance in count():
            start_ms = utterance * self.utterance_ms
            spoken = list(islice(words, max(1, self.utterance_ms // WORD_MS)))
            name = {"utterance": str(utterance), "startMs": str(start_ms)}
            yield start_ms, {"speechStarted": name}
            for at_ms in range(self.partial_ms, self.utterance_ms, self.partial_ms):
                stable = " ".join(spoken[: 1 + at_ms // WORD_MS])
                yield start_ms + at_ms, {"partial": {**name, "stable": stable, "unstable": " and"}}
            yield start_ms + self.utterance_ms, {"final": self._final(spoken, start_ms, name)}

    def _final(self, spoken: list[str], start_ms: int, name: dict[str, str]) -> Event:
        words = [
            {
                "text": word,
                "startMs": str(start_ms + number * WORD_MS),
                "endMs": str(start_ms + (number + 1) * WORD_MS),
                "confidence": 0.9 if number % DOUBTFUL_EVERY else 0.2,
            }
            for number, word in enumerate(spoken)
        ]
        end = {"endMs": str(start_ms + self.utterance_ms), "endpoint": "ENDPOINT_SILENCE"}
        return {**name, **end, "text": " ".join(spoken), "words": words, "language": "en", "confidence": 0.9}


class ScriptedServer:
    """Answers the page's requests; `script` is for streams that start from now on."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.received_ms = 0.0  # of the last stream
        self.finals = 0  # of all streams

    def application(self) -> Starlette:
        async def info(_: Request) -> JSONResponse:
            return JSONResponse(INFO)

        routes = [Route("/api/info", info), WebSocketRoute("/api/stream", self._stream), *PageFiles().routes([])]
        return Starlette(routes=routes)

    async def _stream(self, socket: WebSocket) -> None:
        await socket.accept(PROTOCOL)
        config = (await socket.receive_json())["config"]
        bytes_ms = config["format"]["sampleRateHz"] * SAMPLE_BYTES / 1000
        events, self.received_ms, committed_ms, confirmed_ms = self.script.events(), 0.0, 0, 0.0
        await self._send(socket, {"started": {"streamId": "1", "model": "script"}}, committed_ms)
        due_ms, event = next(events)
        while (message := await socket.receive())["type"] == "websocket.receive":
            if audio := message.get("bytes"):
                self.received_ms += len(audio) / bytes_ms
            elif "end" in json.loads(message["text"]):
                await self._send(socket, {}, int(self.received_ms))
                await socket.close()
                return
            while due_ms <= self.received_ms:
                committed_ms = due_ms if "final" in event else committed_ms
                self.finals += "final" in event
                await self._send(socket, event, committed_ms)
                due_ms, event = next(events)
            if self.received_ms - confirmed_ms >= PROGRESS_MS:
                confirmed_ms = self.received_ms
                await self._send(socket, {}, committed_ms)

    async def _send(self, socket: WebSocket, event: Event, committed_ms: int) -> None:
        positions = {"receivedMs": str(int(self.received_ms)), "committedMs": str(committed_ms)}
        await socket.send_text(json.dumps({**positions, **event}))


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to the measurement."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def scripted_server(server: ScriptedServer) -> AsyncIterator[str]:
    """Run it on a free loopback port; yield the page's address."""
    config = uvicorn.Config(server.application(), lifespan="off", log_level="error", ws="websockets-sansio")
    running = _Uvicorn(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(running.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            await serving
