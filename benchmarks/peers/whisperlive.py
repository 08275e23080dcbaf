"""WhisperLive: one model, and a lock around it, for all clients."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from uuid import uuid4

from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from benchmarks.comparison.systems import Connection, Message, MessageKind, RejectedError
from benchmarks.peers.environment import PeerEnvironment
from benchmarks.peers.system import FINALS, Peer, PeerConnection, weights

# Its wheel has no run_server.py; this is the call in that file.
SERVE = """
import sys
from whisper_live.server import TranscriptionServer
TranscriptionServer().run(
    "127.0.0.1", port=int(sys.argv[1]), backend="faster_whisper",
    faster_whisper_custom_model_path=sys.argv[2], single_model=True,
)
"""
IDLE_TIMEOUT_S = 15.0  # its own client closes the connection when no new text came for so long
MAX_WAIT_S = 45.0  # and always so long after the end of the audio


class WhisperLive(Peer):
    """Its default limit is 4 clients. A final is a segment that it completed; it has no setting for a silence."""

    name = "whisperlive"
    ready = "server listening on"

    def __init__(self, language: str, quiet_s: float = IDLE_TIMEOUT_S) -> None:
        super().__init__(language, PeerEnvironment.of("whisperlive"))
        self._quiet_s = quiet_s
        self._threads = str(os.cpu_count() or 1)
        version = self.environment.version("whisper_live")
        self.about = (
            f"WhisperLive {version}, faster_whisper: {FINALS}, int8, one model for all, "
            f"OMP_NUM_THREADS {self._threads} (its default is 1), else defaults"
        )

    def command(self, ports: Sequence[int]) -> list[str | Path]:
        return [self.environment.program("python"), "-c", SERVE, str(ports[0]), weights(FINALS)]

    def settings(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": self._threads}

    def connect(self) -> Connection:
        return _Stream(self.url, self.language, self._quiet_s)


class Segment(BaseModel, frozen=True):
    start: str  # seconds, with three decimals
    end: str
    text: str
    completed: bool = False


class Reply(BaseModel):
    status: str = ""  # WAIT, ERROR or WARNING
    message: str | float = ""  # of WAIT: minutes
    segments: tuple[Segment, ...] = ()  # the last ten complete segments, then the incomplete one


class Transcript:
    """Its own client: a segment counts once it is complete, the last one at the end in any case."""

    def __init__(self) -> None:
        self._taken: set[Segment] = set()
        self._shown = ""

    def parse(self, reply: Reply, at: float) -> list[Message]:
        if not reply.segments:
            notice = f"{reply.status} {reply.message}".strip()
            return [Message(at, MessageKind.NOTICE, notice)] if notice else []
        complete = [segment for segment in reply.segments if segment.completed]
        messages = [Message(at, MessageKind.FINAL, each.text.strip()) for each in complete if each not in self._taken]
        self._taken.update(complete)
        last, before = reply.segments[-1], self._shown
        self._shown = "" if last.completed else last.text.strip()
        if self._shown or (before and not messages):
            messages.append(Message(at, MessageKind.PARTIAL, self._shown))
        return messages

    def ended(self, at: float) -> list[Message]:
        """Return the segments that count when the stream ends."""
        return [Message(at, MessageKind.FINAL, self._shown)] if self._shown else []


class _Stream(PeerConnection):
    def __init__(self, url: str, language: str, quiet_s: float) -> None:
        super().__init__(url)
        self._language = language
        self._quiet_s = quiet_s
        self._transcript = Transcript()
        self._last_text = ""
        self._news = asyncio.Event()

    async def greet(self) -> None:
        greeting = {
            "uid": str(uuid4()),
            "language": self._language,
            "task": "transcribe",
            "use_vad": True,
            "audio_format": "int16",
        }
        await self.socket.send(json.dumps(greeting))
        while (reply := Reply.model_validate_json(await self.socket.recv())).message != "SERVER_READY":
            if reply.status == "WAIT":
                raise RejectedError(f"The server is full: a slot in {float(reply.message):.0f} minutes.")
            if reply.status == "ERROR":
                raise RejectedError(str(reply.message))

    def parse(self, raw: str | bytes, at: float) -> list[Message]:
        messages = self._transcript.parse(Reply.model_validate_json(raw), at)
        text = messages[-1].text if messages else self._last_text
        if text != self._last_text:
            self._last_text = text
            self._news.set()
        return messages

    async def messages(self) -> AsyncIterator[Message]:
        async for message in super().messages():
            yield message
        for message in self._transcript.ended(monotonic()):
            yield message

    async def finish(self) -> None:
        """Close the connection when its own client would, which drops later text."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_WAIT_S):
                await self._until_quiet()
        with suppress(ConnectionClosed):
            await self.socket.send(b"END_OF_AUDIO")

    async def _until_quiet(self) -> None:
        while True:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), self._quiet_s)
            except TimeoutError:
                return
