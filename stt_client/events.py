"""What a stream is asked for and what it answers: values only, without gRPC.

Positions are whole milliseconds of audio since the start of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum


class Encoding(Enum):
    S16LE = "s16le"
    F32LE = "f32le"
    MULAW = "mulaw"
    ALAW = "alaw"


SAMPLE_BYTES = {Encoding.S16LE: 2, Encoding.F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the bytes of a stream are to be read; channels are interleaved, the server mixes them."""

    sample_rate_hz: int = 16_000
    channels: int = 1
    encoding: Encoding = Encoding.S16LE

    @property
    def frame_bytes(self) -> int:
        """One sample of every channel."""
        return SAMPLE_BYTES[self.encoding] * self.channels

    def duration_ms(self, size_bytes: int) -> float:
        return size_bytes / self.frame_bytes / self.sample_rate_hz * 1000

    def size_bytes(self, duration_ms: int) -> int:
        return self.sample_rate_hz * duration_ms // 1000 * self.frame_bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """How speech is recognised; None leaves the server's own value."""

    language: str | None = None
    prompt: str | None = None
    hotwords: tuple[str, ...] = ()
    translate: bool | None = None
    silence_s: float | None = None  # that ends an utterance, 0.1..10
    min_utterance_s: float | None = None  # silence ends none that is shorter, 0..20
    max_utterance_s: float | None = None  # then it is split, 5..28
    sensitivity: float | None = None  # of the speech detector, 0..1


def merge_settings(settings: Settings, later: Settings) -> Settings:
    """Return what is in force once the later settings have come."""
    given = {field.name: getattr(later, field.name) for field in fields(later)}
    return replace(settings, **{name: value for name, value in given.items() if value not in (None, ())})


@dataclass(frozen=True, slots=True)
class Finalize:
    """Among the audio: end the open utterance here; the dictation goes on."""


Input = bytes | Settings | Finalize  # audio, settings that hold from the next utterance on, or a command


@dataclass(frozen=True, slots=True)
class StreamOptions:
    format: AudioFormat = AudioFormat()
    settings: Settings = Settings()
    partials: bool = False
    word_times: bool = False
    client_id: str = ""


DEFAULT_OPTIONS = StreamOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a stream says. Audio before `committed_ms` is settled and need not be kept."""

    received_ms: int = 0
    committed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Started(Event):
    stream_id: str
    model: str
    partial_model: str  # empty: no partials
    settings: Settings


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    utterance: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Partial(Event):
    utterance: int
    revision: int
    stable: str
    unstable: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time went between the end of speech and the final, in seconds."""

    endpoint_s: float
    queue_s: float
    inference_s: float
    speculative: bool
    batch: int


@dataclass(frozen=True, slots=True)
class Final(Event):
    utterance: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    language_probability: float
    confidence: float
    endpoint: str  # silence, max_length, finalize, end_of_audio, drain, stalled; unknown: of a newer server
    latency: Latency
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppressed(Event):
    utterance: int
    start_ms: int
    end_ms: int
    reason: str
    text: str
    endpoint: str = "unspecified"  # as of finals


@dataclass(frozen=True, slots=True)
class Notice(Event):
    reason: str
    message: str
    remaining_ms: int  # with DRAIN: until the server goes


@dataclass(frozen=True, slots=True)
class SettingsUpdated(Event):
    settings: Settings


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far the stream is, where there is nothing else to tell."""


class ConnectionState(Enum):
    CONNECTING = "connecting"
    WAITING = "waiting"  # a server answers and has no free slot yet; `message` is its reason
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  # lost, refused or not there: `message` says which
    RESUMED = "resumed"
    DRAINING = "draining"  # the server goes away; the dictation moves to another one by itself


@dataclass(frozen=True, slots=True)
class Connection(Event):
    """How it stands with the server. Comes from the client itself; audio is taken and kept all the while."""

    state: ConnectionState
    message: str = ""
    buffered_ms: int = 0  # audio that waits for a server


@dataclass(frozen=True, slots=True)
class ServerStatus:
    health: str  # SERVING, NOT_SERVING, UNKNOWN
    services: tuple[str, ...]  # empty: the server does not tell
    round_trip_ms: float
