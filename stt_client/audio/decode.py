"""Decodes a file or pipe to chunks of 100 ms.

Blocking: `sources.py` runs it in a thread. Containers are decoded to mono by `stt_media`, which is loaded when used; it
has whitelists of formats, and opens nothing that a recording names. Raw audio is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from stt_client.errors import SourceError, UnsupportedAudioError
from stt_client.events import AudioFormat

CHUNK_MS = 100
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000  # the limits of the server
FALLBACK_RATE_HZ = 48_000  # for a recording outside of the limits
# Recorders that write to a pipe cannot go back to the header and write a placeholder of 2 GiB or more:
# arecord 0x80000000, sox 0x7FFFFFFF - 36, ffmpeg 0xFFFFFFFF.
WAV_PLACEHOLDER_BYTES = 0x7FFF_0000
MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")  # in the first frame
HEAD_BYTES = 4096

Warn = Callable[[str], None]


class Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class DecodedAudio:
    """Decoded audio; closing `chunks` closes the file."""

    format: AudioFormat
    chunks: Iterator[bytes]
    duration_ms: float | None = None  # None: unknown


def open_file(path: Path, warn: Warn, track: int | None = None) -> DecodedAudio:
    """Open a recording in any container of the whitelist, mixed to one channel; `track`: from 1, among its audio.

    Raises:
        SourceError: The file cannot be read, or has no such track.
        UnsupportedAudioError: The file contains no audio that can be decoded.
    """
    try:
        file = path.open("rb")
        with _closed_on_error(file):
            return _open(file, str(path), warn, track, _states_length(file, path, warn))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def _closed_on_error(file: BufferedReader) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.close()
        raise


def open_stream(stream: Readable, name: str, warn: Warn, track: int | None = None) -> DecodedAudio:
    """Open a container in any readable object; without seek, it is read from start to end."""
    return _open(stream, name, warn, track, states_length=None)


def open_raw(pipe: Readable, name: str, audio_format: AudioFormat, warn: Warn = lambda sentence: None) -> DecodedAudio:
    """Open raw audio; each read returns one chunk, so that a slow pipe adds no delay."""
    chunk_bytes = audio_format.size_bytes(CHUNK_MS)
    first = pipe.read(chunk_bytes)
    if not first:
        raise UnsupportedAudioError(f"{name} is empty.")
    return DecodedAudio(audio_format, _whole_samples(_read_all(pipe, first, chunk_bytes), name, audio_format, warn))


def _read_all(pipe: Readable, first: bytes, chunk_bytes: int) -> Iterator[bytes]:
    yield first
    while chunk := pipe.read(chunk_bytes):
        yield chunk


def _whole_samples(chunks: Iterator[bytes], name: str, audio_format: AudioFormat, warn: Warn) -> Iterator[bytes]:
    """Yield the chunks, aligned to samples; an incomplete sample at the end is ignored with a warning."""
    size, remainder = audio_format.frame_bytes, b""
    for chunk in chunks:
        data = remainder + chunk
        whole = len(data) // size * size
        remainder = data[whole:]
        if whole:
            yield data[:whole]
    if remainder:
        warn(f"{name} ends within a sample: its last {len(remainder)} of {size} bytes are ignored. Check --raw.")


def _states_length(file: BufferedReader, path: Path, warn: Warn) -> bool | None:
    """Return whether the header of a file states its length; None: its container determines that.

    Raises:
        UnsupportedAudioError: The file is empty.
    """
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    if not head:
        raise UnsupportedAudioError(f"{path} is empty.")
    if head[:4] != b"RIFF":
        return _mp3_states_length(file, head) or None
    promised = int.from_bytes(head[4:8], "little")
    if promised >= WAV_PLACEHOLDER_BYTES:
        return False
    if file.seekable() and path.stat().st_size < promised:
        warn(f"{path} is truncated: its header states more audio than the file has.")  # FFmpeg does not report it
    return None


def _mp3_states_length(file: BufferedReader, head: bytes) -> bool:
    """Return whether it is an MP3 whose first frame, after an ID3 tag, has the number of frames."""
    if head[:3] == b"ID3" and file.seekable():
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(10 + size)
        head = file.read(HEAD_BYTES)
        file.seek(0)
    return head[:1] == b"\xff" and any(tag in head for tag in MP3_LENGTH_TAGS)


def _open(file: Readable, name: str, warn: Warn, track: int | None, states_length: bool | None) -> DecodedAudio:
    from stt_media.errors import EmptyError, MediaError, NoAudioTrackError, NoSuchTrackError
    from stt_media.recording import Recording as Media  # the import takes 0.25 s

    try:
        media = Media(file, lambda phrase: warn(f"{name} {phrase}"), track, states_length)
    except (NoAudioTrackError, EmptyError) as error:
        raise UnsupportedAudioError(f"{name} contains no audio.") from error
    except NoSuchTrackError as error:
        raise SourceError(f"{name}: {error}.") from error
    except MediaError as error:
        raise UnsupportedAudioError(f"{name} is not a supported recording, or is damaged: {error}.") from error
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror or error}.") from error
    rate_hz = media.rate_hz if MIN_RATE_HZ <= media.rate_hz <= MAX_RATE_HZ else FALLBACK_RATE_HZ
    audio_format = AudioFormat(rate_hz)
    duration_ms = None if media.length_s is None else media.length_s * 1000
    return DecodedAudio(audio_format, _chunks(media.samples(rate_hz), file, name, audio_format), duration_ms)


def _chunks(samples: Iterator[bytes], file: Readable, name: str, audio_format: AudioFormat) -> Iterator[bytes]:
    """Yield chunks of 100 ms, then close the file, if it is a file.

    Raises:
        SourceError: The rest of the file cannot be read.
    """
    size, pending = audio_format.size_bytes(CHUNK_MS), bytearray()
    with file if isinstance(file, BufferedReader) else nullcontext():
        try:
            for decoded in samples:
                pending += decoded
                for start in range(0, len(pending) // size * size, size):
                    yield bytes(pending[start : start + size])
                del pending[: len(pending) // size * size]
        except OSError as error:
            raise SourceError(f"{name} cannot be read any further: {error.strerror}.") from error
        if pending:
            yield bytes(pending)
