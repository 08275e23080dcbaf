"""Converts a client's bytes into the internal format: 16 kHz, mono, float32, in frames of 512 samples.

It accepts headerless audio only; containers are decoded by recordings.py. It has no clock: time is the length of the
audio received.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import soxr
from numpy.typing import NDArray

from stt_service.errors import InvalidRequestError

Samples = NDArray[np.float32]  # shape (n,), range [-1, 1)
Frames = NDArray[np.float32]  # shape (n, 512), range [-1, 1)

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512  # 32 ms, the frame size of Silero at 16 kHz

RATES_HZ = range(8_000, 192_001)
CHANNELS = range(1, 33)
_HIGHEST = np.nextafter(np.float32(1), np.float32(0))  # 1.0 itself would wrap around as a 16-bit sample
RIFF_BYTES = 12  # of the start of a WAV file: RIFF, four bytes of length, WAVE
_RESAMPLER_TAIL_S = 1  # of silence, after which the resampler returns zeros; measured: 0.25 s at any rate

# Measured with soxr 1.1: the lowest quality that is flat (-0.05 dB at 7 kHz, where LQ loses 13 dB) and suppresses
# aliases (-114 dB at 8.3 kHz). HQ is no flatter and delays audio twice as long from 96 kHz on. The delay is at most
# 40 ms from 22 kHz on, 85 ms at 11 kHz and 118 ms at 8 kHz.
_QUALITY = "MQ"


class Encoding(Enum):
    """The encoding of one sample."""

    PCM_S16LE = auto()
    PCM_F32LE = auto()
    MULAW = auto()
    ALAW = auto()


def _mulaw_table() -> Samples:
    """Return the sample of each µ-law byte. Source: ITU-T G.711, table 2."""
    codes = 255 - np.arange(256)
    magnitudes = (((codes & 0x0F) * 8 + 132) << ((codes >> 4) & 7)) - 132
    return (np.where(codes & 0x80, -magnitudes, magnitudes) / 32768).astype(np.float32)


def _alaw_table() -> Samples:
    """Return the sample of each A-law byte. Source: ITU-T G.711, table 1."""
    codes = np.arange(256) ^ 0x55
    exponents, steps = (codes >> 4) & 7, (codes & 0x0F) * 16 + 8
    magnitudes = np.where(exponents, (steps + 256) << np.maximum(exponents - 1, 0), steps)
    return (np.where(codes & 0x80, magnitudes, -magnitudes) / 32768).astype(np.float32)


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
_SAMPLE_BYTES = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}

_SILENT_BYTE = {
    Encoding.PCM_S16LE: b"\x00",
    Encoding.PCM_F32LE: b"\x00",
    Encoding.MULAW: b"\xff",
    Encoding.ALAW: b"\xd5",
}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of a client's audio.

    Raises:
        InvalidRequestError: the rate or the number of channels is out of range.
    """

    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate_hz: int = SAMPLE_RATE_HZ
    channels: int = 1  # interleaved

    def __post_init__(self) -> None:
        _check("sample_rate_hz", self.sample_rate_hz, RATES_HZ)
        _check("channels", self.channels, CHANNELS)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample over all channels."""
        return _SAMPLE_BYTES[self.encoding] * self.channels

    def silence(self, samples: int) -> bytes:
        """Return the bytes of that many samples of silence over all channels."""
        return _SILENT_BYTE[self.encoding] * (samples * self.frame_bytes)


class Decoder:
    """Decodes one stream.

    Chunks may end anywhere: the samples are the same to the bit, however the bytes are split.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._resample = _resampler(audio_format.sample_rate_hz)
        self._remainder = b""  # an incomplete sample, or the first bytes as long as they may be a WAV header
        self._is_started = False
        self._received_bytes = 0
        self._silent_samples = 0  # since the last bytes

    @property
    def received_ms(self) -> int:
        """Length of the audio received, at its own rate, in whole samples."""
        samples = self._received_bytes // self._format.frame_bytes
        return samples * 1000 // self._format.sample_rate_hz

    def push(self, data: bytes) -> Samples:
        """Decode the next bytes; return the samples that are ready, maybe none, since the resampler has a delay.

        Raises:
            InvalidRequestError: the audio begins with a WAV header; the bytes are not processed.
        """
        pending = self._remainder + data
        if not self._is_started:
            _reject_wav(pending)
            self._is_started = len(pending) >= RIFF_BYTES
        self._received_bytes += len(data)
        self._silent_samples = 0
        whole = len(pending) // self._format.frame_bytes * self._format.frame_bytes if self._is_started else 0
        self._remainder = pending[whole:]
        return _read_only(self._resample(self._mono(pending[:whole]), False))

    def push_silence(self, samples: int) -> Samples:
        """Decode that many samples of silence, of all channels, without their bytes.

        The result is that of pushing AudioFormat.silence(samples); A-law, which has no zero, is rounded to zero.
        """
        before = 0
        if self._remainder or not self._is_started:  # silence completes a sample, and begins the next one
            before = min(samples, RIFF_BYTES)
        head = self.push(self._format.silence(before))
        zeros = np.zeros(samples - before, np.float32)
        self._received_bytes += len(zeros) * self._format.frame_bytes
        self._silent_samples += len(zeros)
        return _read_only(np.concatenate((head, self._resample(zeros, False))))

    @property
    def is_silent(self) -> bool:
        """Whether each further second of silence is exactly SAMPLE_RATE_HZ zeros."""
        return self._silent_samples >= _RESAMPLER_TAIL_S * self._format.sample_rate_hz

    def flush(self) -> Samples:
        """End the stream; return the remaining samples, except an incomplete one. Nothing may follow."""
        whole = len(self._remainder) // self._format.frame_bytes * self._format.frame_bytes
        pending, self._remainder = self._remainder[:whole], self._remainder[whole:]
        return _read_only(self._resample(self._mono(pending), True))

    def check_whole(self) -> None:
        """Check that the stream did not end, by `flush`, inside a sample.

        Raises:
            InvalidRequestError: it did; the message has the number of bytes left over.
        """
        if self._remainder:
            raise InvalidRequestError(
                f"The audio ended inside a sample, with {len(self._remainder)} of its {self._format.frame_bytes} bytes "
                "left over: end it with a whole sample, or declare the format that is sent."
            )

    def _mono(self, data: bytes) -> Samples:
        """Decode whole samples; return the mean of their channels."""
        samples = _decoded(data, self._format.encoding)
        channels = self._format.channels
        if channels == 1:
            return samples
        mix = samples[::channels].copy()
        for channel in range(1, channels):  # by columns: faster than np.mean, and one order of additions
            mix += samples[channel::channels]
        mix /= np.float32(channels)
        return mix


