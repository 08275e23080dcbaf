"""One stream's bytes as frames: decoded, resampled, without the lead, cut into 32 ms."""

from __future__ import annotations

import numpy as np

from stt_service.audio import SAMPLE_RATE_HZ, AudioFormat, Decoder, Framer, Frames


class Intake:
    """What a stream's client sends, from bytes on."""

    def __init__(self, audio_format: AudioFormat, lead_ms: int) -> None:
        """Take how much of the audio is from before the stream's beginning, which only the resampler shall hear."""
        self._decoder, self._framer = Decoder(audio_format), Framer()
        self._lead_ms = lead_ms
        self._lead_samples = lead_ms * SAMPLE_RATE_HZ // 1000

    @property
    def received_ms(self) -> int:
        """Length of the audio received, without the lead."""
        return max(0, self._decoder.received_ms - self._lead_ms)

    def push(self, pcm: bytes) -> Frames:
        """Take bytes of the stream's format; return the frames that they complete.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        samples = self._decoder.push(pcm)
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
