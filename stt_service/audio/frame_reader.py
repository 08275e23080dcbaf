"""One stream's bytes as frames: decoded, resampled, without the lead, cut into 32 ms."""

from __future__ import annotations

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ, AudioFormat, Decoder, Frames, FrameSplitter, Samples


class FrameReader:
    """What a stream's client sends, from bytes on."""

    def __init__(self, audio_format: AudioFormat, left_context_ms: int) -> None:
        """Take how much of the audio is from before the stream's beginning, which only the resampler shall hear."""
        self._decoder, self._framer = Decoder(audio_format), FrameSplitter()
        self._lead_ms = left_context_ms
        self._lead_samples = left_context_ms * SAMPLE_RATE_HZ // 1000
        self._zeros_ms = 0  # silence that the decoder did not see

    @property
    def received_ms(self) -> int:
        """Length of the audio received, without the lead."""
        return max(0, self._decoder.received_ms + self._zeros_ms - self._lead_ms)

    def push(self, pcm: bytes) -> Frames:
        """Take bytes of the stream's format; return the frames that they complete.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        return self._frames(self._decoder.push(pcm))

    def silence(self, samples: int) -> Frames:
        """Take so many samples of silence at the stream's own rate; return the frames that they complete."""
        return self._frames(self._decoder.silence(samples))

    @property
    def is_silent(self) -> bool:
        """Whether nothing but zeros follows as long as silence does: then `zeros` and `skip` take whole seconds of it.

        After both together have taken whole seconds, the state is that after as much `silence`. At other rates than
        16 kHz the audio that follows may differ by rounding, up to 1e-6.
        """
        return self._decoder.is_silent and not self._lead_samples

    def zeros(self, milliseconds: int) -> Frames:
        """Take so much silence behind the resampler; return the frames that it completes."""
        self._zeros_ms += milliseconds
        return self._framer.push(np.zeros(milliseconds * SAMPLE_RATE_HZ // 1000, np.float32))

    def skip(self, milliseconds: int) -> None:
        """Count so much silence as received; it makes no frames."""
        self._zeros_ms += milliseconds

    def _frames(self, samples: Samples) -> Frames:
        lead, self._lead_samples = self._lead_samples, max(0, self._lead_samples - len(samples))
        return self._framer.push(samples[lead:])

    def flush(self) -> Frames:
        """End the audio: return the frames that were held back, the last one padded. Nothing may follow."""
        return np.concatenate((self._framer.push(self._decoder.flush()[self._lead_samples :]), self._framer.flush()))

    def check_whole(self) -> None:
        """Refuse audio that ended inside a sample.

        Raises:
            InvalidRequest: what came before is not lost by it.
        """
        self._decoder.check_whole()
