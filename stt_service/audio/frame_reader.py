"""Converts one stream's bytes into frames: decoded, resampled, without the left context, split into 32 ms."""

from __future__ import annotations

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ, AudioFormat, Decoder, Frames, FrameSplitter, Samples


class FrameReader:
    """The audio that one stream's client sends, as frames."""

    def __init__(self, audio_format: AudioFormat, left_context_ms: int) -> None:
        """Begin a stream whose first `left_context_ms` of audio precede it and are for the resampler only."""
        self._decoder, self._framer = Decoder(audio_format), FrameSplitter()
        self._left_context_ms = left_context_ms
        self._left_context_samples = left_context_ms * SAMPLE_RATE_HZ // 1000
        self._zeros_ms = 0  # silence that did not pass through the decoder

    @property
    def received_ms(self) -> int:
        """Length of the audio received, without the left context."""
        return max(0, self._decoder.received_ms + self._zeros_ms - self._left_context_ms)

    def push(self, pcm: bytes) -> Frames:
        """Process bytes of the stream's format; return the frames that they complete.

        Raises:
            InvalidRequestError: the bytes do not have the declared format.
        """
        return self._frames(self._decoder.push(pcm))

    def push_silence(self, samples: int) -> Frames:
        """Process that many samples of silence, at the stream's own rate; return the frames that they complete."""
        return self._frames(self._decoder.push_silence(samples))

    @property
    def is_silent(self) -> bool:
        """Whether all output is zero until audio follows; `push_zeros` and `skip` then accept whole seconds of silence.

        When both together have processed whole seconds, the state is that after the same length of `push_silence`. At
        rates other than 16 kHz the audio that follows may differ by rounding, up to 1e-6.
        """
        return self._decoder.is_silent and not self._left_context_samples

    def push_zeros(self, milliseconds: int) -> Frames:
        """Insert silence after the resampler; return the frames that it completes."""
        self._zeros_ms += milliseconds
        return self._framer.push(np.zeros(milliseconds * SAMPLE_RATE_HZ // 1000, np.float32))

    def skip(self, milliseconds: int) -> None:
        """Count silence as received without producing frames."""
        self._zeros_ms += milliseconds

    def _frames(self, samples: Samples) -> Frames:
        skipped = min(self._left_context_samples, len(samples))
        self._left_context_samples -= skipped
        return self._framer.push(samples[skipped:])

    def flush(self) -> Frames:
        """End the audio; return the remaining frames, the last one padded with zeros. Nothing may follow."""
        return np.concatenate(
            (self._framer.push(self._decoder.flush()[self._left_context_samples :]), self._framer.flush())
        )

    def check_whole(self) -> None:
        """Check that the audio did not end inside a sample.

        Raises:
            InvalidRequestError: it did; the audio before it is not lost.
        """
        self._decoder.check_whole()
