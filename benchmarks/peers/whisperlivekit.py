"""WhisperLiveKit: commits text once two decodes of the same audio agree on it (its LocalAgreement policy)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from benchmarks.comparison.systems import Connection, Message, MessageKind, RejectedError
from benchmarks.peers.environment import PeerEnvironment
from benchmarks.peers.system import FINALS, Peer, PeerConnection, weights

SILENCE = -2  # its speaker number of a pause


class WhisperLiveKit(Peer):
    """It has no utterances: a final is a committed text, often a few words. Only agreement ends it."""

    name = "whisperlivekit"
    ready = "Uvicorn running on"

    def __init__(self, language: str) -> None:
        super().__init__(language, PeerEnvironment.of("whisperlivekit"))
        version = self.environment.version("whisperlivekit")
        self.about = f"WhisperLiveKit {version}, localagreement, faster-whisper: {FINALS}, int8, else defaults"

    def command(self, ports: Sequence[int]) -> list[str | Path]:
        return [
            self.environment.program("whisperlivekit-server"),
            *("--host", "127.0.0.1", "--port", str(ports[0]), "--pcm-input"),
            *("--backend-policy", "localagreement", "--backend", "faster-whisper"),
            *("--model_dir", weights(FINALS), "--language", self.language),
            *("--warmup-file", ""),  # otherwise it would download one
            *("--log-level", "INFO"),
        ]

    def connect(self) -> Connection:
        return _Stream(f"{self.url}/asr?language={self.language}")


class Line(BaseModel):
    text: str | None = None
    speaker: int = 1


class Update(BaseModel):
    """The complete transcript so far, each time."""

    type: str = ""
    error: str = ""
    lines: tuple[Line, ...] | None = None  # committed
    buffer_transcription: str = ""  # not yet

    @property
    def committed(self) -> str:
        lines = self.lines or ()
        return " ".join(line.text.strip() for line in lines if line.text and line.speaker != SILENCE)


class Transcript:
    """Returns the text that was added to the committed text."""

    def __init__(self) -> None:
        self._committed = ""

    def parse(self, update: Update, at: float) -> list[Message]:
        if update.error:
            return [Message(at, MessageKind.NOTICE, update.error)]
        if update.lines is None:
            return []
        # A partial each time, though it often repeats the same text: it comes as long as there is audio to decode.
        return [
            *self._added(update.committed, at),
            Message(at, MessageKind.PARTIAL, update.buffer_transcription.strip()),
        ]

    def _added(self, committed: str, at: float) -> list[Message]:
        before, self._committed = self._committed, committed
        if not committed.startswith(before):
            return [Message(at, MessageKind.NOTICE, f"The server changed committed text: {before[-80:]!r}")]
        added = committed.removeprefix(before).strip()
        return [Message(at, MessageKind.FINAL, added)] if added else []


class _Stream(PeerConnection):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._transcript = Transcript()

    async def greet(self) -> None:
        first = Update.model_validate_json(await self.socket.recv())
        if first.type != "config":
            raise RejectedError(first.error or f"The server reports {first.type!r} first.")

    async def finish(self) -> None:
        await self.socket.send(b"")

    def parse(self, raw: str | bytes, at: float) -> list[Message]:
        update = Update.model_validate_json(raw)
        self.over = update.type == "ready_to_stop"
        return self._transcript.parse(update, at)
