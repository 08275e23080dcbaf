"""Turns a file, or what comes through a pipe, into a format and chunks of 100 ms.

Blocking code for a thread of its own (`sources.py`). The only file that knows PyAV, which it loads when used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stt_cli.errors import NotAudio, SourceError
from stt_cli.events import AudioFormat

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, AudioStream, Packet
    from av.container import InputContainer

CHUNK_MS = 100
MIN_RATE_HZ, MAX_RATE_HZ, MAX_CHANNELS = 8_000, 192_000, 32  # what the server takes
FALLBACK_RATE_HZ = 48_000  # for a recording outside of them
# Opus and AAC end up to 0.1 s before the length their container tells; an estimated length is off by more.
TOLERANCE_MS, TOLERANCE_SHARE = 500, 0.02

Warn = Callable[[str], None]


class Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Decoded sound: closing `chunks` closes what it is read from."""

    format: AudioFormat
    chunks: Iterator[bytes]
    duration_ms: float | None = None  # None: it does not say


def open_file(path: Path, warn: Warn, max_channels: int = MAX_CHANNELS) -> Recording:
    """Open a recording in any container that PyAV reads; one with more channels is mixed to one.

    Raises:
        SourceError: when it cannot be read.
        NotAudio: when it can, and there is no sound in it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise NotAudio(f"{path} is empty.")
    if head[:4] == b"RIFF" and size_bytes < int.from_bytes(head[4:], "little") < 0xFFFF_FFF0:
        warn(f"{path} is cut short: its header promises more sound than there is.")  # FFmpeg does not tell
    return _open(f"file:{path}", str(path), warn, max_channels)  # or a colon in the name would make it a protocol


def open_stream(stream: Readable, name: str, warn: Warn) -> Recording:
    """Open a container in anything that can be read; one that cannot seek is read from its beginning to its end."""
    return _open(stream, name, warn)


def open_raw(pipe: Readable, name: str, audio_format: AudioFormat) -> Recording:
    """Open headerless sound; a chunk is as long as what has come, so that a slow pipe adds no delay."""
    chunk_bytes = audio_format.size_bytes(CHUNK_MS)
    first = pipe.read(chunk_bytes)
    if not first:
        raise NotAudio(f"{name} is empty.")
    return Recording(audio_format, _read_all(pipe, first, chunk_bytes))


def _read_all(pipe: Readable, first: bytes, chunk_bytes: int) -> Iterator[bytes]:
    yield first
    while chunk := pipe.read(chunk_bytes):
        yield chunk


def _open(file: str | Readable, name: str, warn: Warn, max_channels: int = MAX_CHANNELS) -> Recording:
    import av  # half a second

    try:
        container = av.open(file, mode="r", metadata_errors="ignore")
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}.") from error
    except (av.FFmpegError, ValueError) as error:
        raise NotAudio(f"{name} is no recording that can be read, or its beginning is damaged.") from error
    decoder = _Decoder(container, name, warn, max_channels)
    chunks = decoder.chunks()
    audio_format = decoder.format()
    return Recording(audio_format, chunks, None if container.duration is None else container.duration / 1000)


class _Decoder:
    """Decodes a container's first audio stream to 16-bit, at its own rate and with its own channels."""

    def __init__(self, container: InputContainer, name: str, warn: Warn, max_channels: int) -> None:
        self._container = container
        self._name = name
        self._warn = warn
        self._damaged = 0  # packets
        self._decoded_ms = 0.0
        if not container.streams.audio:
            container.close()
            raise NotAudio(f"{name} has no sound in it.")
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            container.close()
            raise NotAudio(f"{name} has no sound in it that can be decoded.")
        self._layout = self._first.layout.name if self._first.layout.nb_channels <= max_channels else "mono"
        rate_hz = self._first.sample_rate
        self._rate_hz = rate_hz if MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ else FALLBACK_RATE_HZ

    def format(self) -> AudioFormat:
        from av import AudioLayout

        return AudioFormat(self._rate_hz, AudioLayout(self._layout).nb_channels)

    def chunks(self) -> Iterator[bytes]:
        audio_format = self.format()
        size, waiting = audio_format.size_bytes(CHUNK_MS), bytearray()
        with self._container:
            for sound in self._sound():
                self._decoded_ms += audio_format.duration_ms(len(sound))
                waiting += sound
                while len(waiting) >= size:
                    yield bytes(waiting[:size])
                    del waiting[:size]
            if waiting:
                yield bytes(waiting)
            self._tell_what_is_missing()

    def _sound(self) -> Iterator[bytes]:
        """Yield the frames' samples, interleaved."""
        resampler, shapes = self._resampler(), set[tuple[int, str, str]]()
        for frame in self._all_frames():
            shape = (frame.sample_rate, frame.layout.name, frame.format.name)
            if shapes and shape not in shapes:  # as where one Ogg stream follows another
                yield from map(_bytes_of, resampler.resample(None))
                resampler = self._resampler()
            shapes = {shape}
            frame.pts = None  # gaps in the time stamps are no silence
            yield from map(_bytes_of, resampler.resample(frame))
        yield from map(_bytes_of, resampler.resample(None))

    def _resampler(self) -> AudioResampler:
        from av import AudioResampler

        return AudioResampler(format="s16", layout=self._layout, rate=self._rate_hz)

    def _all_frames(self) -> Iterator[AudioFrame]:
        if self._first is not None:
            yield self._first
        yield from self._frames

    def _decode(self) -> Iterator[AudioFrame]:
        """Yield what can be decoded, passing over damaged packets."""
        for packet in self._packets():
            yield from self._decode_packet(packet)

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        from av import FFmpegError

        try:
            yield from self._container.demux(self._container.streams.audio[0])
        except FFmpegError:  # what follows cannot be found any more
            self._damaged += 1

    def _decode_packet(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        from av import FFmpegError

        try:
            return list(packet.decode())
        except FFmpegError:
            self._damaged += 1
            return []

    def _tell_what_is_missing(self) -> None:
        at = f"after {self._decoded_ms / 1000:.1f} s"
        promised_ms = (self._container.duration or 0) / 1000
        short_ms = promised_ms - self._decoded_ms
        if short_ms > max(TOLERANCE_MS, promised_ms * TOLERANCE_SHARE):
            self._warn(f"{self._name} ends {at}, of {promised_ms / 1000:.1f} s: it is cut short or damaged.")
        elif self._damaged:
            self._warn(f"{self._name} is damaged: some of its sound could not be decoded.")


def _bytes_of(frame: AudioFrame) -> bytes:
    size_bytes = frame.samples * frame.layout.nb_channels * 2
    return bytes(frame.planes[0])[:size_bytes]  # planes are padded
