"""An HTTP client that may send anything: forms, malformed heads, unfinished bodies, WebSocket frames."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import monotonic

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.support.servers.server_process import Server

TIMEOUT_S = 180.0  # an hour of audio takes a minute on a busy machine
BOUNDARY = "form-boundary"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
HTTP_ADDRESS = re.compile(r"HTTP on (\S+):(\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The transcript."""
        return str(json.loads(self.body)["text"])

    @property
    def message(self) -> str:
        """The sentence of an error, of the API or of the port."""
        try:
            return str(json.loads(self.body)["error"]["message"])
        except ValueError:
            return self.body.decode().strip()


def form(file: bytes | None, fields: Mapping[str, str | bytes] = {}) -> bytes:
    """Return a form with a recording and fields."""
    parts = [
        (f'name="{name}"', value if isinstance(value, bytes) else value.encode()) for name, value in fields.items()
    ]
    if file is not None:
        parts.append(('name="file"; filename="speech.wav"', file))
    return form_of(parts)


def form_of(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a form with these parameters and contents."""
    lines = [
        part
        for parameters, content in parts
        for part in (f"--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n\r\n".encode(), content, b"\r\n")
    ]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


def head(
    path: str = TRANSCRIPTIONS, length: int | None = None, *lines: str, method: str = "POST", multipart: bool = True
) -> bytes:
    """Return the head of a request, for a form by default."""
    fields = [f"{method} {path} HTTP/1.1", *lines]
    if not any(line.lower().startswith("host:") for line in lines):
        fields.append("Host: localhost")
    if multipart and not any(line.lower().startswith("content-type:") for line in lines):
        fields.append(f"Content-Type: multipart/form-data; boundary={BOUNDARY}")
    if length is not None:
        fields.append(f"Content-Length: {length}")
    return "\r\n".join([*fields, "", ""]).encode("latin-1")


class HttpPort:
    """The HTTP port of a server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        (found,) = (match for line in server.lines if (match := HTTP_ADDRESS.search(line)))
        self.host, self.number = found[1], int(found[2])

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection((self.host, self.number), timeout=TIMEOUT_S)

    def exchange(self, *sent: bytes) -> Answer:
        """Send bytes as a client that does not read before it has sent all; return the response."""
        with self.connect() as connection:
            for part in sent:
                connection.sendall(part)
            return answer(connection)

    def get(self, path: str, *lines: str) -> Answer:
        """Return the response to a GET."""
        return self.exchange(head(path, None, *lines, method="GET", multipart=False))

    def upload(self, file: bytes | None, /, *lines: str, **fields: str | bytes) -> Answer:
        """Upload a recording with form fields and header lines."""
        body = form(file, fields)
        return self.exchange(head(TRANSCRIPTIONS, len(body), *lines), body)

    def metrics(self, names: Sequence[str]) -> list[float]:
        """Return the values of metrics, which are up to half a second old."""
        lines = self.get("/metrics").body.decode().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return [float(values[name]) for name in names]

    def metric(self, name: str) -> float:
        """Return the value of a metric."""
        return self.metrics([name])[0]

    @contextmanager
    def realtime(self, session: Mapping[str, object] | None = None) -> Iterator[Realtime]:
        """Connect a Realtime session, with 16 kHz audio and the settings of `session.audio.input`."""
        with connect(
            f"ws://{self.host}:{self.number}/v1/realtime", max_size=None, open_timeout=TIMEOUT_S, close_timeout=1
        ) as socket_:
            realtime = Realtime(socket_)
            realtime.until("session.created")
            realtime.configure({"format": {"type": "audio/pcm", "rate": 16_000}, **(session or {})})
            yield realtime


class Realtime:
    """A Realtime session."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: list[dict[str, object]] = []

    def send(self, kind: str, **fields: object) -> None:
        """Send an event."""
        self.connection.send(json.dumps({"type": kind, **fields}))

    def configure(self, settings: Mapping[str, object]) -> None:
        """Update the settings of the input."""
        language = {"transcription": {"language": "en"}}
        self.send("session.update", session={"type": "transcription", "audio": {"input": {**language, **settings}}})
        self.until("session.updated")

    def append(self, pcm: bytes) -> None:
        """Send audio, in messages of a second."""
        for start in range(0, len(pcm), 32_000):
            audio = base64.b64encode(pcm[start : start + 32_000]).decode()
            self.send("input_audio_buffer.append", audio=audio)

    def until(self, kind: str) -> dict[str, object]:
        """Read up to the next event whose type ends like this."""
        while True:
            event: dict[str, object] = json.loads(self.connection.recv(TIMEOUT_S))
            self.events.append(event)
            if str(event["type"]).endswith(kind):
                return event
            assert event["type"] != "error", event

    def commit(self) -> str:
        """Commit the audio; return its transcript."""
        self.send("input_audio_buffer.commit")
        return str(self.until(".completed")["transcript"])


def answer(connection: socket.socket) -> Answer:
    """Read a response.

    Raises:
        OSError: the connection was closed before its end.
        http.client.HTTPException: the same.
    """
    with closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return Answer(response.status, dict(response.getheaders()), response.read())


def wait_until(condition: Callable[[], bool], within_s: float = TIMEOUT_S) -> float:
    """Check a condition until it holds; return the seconds that took. It is a request, which takes time by itself."""
    started_s = monotonic()
    while not condition():
        assert monotonic() - started_s < within_s, f"not within {within_s:g} s"
    return monotonic() - started_s
