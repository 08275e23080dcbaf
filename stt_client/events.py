"""The input and the events of a stream: values only, without gRPC.

Positions are whole milliseconds of audio since the start of the dictation.
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
    """The format of raw audio. Channels are interleaved; the server mixes them to one."""

    sample_rate_hz: int = 16_000  # 8,000..192,000
    channels: int = 1
    encoding: Encoding = Encoding.S16LE

    @property
    def frame_bytes(self) -> int:
        """Size of one sample of each channel."""
        return SAMPLE_BYTES[self.encoding] * self.channels

    def duration_ms(self, size_bytes: int) -> float:
        return size_bytes / self.frame_bytes / self.sample_rate_hz * 1000

    def size_bytes(self, duration_ms: int) -> int:
        return self.sample_rate_hz * duration_ms // 1000 * self.frame_bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of recognition; None leaves the server's value."""

    language: str | None = None
    prompt: str | None = None
    hotwords: tuple[str, ...] = ()
    translate: bool | None = None
    silence_s: float | None = None  # 0.1..10; silence that ends an utterance
    min_utterance_s: float | None = None  # 0..20; silence does not end a shorter utterance
    max_utterance_s: float | None = None  # 5..28; a longer utterance is split
    sensitivity: float | None = None  # 0..1, of the speech detector


def merge_settings(settings: Settings, later: Settings) -> Settings:
    """Return the settings that apply after the later ones were received."""
    changed = {field.name: getattr(later, field.name) for field in fields(later)}
    return replace(settings, **{name: value for name, value in changed.items() if value not in (None, ())})


@dataclass(frozen=True, slots=True)
class Finalize:
    """A command between chunks of audio: end the open utterance here; the dictation continues."""


Input = bytes | Settings | Finalize  # audio, settings for the next utterances, or a command


class Stability(Enum):
    """How soon the stable text of partials grows; the later, the fewer stable words differ from the final."""

    DEFAULT = "default"
    VERY_LOW = "very-low"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    VERY_HIGH = "very-high"


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The audio format, initial settings and requested events of a dictation."""

    format: AudioFormat = AudioFormat()
    settings: Settings = Settings()
    partials: bool = False
    word_times: bool = False  # fill Final.words
    stability: Stability = Stability.DEFAULT  # of partials
    client_id: str = ""  # shown in the server's log and session list


DEFAULT_OPTIONS = StreamOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a stream, with the positions received and committed by the server.

    No text is pending for the audio before `committed_ms`: it need not be buffered.
    """

    received_ms: int = 0
    committed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Started(Event):
    """A server accepted the stream; emitted again after each resumption."""

    stream_id: str
    model: str
    partial_model: str  # empty: no partials
    settings: Settings


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """An utterance started; emitted once per utterance."""

    utterance: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Partial(Event):
    """The hypothesis of the open utterance: `stable` only grows, `unstable` may change."""

    utterance: int
    revision: int
    stable: str
    unstable: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a final, with its position and confidence (0..1)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Latency:
    """The parts of the time from the end of speech to the final, in seconds."""

    endpoint_s: float
    queue_s: float
    inference_s: float
    speculative: bool  # decoded before the end of the utterance was certain
    batch: int  # number of windows decoded together


@dataclass(frozen=True, slots=True)
class Final(Event):
    """The text of an utterance: in order, exactly once, never changed. Probabilities are 0..1."""

    utterance: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    language_probability: float
    confidence: float
    endpoint: str  # silence, max_length, finalize, end_of_audio, drain, stalled; unknown from a newer server
    latency: Latency
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppressed(Event):
    """An utterance without a final: it was no speech, or not recognized reliably."""

    utterance: int
    start_ms: int
    end_ms: int
    reason: str
    text: str
    endpoint: str = "unspecified"  # as in Final


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """A message of the server for users, such as DRAIN."""

    reason: str
    message: str
    remaining_ms: int  # with DRAIN: until the server shuts down


@dataclass(frozen=True, slots=True)
class SettingsUpdated(Event):
    """The settings in effect, in reply to `Settings`."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """The positions of the stream, without any other news; not yielded to callers of `recognize`."""


class ConnectionState(Enum):
    CONNECTING = "connecting"
    WAITING = "waiting"  # a server answers, but has no free slot yet; `message` is its reason
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  # the connection was lost, rejected or failed; `message` is the reason
    RESUMED = "resumed"
    DRAINING = "draining"  # the server shuts down; the dictation moves to another one without action


@dataclass(frozen=True, slots=True)
class Connection(Event):
    """The state of the connection, from the client itself. Audio is read and buffered in every state."""

    state: ConnectionState
    message: str = ""
    buffered_ms: int = 0  # uncommitted audio


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The result of `status`."""

    health: str  # SERVING, NOT_SERVING, UNKNOWN
    services: tuple[str, ...]  # empty without server reflection
    round_trip_ms: float
