"""Decodes whole recordings into headerless 16 kHz mono, and rejects invalid ones and those that are too long."""

from __future__ import annotations

import io
from collections.abc import Iterator

from stt_media.errors import EmptyError, MediaError, NoAudioTrackError
from stt_media.recording import Recording
from stt_service.audio.pcm import SAMPLE_RATE_HZ, AudioFormat
from stt_service.errors import InvalidRequestError

MAX_RECORDING_S = 3600
SAMPLE_BYTES = 2
FORMATS = "WAV, FLAC, Ogg, MP3, MP4, WebM, AAC, AIFF, AMR or WMA"


class UndecodableError(InvalidRequestError):
    """The recording is in no format that can be decoded, or damaged."""


def decode_recording(recording: bytes) -> Iterator[bytes]:
    """Yield an operator's own recording as 16-bit samples. Blocks; recognition/recording_decoder.py is for clients.

    Raises:
        InvalidRequestError: it cannot be decoded, or is longer than MAX_RECORDING_S.
    """
    length = LengthLimit()
    try:
        for samples in Recording(io.BytesIO(recording), lambda warning: None).samples(SAMPLE_RATE_HZ):
            length.add(samples)
            yield samples
    except MediaError as error:
        raise to_service_error(type(error).__name__, str(error), len(recording)) from error


class LengthLimit:
    """Counts the length of a recording and rejects one that is too long."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, samples: bytes) -> None:
        """Count more 16-bit samples.

        Raises:
            InvalidRequestError: the recording is longer than MAX_RECORDING_S.
        """
        self._bytes += len(samples)
        if self._bytes > MAX_RECORDING_S * SAMPLE_RATE_HZ * SAMPLE_BYTES:
            raise _too_long()


def check_headerless(size_bytes: int, audio_format: AudioFormat) -> None:
    """Check the length of a headerless recording.

    Raises:
        InvalidRequestError: it is longer than MAX_RECORDING_S.
    """
    if size_bytes > MAX_RECORDING_S * audio_format.sample_rate_hz * audio_format.frame_bytes:
        raise _too_long()


def to_service_error(kind: str, detail: str, size_bytes: int) -> InvalidRequestError:
    """Return the error for the client that corresponds to the MediaError of that name."""
    if kind == NoAudioTrackError.__name__:
        return InvalidRequestError("The recording has no audio track: send a recording that has one.")
    if kind == EmptyError.__name__:
        return InvalidRequestError("The recording has no audio: its length is 0.")
    return UndecodableError(
        f"The {size_bytes} bytes of audio cannot be decoded ({detail}): send a whole file of {FORMATS}."
    )


def _too_long() -> InvalidRequestError:
    return InvalidRequestError(
        f"The recording is longer than {MAX_RECORDING_S} s: split it, or send it to StreamingRecognize."
    )
