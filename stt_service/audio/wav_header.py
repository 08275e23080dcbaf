"""Reads the header of a WAV file whose bytes arrive in pieces, so that its samples can be streamed.

Whole files are decoded by FFmpeg (recordings.py); this module reads only what precedes the samples. Sizes in the header
are claims: none is used to reserve memory, and the header is bounded by MAX_HEADER_BYTES and MAX_CHUNKS.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from stt_service.audio.pcm import RIFF_BYTES, AudioFormat, Encoding
from stt_service.errors import InvalidRequestError

MAX_HEADER_BYTES = 64 * 2**10  # before the samples: the format, and chunks of text or padding
MAX_CHUNKS = 32  # before the samples
# Programs that write to a pipe do not know the length: they write 0, the largest size, or nearly that.
UNKNOWN_SIZE_BYTES = 0x7FFF_0000
EXTENSIBLE = 0xFFFE  # the format is in an extension
_EXTENSION_OFFSET = 24  # of the format in the chunk
# By format tag and bits per sample. Source: RFC 2361.
ENCODINGS = {
    (1, 16): Encoding.PCM_S16LE,
    (3, 32): Encoding.PCM_F32LE,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header declares.

    Attributes:
        audio_format: Format of the samples.
        header_bytes: Number of bytes before the samples.
        sample_bytes: Number of bytes of samples; None if they last to the end of the stream.
    """

    audio_format: AudioFormat
    header_bytes: int
    sample_bytes: int | None


def starts_wav(start: bytes) -> bool:
    """Return whether bytes begin as a WAV file; fewer than RIFF_BYTES do if a WAV file can follow."""
    return start[:4] == b"RIFF"[: len(start)] and start[8:RIFF_BYTES] == b"WAVE"[: max(0, len(start) - 8)]


def read_wav_header(start: bytes) -> WavHeader | None:
    """Return the header of a WAV file that begins with these bytes, or None if they end inside the header.

    Raises:
        InvalidRequestError: the header is malformed or too long, or its format cannot be streamed.
    """
    audio_format: AudioFormat | None = None
    position = RIFF_BYTES
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(start):
            break
        name, size = struct.unpack_from("<4sI", start, position)
        position += 8
        if name == b"data":
            if audio_format is None:
                raise InvalidRequestError("Invalid WAV header: it has no format before the samples.")
            return WavHeader(audio_format, position, size if 0 < size < UNKNOWN_SIZE_BYTES else None)
        if position + size > MAX_HEADER_BYTES:
            raise _too_long()
        if position + size > len(start):
            break
        if name == b"fmt ":
            audio_format = _format(start[position : position + size])
        position += size + size % 2  # chunks begin at even positions
    else:
        raise _too_long()
    return None


def _format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise InvalidRequestError(f"Invalid WAV header: its format has {len(chunk)} bytes, must be at least 16.")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= _EXTENSION_OFFSET + 2:
        (tag,) = struct.unpack_from("<H", chunk, _EXTENSION_OFFSET)
    if (tag, bits) not in ENCODINGS:
        raise InvalidRequestError(
            f"Invalid WAV header: format {tag} with {bits} bits cannot be streamed; it must be 16-bit PCM, 32-bit "
            "float, µ-law or A-law. Send other files to Recognize."
        )
    return AudioFormat(ENCODINGS[tag, bits], rate_hz, channels)


def _too_long() -> InvalidRequestError:
    return InvalidRequestError(
        f"Invalid WAV header: its samples must begin in the first {MAX_HEADER_BYTES} bytes, after at most "
        f"{MAX_CHUNKS - 1} chunks. Send the samples without a header, or the file to Recognize."
    )
