"""The decoded frames of one track, with the time stamps, damage and end of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from stt_media.timeline import Stamp

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

    AnyPacket = Packet[av.stream.Stream]

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
# Errors that a damaged recording can raise. OSError is not among them: it means that the file cannot be read.
DECODING_ERRORS = (av.FFmpegError, ValueError, OverflowError, MemoryError, RuntimeError, TypeError, LookupError)

# FFmpeg's sample formats: type, zero and full scale.
KINDS: dict[str, tuple[np.dtype[np.generic], int, int]] = {
    "u8": (np.dtype(np.uint8), 128, 2**7),
    "s16": (np.dtype(np.int16), 0, 2**15),
    "s32": (np.dtype(np.int32), 0, 2**31),
    "flt": (np.dtype(np.float32), 0, 1),
    "dbl": (np.dtype(np.float64), 0, 1),
}


class Frames:
    """Iterates over the frames that can be decoded; skips damaged packets."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container, self._stream = container, stream
        self.damaged = 0  # packets and frames
        self.packets = 0  # of the track
        self.end_s = 0.0  # the latest end of all packets so far, including other streams, as a time stamp
        self._first_s = float("inf")
        self._start_s: float | None = None if container.start_time is None else container.start_time / av.time_base

    @property
    def start_s(self) -> float:
        """The time stamp of the recording's start; that of the first frame if the container states none."""
        if self._start_s is None:
            self._start_s = self._first_s if self._first_s < float("inf") else 0.0
        return self._start_s

    def stamp(self, frame: AudioFrame) -> Stamp:
        start_s = None if frame.time is None else frame.time - self.start_s
        return Stamp(start_s, frame.samples / frame.sample_rate)

    def __iter__(self) -> Iterator[AudioFrame]:
        for packet in self._demuxed():
            self._record_times(packet)
            if packet.stream.index == self._stream.index:
                self.packets += 1
                yield from self._decoded(packet)

    def _demuxed(self) -> Iterator[AnyPacket]:
        try:
            yield from self._container.demux()
        except IndexError:  # raised by PyAV at the end if a stream appeared during decoding
            return
        except DECODING_ERRORS:  # the next packet cannot be found
            self.damaged += 1

    def _decoded(self, packet: AnyPacket) -> Iterator[AudioFrame]:
        try:
            frames = list(packet.decode())
        except DECODING_ERRORS:
            self.damaged += 1
            return
        for frame in frames:
            if isinstance(frame, av.AudioFrame) and MIN_RATE_HZ <= frame.sample_rate <= MAX_RATE_HZ:
                yield frame
            else:
                self.damaged += 1

    def _record_times(self, packet: AnyPacket) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        start_s = float(packet.pts * packet.time_base)
        self._first_s = min(self._first_s, start_s)
        self.end_s = max(self.end_s, start_s + float((packet.duration or 0) * packet.time_base))


def samples_of(frame: AudioFrame) -> NDArray[np.float32]:
    """Return a frame's samples, of shape (channels, n) and range [-1, 1].

    Raises:
        LookupError: No supported codec has this sample format.
    """
    dtype, offset, scale = KINDS[frame.format.name.removesuffix("p")]
    channels, count = frame.layout.nb_channels, frame.samples
    if frame.format.is_planar:
        # Not frame.to_ndarray(): with eight planes and more, PyAV reads memory behind them as further planes.
        planes = [np.frombuffer(memoryview(plane), dtype, count) for plane in frame.planes[:channels]]
        samples = np.stack(planes)
    else:
        samples = np.frombuffer(memoryview(frame.planes[0]), dtype, count * channels).reshape(count, channels).T
    scaled: NDArray[np.float32] = (samples.astype(np.float32) - np.float32(offset)) * np.float32(1 / scale)
    finite: NDArray[np.float32] = np.nan_to_num(scaled, nan=0, posinf=0, neginf=0)
    return finite
