"""RealtimeSTT: its `stt-server`, with one recorder for all clients, and its example with one for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from struct import pack
from threading import Lock

from pydantic import BaseModel, Field

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ, Connection, Message, MessageKind, RejectedError
from benchmarks.peers.environment import PeerEnvironment
from benchmarks.peers.system import ENDPOINT_S, FINALS, Peer, PeerConnection, weights

ONE_RECORDER = "stt-server has one recorder for all clients: it would mix their audio, and send each the text of all."


class _RealtimeSTT(Peer):
    endpoint_s = ENDPOINT_S

    def __init__(self, language: str, program: str) -> None:
        super().__init__(language, PeerEnvironment.of("realtimestt"))
        version = self.environment.version("realtimestt")
        models = f"finals {FINALS}, partials {self.partials}"
        self.about = f"RealtimeSTT {version}, {program}: {models}, int8, silence {ENDPOINT_S:g} s, else defaults"


class SttServer(_RealtimeSTT):
    """Counts as rejecting a second concurrent stream; the real server would mix the two."""

    name = "realtimestt"
    ports = 2
    ready = "Server started. Press"

    def __init__(self, language: str) -> None:
        super().__init__(language, "stt-server")
        self._recorder = Lock()  # held by the open stream

    def command(self, ports: Sequence[int]) -> list[str | Path]:
        data, control = ports
        return [
            self.environment.program("stt-server"),
            *("--data_port", str(data), "--control_port", str(control)),
            *("--model", weights(FINALS), "--realtime_model_type", weights(self.partials)),
            *("--language", self.language, "--device", "cpu", "--compute_type", "int8"),
            # The effective pause. The other two settings are for --silence_timing, which is stored but never read.
            *("--unknown_sentence_detection_pause", str(ENDPOINT_S)),
        ]

    def settings(self) -> dict[str, str]:
        return {"TORCH_HOME": str(self.environment.torch_home)}

    def connect(self) -> Connection:
        return _SttServerStream(self.url, self._recorder)


def packet(metadata: dict[str, object], pcm: bytes) -> bytes:
    """Return audio in the format of both servers: the length of the metadata, the metadata, the samples."""
    header = json.dumps(metadata).encode()
    return pack("<I", len(header)) + header + pcm


class Broadcast(BaseModel):
    """A message that stt-server sends to all clients."""

    type: str
    text: str = ""

    def parse(self, at: float) -> list[Message]:
        """Return the text in it. Recorder states, such as vad_detect_start, have none."""
        match self.type:
            case "realtime":
                return [Message(at, MessageKind.PARTIAL, self.text)]
            case "fullSentence":
                return [Message(at, MessageKind.FINAL, self.text)]
            case _:
                return []


class _SttServerStream(PeerConnection):
    def __init__(self, url: str, recorder: Lock) -> None:
        super().__init__(url)
        self._recorder = recorder
        self._holds = False

    async def open(self) -> None:
        self._holds = self._recorder.acquire(blocking=False)
        if not self._holds:
            raise RejectedError(ONE_RECORDER)
        await super().open()

    async def send(self, pcm: bytes) -> None:
        await super().send(packet({"sampleRate": SAMPLE_RATE_HZ}, pcm))

    def parse(self, raw: str | bytes, at: float) -> list[Message]:
        return Broadcast.model_validate_json(raw).parse(at)

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            if self._holds:
                self._holds = False
                self._recorder.release()


class MultiUser(_RealtimeSTT):
    """Its example server: a recorder for each client, shared models. Its default limit is 4 clients."""

    name = "realtimestt-multiuser"
    ready = "Uvicorn running on"

    def __init__(self, language: str) -> None:
        super().__init__(language, "example_fastapi_server")

    def command(self, ports: Sequence[int]) -> list[str | Path]:
        return [
            *(self.environment.program("python"), "-m", "example_fastapi_server.server"),
            *("--host", "127.0.0.1", "--port", str(ports[0])),
            *("--model", weights(FINALS), "--realtime-model", weights(self.partials)),
            *("--language", self.language, "--device", "cpu", "--compute-type", "int8"),
            *("--post-speech-silence-duration", str(ENDPOINT_S)),
        ]

    def connect(self) -> Connection:
        return _MultiUserStream(f"{self.url}/ws/transcribe")


class Event(BaseModel):
    """A message that the example server sends to one client."""

    type: str
    segment: int | None = Field(None, alias="segmentId")
    text: str = ""
    display: str = Field("", alias="displayText")
    message: str = ""
    where: str = ""


class Segments:
    """The page of the example server: it shows the last text of each segment that is not final yet."""

    def __init__(self) -> None:
        self._open: dict[int | None, str] = {}

    def parse(self, event: Event, at: float) -> list[Message]:
        match event.type:
            case "realtime":
                self._open[event.segment] = event.display or event.text
                return [self._shown(at)]
            case "final":
                self._open.pop(event.segment, None)
                final = Message(at, MessageKind.FINAL, event.text)
                return [final, self._shown(at)] if self._open else [final]
            case "warning" | "error":
                return [Message(at, MessageKind.NOTICE, f"{event.type}: {event.message}")]
            case _:
                return []

    def _shown(self, at: float) -> Message:
        return Message(at, MessageKind.PARTIAL, " ".join(self._open.values()))


class _MultiUserStream(PeerConnection):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._segments = Segments()

    async def greet(self) -> None:
        while (event := Event.model_validate_json(await self.socket.recv())).type != "ready":  # its models are loaded
            if event.type == "error":
                raise RejectedError(event.message)
        await self.socket.send(json.dumps({"type": "start"}))

    async def send(self, pcm: bytes) -> None:
        samples = len(pcm) // SAMPLE_BYTES
        metadata = {"sampleRate": SAMPLE_RATE_HZ, "channels": 1, "format": "pcm_s16le", "frames": samples}
        await super().send(packet(metadata, pcm))

    async def finish(self) -> None:
        await self.socket.send(json.dumps({"type": "stop"}))

    def parse(self, raw: str | bytes, at: float) -> list[Message]:
        return self._segments.parse(Event.model_validate_json(raw), at)