class FrameSplitter:
    """Splits samples that arrive in any number into frames of 512."""

    def __init__(self) -> None:
        self._remainder: Samples = np.empty(0, np.float32)

    def push(self, samples: Samples) -> Frames:
        """Process samples; return the frames that they complete, maybe none."""
        samples = np.concatenate((self._remainder, samples))
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._remainder = samples[whole:].copy()  # a view would retain all other samples
        return _read_only(samples[:whole].reshape(-1, FRAME_SAMPLES))

    def flush(self) -> Frames:
        """Return the last frame, padded with zeros, or none when nothing is left."""
        return self.push(np.zeros(-len(self._remainder) % FRAME_SAMPLES, np.float32))


def _check(field: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise InvalidRequestError(f"Invalid {field}={value}: must be {allowed[0]} to {allowed[-1]}.")


def is_wav(start: bytes) -> bool:
    """Return whether bytes begin with the start of a WAV file."""
    return start[:4] == b"RIFF" and start[8:RIFF_BYTES] == b"WAVE"


def _reject_wav(start: bytes) -> None:
    if is_wav(start):
        raise InvalidRequestError(
            "The audio begins with a WAV header, but its format is headerless: "
            "send the samples without the header, or the whole file to Recognize."
        )


def _decoded(data: bytes, encoding: Encoding) -> Samples:
    """Return the samples of all channels, interleaved as in the data."""
    match encoding:
        case Encoding.PCM_S16LE:
            return np.frombuffer(data, "<i2") * np.float32(1 / 32768)
        case Encoding.PCM_F32LE:
            finite = np.nan_to_num(np.frombuffer(data, "<f4"), nan=0, posinf=0, neginf=0)
            return _clipped(finite.astype(np.float32, copy=False))
        case Encoding.MULAW:
            return _MULAW[np.frombuffer(data, np.uint8)]
        case Encoding.ALAW:
            return _ALAW[np.frombuffer(data, np.uint8)]


def _resampler(rate_hz: int) -> Callable[[Samples, bool], Samples]:
    """Return a function from the next samples, and whether they are the last, to samples at 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return lambda samples, last: samples
    stream: Callable[[Samples, bool], Samples]
    stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, quality=_QUALITY).resample_chunk
    return lambda samples, last: _clipped(stream(samples, last))  # the filter rings above full scale


def _clipped(samples: Samples) -> Samples:
    return np.clip(samples, np.float32(-1), _HIGHEST)


def _read_only(array: NDArray[np.float32]) -> NDArray[np.float32]:
    array.setflags(write=False)
    return array
