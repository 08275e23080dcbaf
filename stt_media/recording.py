"""One recording as mono 16-bit samples at one rate, aligned with the time of its container. Blocks.

    packets → frames of one track → silence for gaps (timeline) → one channel (mixing) → one rate → samples

Problems of a recording are passed to `warn`, each kind once, as a phrase without its subject, the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from stt_media.containers import Readable, open_container
from stt_media.errors import EmptyError, MediaError, UnreadableError
from stt_media.frames import DECODING_ERRORS, Frames, samples_of
from stt_media.mixing import Mixer, Mono
from stt_media.timeline import MAX_GAP_S, Stamp, Timeline
from stt_media.tracks import choose_track, describe, tracks

if TYPE_CHECKING:
    from av import AudioFrame

TOLERANCE_S, TOLERANCE_SHARE = 0.5, 0.02  # Opus and AAC end up to 0.1 s before the stated length
# Demuxers of containers whose header states the length. For others FFmpeg estimates it from the bit rate, which is
# wrong for a variable bit rate.
STATES_LENGTH = frozenset(
    ("aiff", "asf", "avi", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg", "w64", "wav", "wv")
)

Warn = Callable[[str], None]


class Recording:
    """An open recording; `samples` closes it at the end."""

    def __init__(self, file: Readable, warn: Warn, track: int | None = None, states_length: bool | None = None) -> None:
        """Open the file, choose the given track, otherwise the default one, and decode the first frame.

        Args:
            states_length: Whether the header states the length; None derives it from the container.

        Raises:
            MediaError: The recording contains no audio that can be decoded.
            OSError: The file cannot be read.
        """
        self._container, self._warn = open_container(file), warn
        try:
            self._frames = self._choose_frames(track)
            frames = iter(self._frames)
            first = next(frames, None)
            if first is None:
                raise self._no_audio_error()
        except BaseException:
            self._container.close()
            raise
        self.rate_hz = first.sample_rate
        self.format_name = self._container.format.name  # of FFmpeg's demuxer
        states = self.format_name in STATES_LENGTH if states_length is None else states_length
        duration = self._container.duration
        self.length_s = duration / av.time_base if states and duration is not None else None  # of the longest stream
        self._decoded = chain([first], frames)
        self._timeline = Timeline()
        self._cancellation_reported = False

    def _no_audio_error(self) -> MediaError:
        if self._frames.damaged:
            return UnreadableError("none of its audio can be decoded")
        return EmptyError("its audio track is empty")

    def _choose_frames(self, number: int | None) -> Frames:
        found = tracks(self._container)
        track = choose_track(found, number)
        if number is None and len(found) > 1:
            self._warn(f"has {len(found)} audio tracks: {describe(found)}; track {track.number} is used.")
        return Frames(self._container, self._container.streams.audio[track.number - 1])

    def samples(self, rate_hz: int) -> Iterator[bytes]:
        """Yield the samples, in chunks of up to a second.

        Raises:
            OSError: The rest of the file cannot be read.
        """
        with self._container:
            for mono in self._resampled(rate_hz):
                yield to_pcm(mono).tobytes()
            self._report()

    def _resampled(self, rate_hz: int) -> Iterator[Mono]:
        resampler = Resampler(self.rate_hz, rate_hz)
        for source_hz, mono in self._mixed():
            if source_hz != resampler.source_hz:  # for example, one Ogg stream follows another
                yield from resampler.flush()
                resampler = Resampler(source_hz, rate_hz)
            yield from resampler.push(mono)
        yield from resampler.flush()

    def _mixed(self) -> Iterator[tuple[int, Mono]]:
        """Yield one channel in chunks, each with its rate."""
        shape, mixer = (0, ""), Mixer(("FC",), self.rate_hz)
        for gap_s, frame in self._with_gaps():
            rate_hz = frame.sample_rate
            if shape != (shape := (rate_hz, frame.layout.name)) or gap_s:
                yield from ((mixer.rate_hz, mono) for mono in mixer.flush())
            if mixer.rate_hz != rate_hz or mixer.channels != frame.layout.nb_channels:
                mixer = Mixer([channel.name for channel in frame.layout.channels], rate_hz)
            yield from ((rate_hz, mono) for mono in silence(gap_s, rate_hz))
            yield from ((rate_hz, mono) for mono in self._mix(mixer, frame))
        yield from ((mixer.rate_hz, mono) for mono in mixer.flush())

    def _mix(self, mixer: Mixer, frame: AudioFrame) -> Iterator[Mono]:
        try:
            samples = samples_of(frame)
        except DECODING_ERRORS:
            self._frames.damaged += 1
            return
        yield from mixer.push(samples)
        if mixer.fallback_channel is not None and not self._cancellation_reported:
            self._cancellation_reported = True
            self._warn(
                f"has channels that cancel each other: channel {mixer.fallback_channel + 1} alone is used there."
            )

    def _with_gaps(self) -> Iterator[tuple[float, AudioFrame]]:
        """Yield each frame with the seconds of silence before it."""
        previous: tuple[AudioFrame, Stamp] | None = None
        for frame in self._decoded:
            stamp = self._frames.stamp(frame)
            if previous is not None:
                yield self._timeline.place(previous[1], stamp), previous[0]
            previous = frame, stamp
        if previous is not None:
            yield self._timeline.place(previous[1], None), previous[0]

    def _report(self) -> None:
        length_s = self.length_s
        reached_s = max(self._timeline.position_s, self._frames.end_s - self._frames.start_s)
        if self._timeline.ignored_s is not None:
            at_s = self._timeline.ignored_s
            self._warn(
                f"has time stamps that jump by more than {MAX_GAP_S:.0f} s after {at_s:.1f} s: they are ignored."
            )
        if length_s is not None and length_s - reached_s > max(TOLERANCE_S, length_s * TOLERANCE_SHARE):
            self._warn(f"ends after {reached_s:.1f} s, of {length_s:.1f} s: it is truncated or damaged.")
        elif self._frames.damaged:
            self._warn("is damaged: some of its audio could not be decoded.")


class Resampler:
    def __init__(self, source_hz: int, target_hz: int) -> None:
        self.source_hz = source_hz
        self._resampler = None if source_hz == target_hz else av.AudioResampler("flt", "mono", target_hz)

    def push(self, samples: Mono) -> Iterator[Mono]:
        """Yield the samples that are ready; converts at most a second at once, which bounds the size of the output."""
        for start in range(0, len(samples), self.source_hz):
            yield from self._convert(samples[start : start + self.source_hz])

    def flush(self) -> Iterator[Mono]:
        """Yield the delayed samples; no more may be pushed."""
        if self._resampler is not None:
            yield from (frame.to_ndarray()[0] for frame in self._resampler.resample(None))

    def _convert(self, samples: Mono) -> Iterator[Mono]:
        if self._resampler is None:
            yield samples
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self.source_hz
        yield from (out.to_ndarray()[0] for out in self._resampler.resample(frame))


def silence(seconds: float, rate_hz: int) -> Iterator[Mono]:
    """Yield silence of this length, in chunks of up to a second."""
    samples = round(seconds * rate_hz)
    for start in range(0, samples, rate_hz):
        yield np.zeros(min(rate_hz, samples - start), np.float32)


def to_pcm(mono: Mono) -> NDArray[np.int16]:
    scaled: NDArray[np.float32] = np.rint(mono * np.float32(2**15))
    return np.clip(scaled, -(2**15), 2**15 - 1).astype(np.dtype("<i2"))
