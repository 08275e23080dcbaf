"""Whole recordings in any container: bytes in, headerless 16 kHz mono out, a stretch at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
from av.error import FFmpegError

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.errors import InvalidRequest

MAX_RECORDING_S = 3600
STRETCH_BYTES = 10 * SAMPLE_RATE_HZ * 2  # 10 s of 16-bit samples


def decoded(recording: bytes) -> Iterator[bytes]:
    """Yield the recording as 16-bit samples. Blocks: for a thread of its own.

    Raises:
        InvalidRequest: it is no recording, is damaged, or is longer than MAX_RECORDING_S.
    """
    pending, total = bytearray(), 0
    for samples in _samples(recording):
        pending += samples
        total += len(samples)
        if total > MAX_RECORDING_S * SAMPLE_RATE_HZ * 2:
            raise InvalidRequest(
                f"The recording is longer than {MAX_RECORDING_S} s: cut it, or send it to StreamingRecognize."
            )
        if len(pending) >= STRETCH_BYTES:
            yield bytes(pending)
            pending.clear()
    if not total:
        raise InvalidRequest("The recording holds no sound: send one that does.")
    yield bytes(pending)


def _samples(recording: bytes) -> Iterator[bytes]:
    try:
        with av.open(io.BytesIO(recording), "r") as container:
            if not container.streams.audio:
                raise InvalidRequest("The recording has no audio track: send one that has.")
            resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
            for frame in container.decode(container.streams.audio[0]):
                for mono in resampler.resample(frame):
                    yield mono.to_ndarray().tobytes()
            for mono in resampler.resample(None):
                yield mono.to_ndarray().tobytes()
    except (FFmpegError, ValueError) as error:
        raise InvalidRequest(
            f"The {len(recording)} bytes of audio cannot be decoded ({_reason(error)}): "
            "send a whole WAV, FLAC, Ogg, MP3 or MP4 file, or headerless samples with their format."
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
