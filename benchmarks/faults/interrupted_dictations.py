"""Dictations made of recordings, streamed through the client while servers and networks fail, and their results."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median
from time import monotonic

import psutil

from benchmarks.harness.ports import free_port
from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service
from stt_client.client import recognize
from stt_client.events import Connection, ConnectionState, Event, Final, StreamOptions, Suppressed
from stt_client.recovery.retry import RetryPolicy

# Small and quick to start. Utterances are short, and some are split at the maximum length, so that interruptions meet
# every kind of boundary. Decodes share batches as by default.
SETTINGS = {
    "DEVICE": "cpu",
    "LANGUAGE": "en",
    "WHISPER_MODEL": "tiny.en",
    "REALTIME_MODEL": "tiny.en",
    "POST_SPEECH_SILENCE_DURATION": "0.7",
    "MAX_LENGTH_OF_RECORDING": "8",
    "MAX_STREAMS": "4",
}
CHUNK_MS = 100
BYTES_MS = 32
GAPS_MS = (200, 3000)


def dictation(seed: int, least_ms: int) -> bytes:
    """Return English recordings in random order with short and long pauses, at least that long."""
    chance = random.Random(seed)
    spoken = [each for each in RECORDINGS if (each.language, each.kind) == ("en", "utterance")]
    made = bytearray()
    while len(made) < least_ms * BYTES_MS:
        made += bytes(chance.randint(*GAPS_MS) * BYTES_MS) + chance.choice(spoken).pcm()
    return bytes(made)


@dataclass(frozen=True, slots=True)
class Break:
    """Times at which a connection was detected as lost, and at which another server had the dictation."""

    lost_s: float
    resumed_s: float


@dataclass(slots=True)
class ClientOutput:
    """Events that the client reported for a dictation, with their times."""

    events: list[Event] = field(default_factory=list)
    finals_s: list[float] = field(default_factory=list)  # wall-clock time, like all times here
    breaks: list[Break] = field(default_factory=list)
    max_buffered_ms: int = 0
    memory_mb: list[float] = field(default_factory=list)  # of the client, at each attempt to reconnect
    rejections: list[str] = field(default_factory=list)  # errors of attempts to open or to resume a stream
    _lost_s: float | None = None

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Final)]

    @property
    def words(self) -> list[str]:
        return " ".join(self.texts).split()

    @property
    def numbers(self) -> list[int]:
        """Return the utterances that ended, in the order of their events."""
        return [event.utterance for event in self.events if isinstance(event, Final | Suppressed)]

    def add(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case Final():
                self.finals_s.append(monotonic())
            case Connection(ConnectionState.CONNECTING, message) if message:
                self.rejections.append(message)
            case Connection(ConnectionState.RECONNECTING, message, kept_ms):
                if self._lost_s is not None:
                    self.rejections.append(message)
                self.max_buffered_ms = max(self.max_buffered_ms, kept_ms)
                self.memory_mb.append(psutil.Process().memory_info().rss / 2**20)
                self._lost_s = self._lost_s or monotonic()
            case Connection(ConnectionState.RESUMED) if self._lost_s is not None:
                self.breaks.append(Break(self._lost_s, monotonic()))
                self._lost_s = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Words of the undisturbed run that are missing, and extra words."""

    lost: int = 0
    doubled: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(self.lost + other.lost, self.doubled + other.doubled)


def difference(undisturbed: ClientOutput, broken: ClientOutput) -> Difference:
    return word_difference(undisturbed.words, broken.words)


def word_difference(expected: Sequence[str], found: Sequence[str]) -> Difference:
    """Return the words of `expected` that are missing in `found`, and its extra words."""
    match = SequenceMatcher(a=expected, b=found, autojunk=False)
    changes = [code for code in match.get_opcodes() if code[0] != "equal"]
    return Difference(sum(code[2] - code[1] for code in changes), sum(code[4] - code[3] for code in changes))


async def played(pcm: bytes, speed: float) -> AsyncIterator[bytes]:
    """Yield the audio at a multiple of real time, whether or not it is read."""
    began_s, size = monotonic(), CHUNK_MS * BYTES_MS
    for start in range(0, len(pcm), size):
        due_s = began_s + (start + size) / BYTES_MS / 1000 / speed
        await asyncio.sleep(max(0.0, due_s - monotonic()))
        yield pcm[start : start + size]


async def dictate(server: str, pcm: bytes, speed: float, output: ClientOutput | None = None) -> ClientOutput:
    """Dictate to the end; return the reported events."""
    return await recognized_from(server, played(pcm, speed), output or ClientOutput())


async def recognized_from(server: str, source: AsyncIterator[bytes], output: ClientOutput) -> ClientOutput:
    """Stream the audio of the source; return the events."""
    async for event in recognize(server, source, StreamOptions(partials=True), RetryPolicy(connect_s=60)):
        output.add(event)
    return output


class RestartableServer:
    """A server on one port that is killed and started again."""

    def __init__(
        self, settings: Mapping[str, str] = SETTINGS, host: str = "127.0.0.1", inside: Sequence[str] = ()
    ) -> None:
        """Take its settings, and the host's address with the command that runs it there."""
        self._settings = {**settings, "SERVER_BIND": host, "DATA_PORT": str(free_port())}
        self._inside = inside
        self._service = Service(self._settings, inside=inside)
        self.listening_s: list[float] = []  # wall-clock time at which it served again

    @property
    def address(self) -> str:
        return f"{self._settings['SERVER_BIND']}:{self._settings['DATA_PORT']}"

    async def start(self) -> None:
        self._service = Service(self._settings, inside=self._inside)
        self._service.__enter__()
        await asyncio.to_thread(self._service.wait_until_listening)
        self.listening_s.append(monotonic())

    def kill(self) -> None:
        self._service.kill()

    def drain(self) -> None:
        self._service.terminate()

    async def ended(self) -> None:
        """Wait for the exit of a server that drains."""
        await asyncio.to_thread(self._service.wait)


def seconds(pcm: bytes) -> float:
    return len(pcm) / BYTES_MS / 1000


HEAD = """\
| | dictations | breaks | identical | words lost | words doubled | reconnect, s: median | most |
|---|---|---|---|---|---|---|---|"""


@dataclass(slots=True)
class Proof:
    """Results of a number of interrupted dictations."""

    name: str
    dictations: int = 0
    identical: int = 0
    breaks: int = 0
    difference: Difference = field(default_factory=Difference)
    reconnects_s: list[float] = field(default_factory=list)  # from the time at which a server was available

    def add(self, undisturbed: ClientOutput, broken: ClientOutput) -> None:
        self.dictations += 1
        same = broken.texts == undisturbed.texts and broken.numbers == undisturbed.numbers
        self.identical += same
        self.breaks += len(broken.breaks)
        self.difference += difference(undisturbed, broken)
        if not same:
            print(
                f"{self.name} {self.dictations}: differs", undisturbed.texts, broken.texts, sep="\n  ", file=sys.stderr
            )

    def row(self) -> str:
        waits = f"{median(self.reconnects_s):.2f} | {max(self.reconnects_s):.2f}" if self.reconnects_s else "– | –"
        return (
            f"| {self.name} | {self.dictations} | {self.breaks} | {self.identical} | {self.difference.lost} | "
            f"{self.difference.doubled} | {waits} |"
        )


@asynccontextmanager
async def running(*servers: RestartableServer) -> AsyncIterator[None]:
    try:
        for server_process in servers:
            await server_process.start()
        yield
    finally:
        for server_process in servers:
            server_process.kill()
